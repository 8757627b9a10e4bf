"""`use: real-texts`: what is given of real texts, the rest of which is generated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData

GIVEN: Mapping[str, Sequence[str]] = {
    "utterances": ("label",),
    "pairs": ("source",),
    "facts": ("relation", "subject", "answer"),
    "questions": ("context",),
    "passages": (),
    "dialogues": (),
}
"""What is given by default, by the kind of the texts."""


class RealTexts:
    """Parts of real records in order, again and again; samples of one record stay in one split.

    Each of `give` is a field: `label` is a class, the others are texts. `origin` says where the record stands.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: real-texts`."""

        data: TextData = Setting(description="Real texts.")
        part: Literal["all", "train", "validation", "test"] = Setting(
            default="all", description="Which records: all, or those of one of the splits of `data`."
        )
        give: list[str] | None = Setting(
            default=None,
            description="What is given of each record; by default the class of utterances, the source of pairs, all of "
            "facts but the question, the context of questions.",
        )
        repeats: int = Setting(default=1, ge=1, description="Samples of every record.")

    def __init__(self, config: Config) -> None:
        self.config = config
        texts = reader.read(config.data)
        self._texts = texts if config.part == "all" else texts.take(config.part)
        there = (*(("label",) if texts.labels is not None else ()), *texts.texts)
        given = config.give if config.give is not None else [name for name in GIVEN[texts.kind] if name in there]
        if wrong := [name for name in given if name not in there]:
            raise DataError(f"{config.data.texts}: give: {unknown(wrong[0], there, 'part of a record')}")
        self._given = tuple(given)
        self.samples = config.repeats * len(self._texts)
        self.fields: Mapping[str, Field] = {
            **{name: Label(texts.classes) if name == "label" else Text() for name in self._given},
            "origin": Text(),
        }

    def identity(self) -> dict[str, Any]:
        apart = {"texts", "licence", "source"}
        settings = self.config.model_dump(mode="json", exclude={"repeats": True, "data": apart})
        return settings | {"data_sha256": reader.sha256(self.config.data)}

    @property
    def sources(self) -> list[Source]:
        data = self.config.data
        return [Source("data", data.source or data.texts, reader.sha256(data), data.licence)]

    def data_facts(self) -> DataFacts:
        """How the texts are read and divided, in words."""
        return self._texts.facts

    def condition(self, index: int) -> tuple[dict[str, Any], str | None]:
        row = index % len(self._texts)
        values: dict[str, Any] = {
            name: int(self._texts.labels[row]) if name == "label" else self._texts.texts[name][row]  # type: ignore[index]
            for name in self._given
        }
        return {**values, "origin": self._texts.where(row)}, str(row) if self.config.repeats > 1 else None

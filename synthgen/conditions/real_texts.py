"""`use: real-texts`: what is given of real texts, the rest of which is generated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Text
from synthgen.models.text.kinds import KINDS
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData
from synthgen.readers.texts.sameness import compared, components


class RealTexts:
    """Parts of real records in order, again and again.

    Samples of one record stay in one split, and with them those of all records that share a text, a passage or a
    subject with it.

    Each of `give` is a field: `label` is a class, the others are texts. `origin` says where the record stands.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: real-texts`."""

        data: TextData = Setting(description="Real texts.")
        part: Literal["all", "train", "validation", "test"] = Setting(
            default="all", description="Which records: all, or those of one of the splits of `data`."
        )
        give: list[str] | dict[str, FieldName] | None = Setting(
            default=None,
            description="What is given of each record; by default the class of utterances, the source of pairs, all of "
            "facts but the question, the context of questions. `{text: source}` gives it by another name: the text of "
            "passages to a model that translates, for instance.",
        )
        repeats: int = Setting(default=1, ge=1, description="Samples of every record.")

    def __init__(self, config: Config) -> None:
        self.config = config
        texts = reader.read(config.data)
        self._texts = texts if config.part == "all" else texts.take(config.part)
        there = (*(("label",) if texts.labels is not None else ()), *texts.texts)
        given = config.give if config.give is not None else [n for n in KINDS[texts.kind].given if n in there]
        if wrong := [name for name in given if name not in there]:
            problems = [unknown(name, there, "part of a record") for name in wrong]
            raise DataError(*(f"{config.data.texts}: give: {text}" for text in problems))
        self._given = dict(given) if isinstance(given, dict) else {name: name for name in given}
        if len({*self._given.values(), "origin"}) <= len(self._given):
            raise DataError(f"{config.data.texts}: give: two parts, or one and `origin`, have the same name")
        self.samples = config.repeats * len(self._texts)
        self.fields: Mapping[str, Field] = {
            **{name: Label(texts.classes) if part == "label" else Text() for part, name in self._given.items()},
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
            name: int(self._texts.labels[row]) if part == "label" else self._texts.texts[part][row]  # type: ignore[index]
            for part, name in self._given.items()
        }
        return {**values, "origin": self._texts.where(row)}, str(self._families[row])

    @cached_property
    def _families(self) -> list[int]:
        """Of each record the first that it is connected with."""
        found: list[int] = components(compared(self._texts), []).tolist()
        return found

"""`use: asked-values`: whether what a condition asks for is mentioned in a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Number, Schema, Text
from synthgen.language.words import mentions
from synthgen.parts import field_texts
from synthgen.parts.field_texts import GIVEN, FieldText
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown

SLOT = "slot: "
"""How the names of the fields begin that ask for the value of a slot."""


class AskedValues(PlainAnnotator):
    """Adds, for `name: asked_values`, the share of the values asked for that the text mentions; 1 if there are none.

    A value is mentioned if its words stand in the text one behind the other, whole, whatever their case and the
    punctuation between them. Values that are empty are not asked for.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: asked-values`."""

        values: list[str] = Setting(
            default=[],
            description="Fields of the condition whose texts must be mentioned, as [subject, answer]; by default all "
            "values of slots that it asks for.",
        )
        text: str = Setting(
            default="",
            description="Where they must be mentioned, as `question`; by default the text that is generated, if it is "
            "only one.",
        )
        name: FieldName = Setting(default="asked_values", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields = {config.name: Number()}
        self._values: list[str] = []
        self._text = FieldText("")

    def bind(self, columns: Schema) -> list[Problem]:
        given = [
            name.removeprefix(GIVEN) for name, f in columns.items() if name.startswith(GIVEN) and isinstance(f, Text)
        ]
        names = self.config.values or [name for name in given if name.startswith(SLOT)]
        text, problems = field_texts.one(columns, self.config.text, "text")
        problems += [
            Problem(unknown(name, given, "text of the condition"), (f"{GIVEN}{name}",), ("values",))
            for name in names
            if name not in given
        ]
        if not names:
            listed = ", ".join(given) or "no texts"
            message = f"the condition asks for no values of slots; set `values` to some of its texts: it has {listed}"
            problems.append(Problem(message))
        self._values = [f"{GIVEN}{name}" for name in names]
        self._text = text or self._text
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        texts = self._text.column(columns)
        rows = zip(texts, *(columns[name] for name in self._values), strict=True)
        return {self.config.name: [_share(text, values) for text, *values in rows]}


def _share(text: str, values: Sequence[str]) -> float:
    asked = [value for value in values if value.strip()]
    return sum(mentions(text, value) for value in asked) / len(asked) if asked else 1.0

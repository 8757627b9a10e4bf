"""`use: class-label`: the label by construction, the class that the slot asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Label, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class ClassLabel(PlainAnnotator):
    """Writes `condition.label` as the field `label`."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """`use: class-label` has no settings."""

    def bind(self, columns: Schema) -> list[Problem]:
        source = columns.get("condition.label")
        if not isinstance(source, Label):
            return [Problem("needs a condition with classes, such as `use: classes`", ("condition.label",))]
        self.fields = {"label": source}
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {"label": list(columns["condition.label"])}

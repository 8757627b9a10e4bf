"""`use: class-label`: the label by construction, the class that the slot asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Label, Probabilities, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class ClassLabel(PlainAnnotator):
    """Writes `condition.label` as the field `label`, and `condition.soft_label`, if there is one, as `soft_label`."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """`use: class-label` has no settings."""

    def bind(self, columns: Schema) -> list[Problem]:
        source = columns.get("condition.label")
        if not isinstance(source, Label):
            return [Problem("needs a condition with classes, such as `use: classes`", ("condition.label",))]
        self.fields = {"label": source}
        soft = columns.get("condition.soft_label")
        if isinstance(soft, Probabilities):
            self.fields = {"label": source, "soft_label": soft}
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {name: list(columns[f"condition.{name}"]) for name in self.fields}

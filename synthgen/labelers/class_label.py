"""`use: class-label`: the label by construction, the class that the slot asked for, or the classes of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Field, Label, Probabilities, Schema, StepLabels
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem

KINDS: dict[str, type[Field]] = {"label": Label, "soft_label": Probabilities, "step_label": StepLabels}


class ClassLabel(PlainAnnotator):
    """Writes what there is of `condition.label`, `condition.soft_label` and `condition.step_label` as such fields."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """`use: class-label` has no settings."""

    def bind(self, columns: Schema) -> list[Problem]:
        found: dict[str, Field] = {}
        for name, kind in KINDS.items():
            if isinstance(field := columns.get(f"condition.{name}"), kind):
                found[name] = field
        if not found.keys() & {"label", "step_label"}:
            return [Problem("needs a condition with classes, such as `use: classes`", ("condition.label",))]
        self.fields = found
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {name: list(columns[f"condition.{name}"]) for name in self.fields}

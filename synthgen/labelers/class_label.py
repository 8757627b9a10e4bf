"""`use: class-label`: the label by construction, the class that the slot asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from synthgen.fields import Columns, Label, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class ClassLabel:
    """Writes `condition.label` as the field `label`."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """`use: class-label` has no settings."""

        model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, config: Config) -> None:
        self.fields: Mapping[str, Label] = {}

    def identity(self) -> dict[str, Any]:
        return {}

    def bind(self, columns: Schema) -> list[Problem]:
        source = columns.get("condition.label")
        if not isinstance(source, Label):
            return [Problem("needs a condition with classes, such as `use: classes`", ("condition.label",))]
        self.fields = {"label": source}
        return []

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {"label": list(columns["condition.label"])}

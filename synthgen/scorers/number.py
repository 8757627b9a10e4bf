"""`use: number`: a number that a sampler or a labeler wrote, as a score that rules can decide by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Number, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class NumberScore(PlainAnnotator):
    """Adds the number in a field as a score, such as `log_likelihood_score` of the field `log_likelihood`."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: number`."""

        field: str = Setting(description="The field of numbers, such as `log_likelihood`, `finished` or `valid`.")
        name: str = Setting(
            default="", pattern=r"^([a-z][a-z0-9_]*)?$", description="Name of the score; by default `<field>_score`."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._name = config.name or f"{config.field.rpartition('.')[2]}_score"
        self.fields: Mapping[str, Number] = {self._name: Number()}

    def bind(self, columns: Schema) -> list[Problem]:
        number = columns.get(self.config.field)
        if not isinstance(number, Number):
            known = [name for name, field in columns.items() if isinstance(field, Number)]
            return [Problem(unknown(self.config.field, known, "field of numbers"), (self.config.field,), ("field",))]
        self.fields = {self._name: Number(number.unit)}
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {self._name: [float(value) for value in columns[self.config.field]]}

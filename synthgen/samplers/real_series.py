"""`use: real-series`: the condition's series as they are, to be labelled, scored and written like generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Field, Number, Schema, Series, Text, Times, Timestamp
from synthgen.parts.plain import PlainPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot

KINDS: dict[str, type[Field]] = {
    "series": Series,
    "time": Times,
    "covariates": Series,
    "static": Series,
    "start": Number,
    "start_time": Timestamp,
    "source": Text,
}
"""What a condition may know of its series, by the kinds of fields."""


class RealSeries(PlainPart):
    """Takes `series` and `time` of `use: real-series` with `generate: nothing`, and what else it knows of them.

    That is `covariates`, `static` columns, when they begin (`start`, `start_time`) and whose they are (`source`).
    Nothing is generated: what labelers say of real series is then as easy to check, filter and load as samples are.
    `synthgen label` writes such a recipe.
    """

    version: ClassVar[int] = 1
    maker: ClassVar[str] = ""

    class Config(Settings):
        """`use: real-series` has no settings."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields: dict[str, Field] = {}

    def bind(self, condition: Schema) -> list[Problem]:
        self.fields = {name: condition[name] for name, kind in KINDS.items() if isinstance(condition.get(name), kind)}
        if missing := {"series", "time"} - self.fields.keys():
            return [
                Problem("needs a condition with series, `use: real-series` with `generate: nothing`", tuple(missing))
            ]
        return []

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        columns: dict[str, Sequence[Any]] = {name: [slot.condition[name] for slot in slots] for name in self.fields}
        return columns

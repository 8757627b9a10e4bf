"""`use: peak`: one number of a series, such as its highest anomaly score: what rules can decide by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.fields import Columns, Number, Schema, Series
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class Peak(PlainAnnotator):
    """Adds a quantile of all values of a series, by default the highest; missing values are left out."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: peak`."""

        field: str = Setting(default="anomaly_score", description="The series, such as scores by step.")
        quantile: float = Setting(default=1.0, ge=0, le=1, description="1 is the highest value, 0.5 the median.")
        name: str = Setting(
            default="", pattern=r"^([a-z][a-z0-9_]*)?$", description="Name of the score; by default `<field>_peak`."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._name = config.name or f"{config.field}_peak"
        self.fields: Mapping[str, Number] = {self._name: Number()}

    def bind(self, columns: Schema) -> list[Problem]:
        series = columns.get(self.config.field)
        if not isinstance(series, Series):
            message = f"needs the series `{self.config.field}`, such as the scores of `use: denoising-error`"
            return [Problem(message, (self.config.field,))]
        units = set(series.units)
        self.fields = {self._name: Number(units.pop() if len(units) == 1 else "1")}
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        """Raises DataError if a series has no value at all."""
        found = []
        for values in columns[self.config.field]:
            there = values[~np.isnan(values)]
            if not len(there):
                raise DataError(f"field `{self.config.field}`: has no value, and so no peak")
            found.append(float(np.quantile(there, self.config.quantile)))
        return {self._name: found}

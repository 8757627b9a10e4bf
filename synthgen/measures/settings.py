"""What the settings of measures have in common, and numbers that were measured with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class MeasureSettings(BaseModel):
    """Settings of a measure that trains networks on parts of the dataset and of the real data."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seeds: int = Field(default=3, ge=1, description="Repeats of every training.")
    split: str = Field(default="train", description="Split of the dataset that is measured; `all` for all.")

    @property
    def part(self) -> str | None:
        """The split as `synthgen.load` takes it."""
        return None if self.split == "all" else self.split


@dataclass(frozen=True, slots=True)
class Spread:
    """A number measured with several seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 for one value."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0


def in_percent(values: Sequence[float]) -> dict[str, Any]:
    """Mean, sample standard deviation and values of shares, each in percent with three decimals."""
    spread = Spread(tuple(values))
    return {
        "mean": round(100 * spread.mean, 3),
        "deviation": round(100 * spread.deviation, 3),
        "values": [round(100 * value, 3) for value in values],
    }

"""The axis of time below a series, as words: numbers with their unit, or moments where it is known when they were."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthgen.base.units import UNITS_US

PRECISIONS = ("D", "m", "s", "ms")
"""Of moments, the coarsest first: that one is written in which nothing is lost."""


@dataclass(frozen=True, slots=True)
class Axis:
    """When the steps of a series are.

    Attributes:
        times: float64 (L,), rising, in `unit`.
        start: the moment, in microseconds, that times count from; None if none is known. `zoned`: it is of UTC.
    """

    times: np.ndarray
    unit: str = "step"
    start: np.datetime64 | None = None
    zoned: bool = False

    def words(self) -> tuple[str, str, str]:
        """What stands below the first step, between them, and below the last one.

        `0`, `time (h)`, `23`; or `2017-03-05 06:00`, `UTC`, `2017-03-06 05:00`. With seconds if there are some.
        """
        first, last = float(self.times[0]), float(self.times[-1])
        if self.start is None:
            return number(first), f"time ({self.unit})", number(last)
        middle = "UTC" if self.zoned else ""
        if self.unit not in UNITS_US:
            return moments([self.start])[0], middle, f"+{number(last)} {self.unit}"
        since = np.round(np.array([first, last]) * UNITS_US[self.unit]).astype("timedelta64[us]")
        left, right = moments(self.start + since)
        return left, middle, right


def moments(stamps: np.ndarray | list[np.datetime64]) -> list[str]:
    """`2017-03-05 06:00`: in the coarsest precision that all of these have, dates alone if all are at midnight."""
    exact = np.array(stamps, dtype="datetime64[us]")
    unit = next((unit for unit in PRECISIONS if (exact.astype(f"datetime64[{unit}]") == exact).all()), "us")
    return [str(moment.astype(f"datetime64[{unit}]")).replace("T", " ") for moment in exact]


def number(value: float) -> str:
    """`49,900`, `31.2`, `0.0357`: as short as a panel is small."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"

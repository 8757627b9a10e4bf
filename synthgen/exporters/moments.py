"""Moments: the times of steps in recordings, counted from whichever window, as numbers or as timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from synthgen.base.units import UNITS_US
from synthgen.fields import Column


class Moments:
    """Entity and time of steps: the same for a step of a recording in all windows that it is in.

    Times are in `unit` since the recording's origin, or timestamps where its table had timestamps.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._origins: dict[str, str] = {}

    def place(self, condition: Mapping[str, Any], time: float) -> tuple[str, float]:
        """Entity and time of a step, by the condition of a window and the time since its start."""
        entity = str(condition.get("source", ""))
        self._origins[entity] = str(condition.get("origin", ""))
        since = float(condition.get("start", 0.0)) + time
        if not self._stamped:
            return entity, round(since, 9)
        per_unit = UNITS_US[self._unit]  # timestamps are whole microseconds
        return entity, round(since * per_unit) / per_unit

    @property
    def column(self) -> Column:
        return Column("time", "string") if self._stamped else Column("time", "float64", self._unit)

    def written(self, entity: str, time: float) -> Any:
        """What stands in the table for the time of a place."""
        origin = self._origins[entity]
        if not self._stamped or not origin:
            return time
        since = timedelta(microseconds=round(time * UNITS_US[self._unit]))
        return (datetime.fromisoformat(origin) + since).isoformat()

    @property
    def _stamped(self) -> bool:
        return self._unit in UNITS_US and any(self._origins.values())

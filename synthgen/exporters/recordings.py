"""Recordings: windows of real series that passed as they are, joined to whole series, with the mean of their scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.exporters.series_rows import Column, SeriesRows
from synthgen.fields import Series
from synthgen.view import Sample

if TYPE_CHECKING:
    from synthgen.exporters.table import Table

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class Recordings:
    """The steps of recordings, once each: in memory, because windows overlap."""

    def __init__(self, rows: SeriesRows) -> None:
        self._rows = rows
        self._scores = scores(rows)
        self._unit = next(column.unit for column in rows.columns if column.name == "time")
        self._origins: dict[str, str] = {}
        self._values: dict[tuple[str, float], np.ndarray] = {}
        self._found: defaultdict[tuple[str, float], list[np.ndarray]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def columns(self) -> list[Column]:
        """Entity, time (a timestamp if the data had timestamps), channels and scores."""
        kind = self._rows.kind
        time = Column("time", "string") if self._stamped else Column("time", "float64", self._unit)
        channels = [Column(name, "float32", unit) for name, unit in zip(kind.channels, kind.units, strict=True)]
        return [Column("entity", "string"), time, *channels, *(Column(name, "float32") for name in self._scores)]

    def add(self, sample: Sample) -> None:
        """One window: `start` and `source` of its condition say where it lies, `origin` what time 0 is."""
        condition = sample["meta"]["condition"]
        entity, start = str(condition["source"]), float(condition["start"])
        self._origins[entity] = str(condition["origin"])
        found = np.concatenate([np.empty((self._rows.kind.length, 0)), *(sample[name] for name in self._scores)], 1)
        for i, time in enumerate(self._rows.times(sample).tolist()):
            place = entity, self._exact(start + time)
            self._values[place] = sample[self._rows.field][i]
            self._found[place].append(found[i])

    def _exact(self, time: float) -> float:
        """The same number from whichever window a step is counted: timestamps are whole microseconds."""
        if self._stamped:
            per_unit = SECONDS[self._unit] * 1_000_000
            return round(time * per_unit) / per_unit
        return round(time, 9)

    def write(self, table: Table) -> None:
        """A row a time of every entity, in order of both; missing values have no score."""
        places = sorted(self._values)
        values = np.stack([self._values[place] for place in places]).astype(np.float32)
        means = np.stack([_mean(np.stack(self._found[place])) for place in places]).astype(np.float32)
        table.add([[entity for entity, _ in places], [self._when(*place) for place in places], *values.T, *means.T])

    @property
    def _stamped(self) -> bool:
        return self._unit in SECONDS and any(self._origins.values())

    def _when(self, entity: str, time: float) -> Any:
        origin = self._origins[entity]
        if not self._stamped or not origin:
            return time
        return (
            datetime.fromisoformat(origin) + timedelta(microseconds=round(time * SECONDS[self._unit] * 1_000_000))
        ).isoformat()


def scores(rows: SeriesRows) -> Sequence[str]:
    """Names of the fields with one number a step, such as those of `denoising-error`."""
    return [
        name
        for name, kind in rows.fields.items()
        if isinstance(kind, Series)
        and name not in (rows.field, "known", "covariates")
        and kind.length == rows.kind.length
        and len(kind.channels) == 1
    ]


def _mean(found: np.ndarray) -> np.ndarray:
    """Means (K,) over windows (W, K) of what is not missing, NaN where all is."""
    there = ~np.isnan(found)
    total: np.ndarray = np.where(there, found, 0).sum(0) / np.maximum(there.sum(0), 1)
    return np.where(there.any(0), total, np.nan)

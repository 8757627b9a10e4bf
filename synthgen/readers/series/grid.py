"""Rows of all entities in order of entity and time, on the times they have or on a regular grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.readers.series.cells import Names
from synthgen.readers.series.times import Times, iso
from synthgen.readers.series.types import SeriesData

MAX_CELLS = 1 << 31
TOLERANCE = 1e-6
"""Of a step: so much before a cell of the grid still lies in it, because 0.3 / 0.1 is less than 3."""


@dataclass(frozen=True, slots=True)
class Clock:
    """How times of the files become float64 numbers of `unit`: those of an entity since its origin.

    origins: int64 (E,) microseconds since 1970 for timestamps, zeros for numbers.
    """

    unit: str
    stamped: bool
    zoned: bool
    origins: np.ndarray

    def __call__(self, times: np.ndarray, entities: np.ndarray) -> np.ndarray:
        if not self.stamped:
            return times.astype(np.float64)
        since: np.ndarray = (times - self.origins[entities]) / float(UNITS_US[self.unit])
        return since

    def start(self, entity: int) -> str:
        return iso(int(self.origins[entity]), self.zoned) if self.stamped else ""


@dataclass(frozen=True, slots=True)
class Grid:
    """All entities' rows; those of entity e are `bounds[e]` to `bounds[e + 1]`.

    times: float64 (R,), increasing within an entity; values (R, C) and covariates (R, K): float32, or float64
    where a column needs it. step: that of a regular grid, in time units, None if the rows are as in the files.
    step_labels: uint8 (R,), 0 unknown, ids of `step_classes` from 1 on; None without such.
    """

    owners: tuple[str, ...]
    bounds: np.ndarray
    clock: Clock
    times: np.ndarray
    values: np.ndarray
    covariates: np.ndarray
    step: float | None = None
    step_labels: np.ndarray | None = None
    step_classes: tuple[str, ...] = ()

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.bounds)

    def moment(self, entity: int, row: int) -> str:
        """A row's time, for messages."""
        start = self.clock.start(entity)
        return f"{self.times[row]:.10g}" + (f" {self.clock.unit} after {start}" if start else "")


def plain_clock(n_entities: int, data: SeriesData) -> Clock:
    """The clock of times that are numbers."""
    unit = "step" if data.time_unit == "auto" else data.time_unit
    return Clock(unit, False, False, np.zeros(n_entities, dtype=np.int64))


def make_clock(times: Times, owners: Names, data: SeriesData) -> Clock:
    """The unit and the origins: an entity's first time, with `step` the start of the cell that it lies in.

    Raises:
        DataError: `step` or `events` count in a unit that nobody named.
    """
    n = len(owners.names)
    if not times.stamped:
        return plain_clock(n, data)
    given = [name for name in ("step", "span", "events") if getattr(data, name)]
    if data.time_unit == "step" or (data.time_unit == "auto" and given):
        raise DataError(
            f"time_unit: {data.time_unit}: times are timestamps, and {' and '.join(f'`{name}`' for name in given)} "
            f"must be counted in a unit; set `time_unit` to {', '.join(UNITS_US)}"
            if given
            else f"time_unit: step: times are timestamps; {', '.join(UNITS_US)} or auto are accepted"
        )
    usable = (owners.codes >= 0) & ~times.bad
    codes, stamps = owners.codes[usable], times.values[usable]
    origins = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(origins, codes, stamps)
    origins[np.bincount(codes, minlength=n) == 0] = 0
    unit = data.time_unit if data.time_unit != "auto" else _unit(codes, stamps)
    if data.step:
        cell = max(1, round(float(data.step) * UNITS_US[unit]))
        origins = origins // cell * cell
    return Clock(unit, True, times.zoned, origins)


def _unit(codes: np.ndarray, stamps: np.ndarray) -> str:
    """The largest unit in which the median step of an entity is at least one."""
    order = np.lexsort((stamps, codes))
    steps = np.diff(stamps[order])[np.diff(codes[order]) == 0]
    steps = steps[steps > 0]
    median = float(np.median(steps)) if len(steps) else 0.0
    return next((unit for unit in ("d", "h", "min") if median >= UNITS_US[unit]), "s")


def in_span(times: np.ndarray, data: SeriesData) -> np.ndarray:
    """Mask of the times that `span` leaves."""
    if data.span is None:
        return np.ones(len(times), dtype=bool)
    return (times >= data.span[0]) & (times < data.span[1])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where items go: `rows` int64 (items,) into a grid with `bounds` (E + 1,) and `times` float64 (R,)."""

    rows: np.ndarray
    bounds: np.ndarray
    times: np.ndarray

    def notes(self, data: SeriesData) -> list[str]:
        """What became of the rows in the cells, in words."""
        n_filled = len(np.unique(self.rows))
        n_averaged, n_empty = len(self.rows) - n_filled, len(self.times) - n_filled
        return [
            f"`step` lays {len(self.rows):,} rows on {len(self.times):,} cells of {float(data.step or 0):g} "
            f"{data.time_unit if data.time_unit != 'auto' else 'step'}: {n_averaged:,} rows share a cell with another "
            f"and are averaged, and {n_empty:,} cells are empty"
        ]

    def mean(self, values: np.ndarray, items: np.ndarray | None = None) -> np.ndarray:
        """(R,), of the values' dtype: the mean of the values (of `items`) that fall on a row, NaN where none does."""
        rows = self.rows if items is None else self.rows[items]
        known, dtype = np.isfinite(values), values.dtype
        rows, values = rows[known], values[known]
        n = np.bincount(rows, minlength=len(self.times))
        total = np.bincount(rows, weights=values, minlength=len(self.times))
        means: np.ndarray = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0).astype(dtype)
        return means


def lay_on_grid(codes: np.ndarray, times: np.ndarray, n_entities: int, data: SeriesData) -> Layout:
    """Rows `step` apart, from an entity's first item to its last, or over all of `span`.

    Raises:
        DataError: the grid would have billions of rows, because `step` is in another unit than was meant.
    """
    assert data.step is not None
    step = float(data.step)
    cells = _cell(times / step)
    if data.span:
        first = np.full(n_entities, int(_cell(np.array(data.span[0] / step))))
        lengths = np.full(n_entities, int(np.ceil(data.span[1] / step - TOLERANCE)) - first[0])
    else:
        first, last = np.full(n_entities, np.iinfo(np.int64).max), np.full(n_entities, np.iinfo(np.int64).min)
        np.minimum.at(first, codes, cells)
        np.maximum.at(last, codes, cells)
        empty = np.bincount(codes, minlength=n_entities) == 0
        first[empty], last[empty] = 0, -1
        lengths = last - first + 1
    if lengths.sum() > MAX_CELLS:
        raise DataError(
            f"step: {step:g}: makes a grid of {lengths.sum():,} rows; check `step` and `time_unit`, and the times "
            "for one that is far from the others"
        )
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    steps = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - first, lengths)
    return Layout(bounds[codes] + cells - first[codes], bounds, steps * step)


def _cell(steps: np.ndarray) -> np.ndarray:
    """int64: the cell that a time, counted in steps, lies in; numbers as large as seconds since 1970 are less exact."""
    cells: np.ndarray = np.floor(steps + np.maximum(TOLERANCE, 4 * np.spacing(np.abs(steps)))).astype(np.int64)
    return cells


def lay_by_time(codes: np.ndarray, times: np.ndarray, n_entities: int) -> Layout:
    """One row for each distinct time of an entity."""
    order = np.lexsort((times, codes))
    codes, times = codes[order], times[order]
    new = np.ones(len(codes), dtype=bool)
    new[1:] = (np.diff(codes) != 0) | (np.diff(times) != 0)
    rows = np.empty(len(codes), dtype=np.int64)
    rows[order] = np.cumsum(new) - 1
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes[new], minlength=n_entities))])
    return Layout(rows, bounds, times[new])


def interval(grid: Grid, data: SeriesData) -> float | None:
    """The step if times are regular, within a hundredth of a step, over all recordings; else None."""
    if grid.step or not data.time_column:
        return grid.step or 1.0
    longest = int(np.argmax(grid.lengths))
    first, last = grid.bounds[longest], grid.bounds[longest + 1] - 1
    if last <= first:
        return None
    step = float((grid.times[last] - grid.times[first]) / (last - first))
    filled = grid.lengths > 0
    starts = np.repeat(grid.bounds[:-1][filled], grid.lengths[filled])
    away = grid.times - grid.times[starts] - (np.arange(len(grid.times)) - starts) * step
    if np.abs(away).max() > 0.01 * step:
        return None
    return float(np.round(step, 9)) if abs(np.round(step, 9) - step) < 1e-9 * step else step

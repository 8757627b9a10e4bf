"""What a recipe leaves open and the table decides: its column of times, and the unit of `step`."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.readers.series.cells import is_number_column, is_text, names, numbers, some_texts
from synthgen.readers.series.dates import AS_NUMBER, CLOCK, EPOCH_US, STEP, stamps_of
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import Times, looks_like_time
from synthgen.readers.series.types import SeriesData

TIME = re.compile(r"time|date|^(t|ts|day|hour)$", re.IGNORECASE)
HOUR = re.compile(r"^(hour|hr|h)$", re.IGNORECASE)
MEANT = re.compile(r"^(date|time)([ _-]?(time|stamp|utc|local))?$", re.IGNORECASE)
"""Columns of text that are called so are times, readable or not; of those that `TIME` finds, only what reads so."""

MOST_REPEATS = 0.2
"""Share of rows whose time occurred before, up to which they are averaged: of more, rows belong to several entities."""


def find_time(table: Table, data: SeriesData) -> str | None:
    """The column of times: that of the recipe, or the likeliest one; None if there is none, or with `time: none`.

    A column of text that was meant as one and cannot be read is the last choice: rows without times would be a guess.
    """
    if data.time or data.kind != "table":
        return data.time_column
    taken = {data.entity, data.label, data.step_label, *(data.channels or ()), *data.covariates, *data.static}
    columns = [name for name in table.names if name not in taken]
    found = likely_times(table, columns, data.entity) or [name for name in columns if _is_meant(table, name)]
    return found[0] if found else None


def likely_times(table: Table, columns: Iterable[str], entity: str | None = None) -> list[str]:
    """Columns that are called and read like times: those of timestamps, then those of numbers that run like times."""
    called = [name for name in columns if TIME.search(name)]
    stamps = [name for name in called if _holds_stamps(table, name)]
    return stamps + [name for name in called if name not in stamps and _runs_like_times(table, name, entity)]


def _is_meant(table: Table, name: str) -> bool:
    """Whether a column was meant as times, though not as any that can be read."""
    kind = table.data[name].type
    if not is_text(kind):
        return bool(TIME.search(name)) and bool(pa.types.is_time(kind) or pa.types.is_duration(kind))
    named = MEANT.search(name) or (TIME.fullmatch(name) and is_clock(table, name))
    return bool(named) and bool(some_texts(table, name)) and not is_number_column(table, name)


def is_clock(table: Table, name: str) -> bool:
    """Whether a column holds times of day: text, by most of its first cells, times of Parquet, or hours."""
    kind = table.data[name].type
    if is_text(kind):
        texts = some_texts(table, name)
        if texts and 2 * sum(bool(CLOCK.search(text)) for text in texts) >= len(texts):
            return True
    if HOUR.search(name) and is_number_column(table, name):
        return bool(np.isin(numbers(table, name)[0], np.arange(24)).all())
    return bool(pa.types.is_time(kind))


def clock_beside(table: Table, time: str, times: Times) -> str | None:
    """The column of times of day beside one of whole days; None if there is none, or the days have times."""
    if not times.stamped or (times.values % UNITS_US["d"]).any():
        return None
    return next((name for name in table.names if name != time and is_clock(table, name)), None)


def _holds_stamps(table: Table, name: str) -> bool:
    form = table.formats.date_format
    if looks_like_time(table, name):
        return True
    if form is None or form == AS_NUMBER or form in EPOCH_US or not is_text(table.data[name].type):
        return False
    texts = some_texts(table, name)
    return bool(texts) and 2 * int(stamps_of(texts, form)[1].sum()) <= len(texts)


def _runs_like_times(table: Table, name: str, entity: str | None) -> bool:
    """Whether numbers rise, or fall, within every entity, or are evenly spaced in any order; few occur twice."""
    values, bad = numbers(table, name)
    if bad.any() or len(values) < 2 or not np.isfinite(values).all():
        return False
    codes = names(table, entity).codes if entity and entity in table.names else table.file_codes()

    def steps(order: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.diff(values[order])[np.diff(codes[order]) == 0]
        return found

    as_they_come = steps(np.argsort(codes, kind="stable"))
    if (as_they_come == 0).sum() > MOST_REPEATS * len(values) or not np.any(as_they_come):
        return False
    if (as_they_come >= 0).all() or (as_they_come <= 0).all():
        return True
    in_order = steps(np.lexsort((values, codes)))
    if (in_order == 0).sum() > MOST_REPEATS * len(values):  # an hour of the day, a day of the week
        return False
    in_order = in_order[in_order > 0]
    return bool(np.ptp(in_order) <= 1e-6 * in_order.max())


def with_unit(data: SeriesData, times: Times | None) -> SeriesData:
    """The settings with `step` as a number of `time_unit`, which is that of `step` where it is not given.

    Raises:
        DataError: `step` has a unit, and the times are numbers in a unit that nobody named; or there are no times.
    """
    given = [name for name in ("step", "span", "sort_by_time") if getattr(data, name)]
    if times is None and given:
        raise DataError(
            f"{data.path}: {given[0]}: needs times, and no column is called and reads like times; name it in `time`"
        )
    if not isinstance(data.step, str):
        return data
    size, unit = re.fullmatch(STEP, data.step).groups()  # type: ignore[union-attr]
    counted = unit if data.time_unit == "auto" else data.time_unit
    assert times is not None
    if (not times.stamped and data.time_unit == "auto") or counted == "step":
        raise DataError(
            f"{data.path}: step: {data.step}: the times are numbers, and nothing says of what; set `time_unit` to "
            f"{', '.join(UNITS_US)}, or `step` to a number"
        )
    return data.model_copy(update={"step": float(size) * UNITS_US[unit] / UNITS_US[counted], "time_unit": counted})

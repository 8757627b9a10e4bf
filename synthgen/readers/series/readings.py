"""What the columns of a table of series may mean: settings of `data` that can be tried, the likeliest first."""

from __future__ import annotations

import dataclasses
import itertools
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.series.cells import is_number_column, is_text, names, numbers, some_texts
from synthgen.readers.series.choices import MEANT, MOST_REPEATS, TIME, is_clock, likely_times
from synthgen.readers.series.dates import looks_like_iso, nearest_formats
from synthgen.readers.series.headers import is_unnamed
from synthgen.readers.series.roles import ENTITY
from synthgen.readers.series.step_names import moments_of, wide_reading
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import epoch_settings, looks_like_time, times_of

VARIABLE = re.compile(r"^(variable|metric|parameter|measure|signal|channel|feature)(_?name)?$", re.IGNORECASE)
VALUE = re.compile(r"^(value|reading|measurement)$", re.IGNORECASE)
"""Columns of tables in the form melted: the name of what was measured, and its value."""

PART = re.compile(r"^(year|quarter|month|week|day|weekday|hour|minute|second)$", re.IGNORECASE)
"""Columns of parts of a date: their rows are of no entity."""

MOST_TOGETHER = 3
"""Columns that may say only together whose row it is."""


def readings(table: Table, date_format: str | None) -> Iterator[dict[str, Any]]:
    """What may be tried: dates as the time, those first that are called so; numbers that run like times; none.

    First of all, and before none, that each row is one series, if columns are called after times, or counted.

    A number is no time where there are dates, and no date is an entity.
    """
    wide = wide_reading(table)
    if wide and moments_of(table):
        yield wide
    for time in _times(table):
        yield from _with_time(table, time, date_format)
    if wide:
        yield wide
    yield {}


def check_entities(table: Table) -> None:
    """To be called where no reading fits.

    Raises:
        DataError: several columns say only together whose row it is.
    """
    for time in _times(table):
        if together := _together(table, time):
            said, first = " and ".join(together), " ".join(some_texts(table, name)[0] for name in together)
            raise DataError(
                f"{table.place}: {time}: the rows of a time belong to several entities, which {said} name together; "
                f"write them into one column, as `{first}`, and name it in `entity`"
            )


def _times(table: Table) -> list[str]:
    dated = [name for name in table.names if looks_like_time(table, name) and len(names(table, name).names) > 1]
    if dated:
        return sorted(dated, key=lambda name: not TIME.search(name))
    called = [name for name in table.names if TIME.search(name)]
    return [name for name in called if any(likely_times(table, [name], who) for who in (None, *_entities(table, name)))]


def _entities(table: Table, time: str) -> list[str]:
    """Columns that may say whose row it is: those that are called so, others of text, and whole numbers of a panel."""
    free = _free(table, time)
    called = [name for name in free if ENTITY.search(name)]
    texts = [name for name in free if not is_number_column(table, name)]
    moments = _moments(table, time)
    most = int(np.bincount(moments).max(initial=0))
    found = {name: names(table, name) for name in free if name not in texts and _is_panel(moments)}
    panel = [name for name, one in found.items() if len(one.names) <= 2 * most and _is_unique(moments, one.codes)]
    return [*dict.fromkeys([*called, *texts, *panel])]


def _free(table: Table, time: str) -> list[str]:
    """Columns of text or whole numbers, each value in two rows or more on average, that are no times."""

    def whole(name: str) -> bool:
        values = numbers(table, name)[0] if is_number_column(table, name) else np.zeros(0)
        return bool((values == np.round(values)).all()) and 1 < len(names(table, name).names) <= len(table) / 2

    others = [name for name in table.names if name != time and not is_unnamed(name)]
    others = [name for name in others if not MEANT.search(name) and not PART.search(name)]
    others = [name for name in others if is_text(table.data[name].type) or is_number_column(table, name)]
    others = [name for name in others if not looks_like_time(table, name) and not is_clock(table, name)]
    return [name for name in others if whole(name)]


def _moments(table: Table, time: str) -> np.ndarray:
    """int64 (rows,): the number of the time, within each file."""
    return _joined(names(table, time).codes, table.file_codes())


def _joined(*columns: np.ndarray) -> np.ndarray:
    """int64 (rows,): rows that are equal in all columns have the same number."""
    joined = np.zeros(len(columns[0]), dtype=np.int64)
    for codes in columns:
        joined = np.unique(joined * (codes.max(initial=0) + 2) + codes + 1, return_inverse=True)[1]
    return joined


def _is_unique(*columns: np.ndarray) -> bool:
    return len(np.unique(_joined(*columns))) == len(columns[0])


def _is_panel(moments: np.ndarray) -> bool:
    """Whether so many rows share their time with others that they belong to several entities."""
    return len(moments) - len(np.unique(moments)) > MOST_REPEATS * len(moments)


def _together(table: Table, time: str) -> tuple[str, ...]:
    """The first columns that name an entity together: no two rows of a time have the same in all of them.

    None where times of day stand in a column of their own.
    """
    moments = _moments(table, time)
    most = int(np.bincount(moments).max(initial=0))
    if not _is_panel(moments) or any(is_clock(table, name) for name in table.names):
        return ()
    found = {name: names(table, name) for name in _free(table, time)}
    few = {name: one.codes for name, one in found.items() if len(one.names) <= most}
    for n in range(2, MOST_TOGETHER + 1):
        for chosen in itertools.combinations(few, n):
            if _is_unique(moments, *(few[name] for name in chosen)):
                return chosen
    return ()


def _with_time(table: Table, time: str, date_format: str | None) -> Iterator[dict[str, Any]]:
    base = {"time": time} | _date_format(table, time, date_format)
    variable, value = (next(filter(form.search, table.names), None) for form in (VARIABLE, VALUE))
    if variable and value:
        base |= {"variable": variable, "value": value}
    yield base
    yield {**base, "newest_first": True}
    entities = [entity for entity in _entities(table, time) if entity != variable]
    yield from ({"entity": entity, **base} for entity in entities)
    if not variable or not value:
        yield from _sorted(base, entities)
    yield from _on_a_grid(table, base)


def _sorted(base: dict[str, Any], entities: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Readings of rows in no order; first by columns that are called like entities: times of several may differ."""
    called = [entity for entity in entities if ENTITY.search(entity)]
    yield from ({"entity": entity, **base, "sort_by_time": True} for entity in called)
    yield {**base, "sort_by_time": True}
    yield from ({"entity": entity, **base, "sort_by_time": True} for entity in entities if entity not in called)


def _date_format(table: Table, time: str, given: str | None) -> dict[str, str]:
    """The setting that a column of times needs.

    Raises:
        DataError: its dates can be read in two ways.
    """
    if given:
        return {"date_format": given}
    texts = some_texts(table, time)
    forms = [] if looks_like_iso(texts) else nearest_formats(texts)
    if len(forms) > 1:
        ways = " or ".join(f"--date-format {shlex.quote(form)}" for form in forms)
        raise DataError(f"{table.place}: {time}: `{texts[0]}` can be read in {len(forms)} ways; say which with {ways}")
    counted = epoch_settings(table, time) if not forms else []
    return {"date_format": forms[0]} if forms else counted[0] if counted else {}


def _on_a_grid(table: Table, base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The reading of a table in which some times occur more than once: `step` averages the rows of a cell."""
    formats = dataclasses.replace(table.formats, date_format=base.get("date_format"))
    times = times_of(dataclasses.replace(table, formats=formats), base["time"], None, Problems())
    known, counts = np.unique(times.values[~times.bad], return_counts=True)
    repeats = int((counts - 1).sum())
    if times.bad.any() or len(known) < 2 or not repeats or repeats > MOST_REPEATS * len(times.values):
        return
    step = float(f"{np.median(np.diff(known)):.6g}")
    if not times.stamped:
        yield {**base, "step": step}
        return
    unit = next((unit for unit in ("d", "h", "min") if step >= UNITS_US[unit]), "s")
    yield {**base, "step": f"{round(step / UNITS_US[unit], 6):.15g}{unit}"}

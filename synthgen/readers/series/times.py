"""Columns of cells as times: numbers, ISO timestamps, or as `date_format` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.readers.problems import Problems
from synthgen.readers.series.cells import (
    N_LOOKED_AT,
    Names,
    cell,
    is_numeric_type,
    is_text,
    looks_numeric,
    names,
    numbers,
    some_texts,
    tell,
    without_markers,
)
from synthgen.readers.series.dates import (
    AS_NUMBER,
    EPOCH_US,
    ISO,
    LOCAL,
    ZONED,
    date_formats,
    dates_as_settings,
    looks_like_iso,
    nearest_formats,
    stamps_of,
)
from synthgen.readers.series.formats import say_settings
from synthgen.readers.series.table import Table
from synthgen.readers.series.types import UTC

FROM_2000_US, UNTIL_2040_US = 946_684_800 * 1_000_000, 2_208_988_800 * 1_000_000
LAST_US = 253_402_300_799 * 1_000_000
"""The last second of the year 9999, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of rows: float64 numbers, or int64 microseconds since 1970 if `stamped` (in UTC if `zoned`).

    `bad` (rows,) marks cells that are no times.
    """

    values: np.ndarray
    stamped: bool
    zoned: bool
    bad: np.ndarray

    def text(self, row: int) -> str:
        return iso(int(self.values[row]), self.zoned) if self.stamped else f"{self.values[row]:.15g}"


def iso(microseconds: int, zoned: bool) -> str:
    """`2024-01-31` or `2024-01-31T12:00:00`; `2024-01-31T00:00:00+00:00` if the time is known to be in UTC."""
    text = str(np.datetime64(microseconds, "us"))
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}{UTC}" if zoned else text.removesuffix("T00:00:00")


def looks_like_time(table: Table, name: str) -> bool:
    """Whether a column holds timestamps, judged by its type or by most of its first cells."""
    kind = table.data[name].type
    if not is_text(kind):
        return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))
    texts = some_texts(table, name)
    return looks_like_iso(texts) or bool(nearest_formats(texts))


def epoch_settings(table: Table, name: str) -> list[dict[str, str]]:
    """The `date_format` of numbers that are moments between 2000 and 2040, counted from 1970; empty for others."""
    values, bad = numbers(table, name)
    known = values[np.isfinite(values)][:N_LOOKED_AT]
    if bad.any() or not len(known):
        return []
    return [
        {"date_format": unit}
        for unit, us in EPOCH_US.items()
        if (known * us >= FROM_2000_US).all() and (known * us < UNTIL_2040_US).all()
    ]


def times_of(table: Table, name: str, owners: Names | None, problems: Problems, otherwise: str = "") -> Times:
    """The times of rows; every cell that is missing or no time is a problem.

    Args:
        otherwise: what else can be done where no cell is a time, in words.
    """
    found, mixed = _times(table, name)
    form, kind = table.formats.date_format, table.data[name].type
    if not form and not found.stamped and not found.bad.all():
        _refuse_dates_as_numbers(table, name, found, problems)
    texts = some_texts(table, name) if found.bad.any() and is_text(kind) else []
    mostly = nearest_formats if 2 * found.bad.sum() > len(table) else date_formats
    likely = [] if form else mostly(texts)
    hint = say_settings([{"date_format": one} for one in likely])
    if likely and found.bad.all():
        wrong = stamps_of(texts, likely[0])[1]
        odd = f", and `{texts[wrong.argmax()]}`, which is none" if wrong.any() else ""
        problems.add(f"{table.place}: {name}: holds dates such as `{texts[wrong.argmin()]}`{odd}; {hint}")
        return found
    accepted = "numbers or ISO timestamps as 2024-01-31T12:00:00 are accepted"
    if is_numeric_type(kind) or (found.stamped and not is_text(kind)):
        accepted = "every row needs its time"
    elif form:
        accepted = f"times as `date_format: {form}` says are accepted"
    valid = np.flatnonzero(pc.is_valid(table.data[name]))
    if found.bad.all() and not form and len(valid):
        problems.add(
            f"{table.where(valid[:1])[0]}: {name}: `{cell(table, name, valid[0])}` is no time, and no other cell is "
            f"one; {accepted}, and other forms with `date_format`{otherwise}"
        )
        return found

    def describe(row: int) -> str:
        text = table.data[name][row].as_py()
        if mixed[row]:
            zone = "no" if found.zoned else "a"
            return f"{name}: `{text}` has {zone} time zone, unlike other rows; give one to all or none"
        what = "is missing" if text is None else f"`{text}` is no time"
        return f"{name}: {what}; {hint or accepted}"

    tell(table, np.flatnonzero(found.bad), describe, owners, problems)
    return found


def _times(table: Table, name: str) -> tuple[Times, np.ndarray]:
    """The times of rows by their column's type; the mask is that of `_parse_times`."""
    column, form = table.data[name], table.formats.date_format
    mixed = np.zeros(len(table), dtype=bool)
    stamped = pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)
    if form and not stamped:
        return _formatted_times(table, name, form)
    if is_text(column.type):
        return _parse_times(without_markers(column), table, name)
    if stamped:
        zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
        stamps = pc.cast(pc.cast(column, pa.timestamp("us", "UTC" if zoned else None), safe=False), pa.int64())
        return Times(np.asarray(pc.fill_null(stamps, 0)), True, zoned, np.asarray(pc.is_null(stamps))), mixed
    values, _ = numbers(table, name)
    return Times(values, False, False, ~np.isfinite(values)), mixed


def _refuse_dates_as_numbers(table: Table, name: str, found: Times, problems: Problems) -> None:
    """Numbers such as 20240131 or 202401 are a problem: their differences are no spans of time."""
    values = found.values[~found.bad][:N_LOOKED_AT]
    days = {str(int(value)) for value in values.tolist()}
    if min(map(len, days)) not in (6, 8) or (values != np.round(values)).any():
        return
    if settings := dates_as_settings(sorted(days)):
        problems.add(
            f"{table.place}: {name}: holds dates such as {max(days)}, which as numbers are unevenly far apart; "
            f"{say_settings([*settings[:1], {'date_format': AS_NUMBER}])}"
        )


def _parse_times(column: Any, table: Table, name: str) -> tuple[Times, np.ndarray]:
    """Text as timestamps, or as numbers if most cells are such; and a mask of the fewer rows with (or without) a
    time zone, if rows of both kinds occur."""
    missing, nothing = np.asarray(pc.is_null(column)), np.zeros(len(table), dtype=bool)
    for zoned in (False, True):
        try:
            stamps = pc.cast(column, pa.timestamp("us", "UTC" if zoned else None))
            return Times(np.asarray(pc.fill_null(pc.cast(stamps, pa.int64()), 0)), True, zoned, missing), nothing
        except pa.ArrowInvalid:
            pass
    values, bad = numbers(table, name)
    if looks_numeric(values, bad):
        return Times(values, False, False, ~np.isfinite(values)), nothing
    text = pc.utf8_trim_whitespace(pc.cast(column, pa.large_string())).combine_chunks()
    local, zone = (np.asarray(pc.fill_null(pc.match_substring_regex(text, p), False)) for p in (LOCAL, ZONED))
    zoned = bool(zone.sum() > local.sum())
    good = zone if zoned else local
    for pattern, by in ISO:
        text = pc.replace_substring_regex(text, pattern, by)
    stamps, bad = _stamps(text, good, pa.timestamp("us", "UTC" if zoned else None))
    return Times(stamps, True, zoned, bad), local if zoned else zone


def _formatted_times(table: Table, name: str, form: str) -> tuple[Times, np.ndarray]:
    """Times as `date_format` says; the mask is that of `_parse_times`."""
    nothing = np.zeros(len(table), dtype=bool)
    if form == AS_NUMBER or form in EPOCH_US:
        values, _ = numbers(table, name)
        bad = ~np.isfinite(values)
        if form == AS_NUMBER:
            return Times(values, False, False, bad), nothing
        bad |= np.abs(values) * EPOCH_US[form] > LAST_US
        stamps = np.round(np.where(bad, 0, values) * EPOCH_US[form]).astype(np.int64)
        return Times(stamps, True, True, bad), nothing
    texts = names(table, name)
    stamps, bad, zoned = stamps_of([*texts.names, None], form)
    return Times(stamps[texts.codes], True, bool(zoned.any()), bad[texts.codes]), nothing


def _stamps(text: Any, good: np.ndarray, kind: Any) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of timestamps where `good`, and a mask of what is none; a 30 February is found by halves."""
    stamps, bad = np.zeros(len(text), dtype=np.int64), ~good
    rows = np.flatnonzero(good)
    parts = [rows] if len(rows) else []
    while parts:
        part = parts.pop()
        try:
            stamps[part] = np.asarray(pc.cast(pc.cast(text.take(pa.array(part)), kind), pa.int64()))
        except pa.ArrowInvalid:
            if len(part) == 1:
                bad[part] = True
            else:
                parts += np.array_split(part, 2)
    return stamps, bad

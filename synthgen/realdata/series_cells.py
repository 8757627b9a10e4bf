"""Columns of cells as numbers, times, and numbered names; cells that are neither are told by their rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.realdata.problems import Problems
from synthgen.realdata.series_table import MISSING, Table

NUMBER = r"(?i)^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf|infinity|nan)$"
DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?)?"
LOCAL, ZONED = DATE + "$", DATE + r" ?(Z|[+-]\d\d(:?\d\d)?)$"


@dataclass(frozen=True, slots=True)
class Names:
    """Numbered names of a column: `codes` int64 (rows,), -1 where missing, into `names` by first appearance."""

    codes: np.ndarray
    names: tuple[str, ...]


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
    return f"{text}+00:00" if zoned else text.removesuffix("T00:00:00")


def tell(
    table: Table, rows: np.ndarray, describe: Callable[[int], str], owners: Names | None, problems: Problems
) -> None:
    """Adds the problem `file: row N (entity): <describe(row)>` for each of `rows`; entities if there are several."""

    def lines(shown: np.ndarray) -> list[str]:
        found = []
        for place, row in zip(table.where(shown), shown.tolist(), strict=True):
            entity = ""
            if owners is not None and len(owners.names) > 1:
                entity = f" ({owners.names[owners.codes[row]] if owners.codes[row] >= 0 else '?'})"
            found.append(f"{place}{entity}: {describe(row)}")
        return found

    problems.add_rows(rows, lines)


def cell(table: Table, name: str, row: int) -> str:
    return str(table.data[name][int(row)].as_py())


def numbers(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(float64 (rows,) with NaN for missing and bad cells, bool (rows,) that marks the bad ones)."""
    column = table.data[name]
    if _is_text(column.type):
        parts = [_parse_numbers(chunk) for chunk in _plain(column).chunks]
        if not parts:
            return np.empty(0), np.empty(0, dtype=bool)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    if not is_numeric_type(column.type):
        return np.full(len(table), np.nan), np.asarray(pc.is_valid(column))
    return _floats(column), np.zeros(len(table), dtype=bool)


def is_numeric_type(kind: Any) -> bool:
    types = pa.types
    found: bool = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    return found


def looks_like_time(table: Table, name: str) -> bool:
    """Whether a column holds timestamps, judged by its type or its first cell."""
    column = table.data[name]
    if not _is_text(column.type):
        return bool(pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))
    first = pc.drop_null(column.slice(0, 100))
    text = str(first[0].as_py()).strip() if len(first) else ""
    return bool(re.search(LOCAL, text) or re.search(ZONED, text))


def is_number_column(table: Table, name: str) -> bool:
    """Whether a column is of numbers: by its type, or by most of its cells."""
    kind = table.data[name].type
    return is_numeric_type(kind) or (_is_text(kind) and looks_numeric(*numbers(table, name)))


def looks_numeric(values: np.ndarray, bad: np.ndarray) -> bool:
    """Whether most cells that are not missing are numbers, so that the others are mistakes."""
    return int(bad.sum()) <= int(np.isfinite(values).sum())


def tell_bad_numbers(table: Table, name: str, bad: np.ndarray, owners: Names | None, problems: Problems) -> None:
    def describe(row: int) -> str:
        return f"{name}: `{cell(table, name, row)}` is no number; numbers, or nothing where missing, are accepted"

    tell(table, np.flatnonzero(bad), describe, owners, problems)


def names(table: Table, name: str) -> Names:
    """The distinct texts of a column, numbers as they are written."""
    encoded = table.data[name]
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    encoded = encoded.unify_dictionaries()
    if not encoded.num_chunks:
        return Names(np.empty(0, dtype=np.int64), ())
    found: dict[str, int] = {}
    numbered = [-1]  # where a null's index, -1 after this shift by one, leads
    for value in pc.cast(encoded.chunk(0).dictionary, pa.string()).to_pylist():
        text = (value or "").strip()
        numbered.append(-1 if text in MISSING else found.setdefault(text, len(found)))
    indices = np.concatenate([np.asarray(pc.fill_null(chunk.indices, -1)) for chunk in encoded.chunks])
    return Names(np.array(numbered, dtype=np.int64)[indices.astype(np.int64) + 1], tuple(found))


def times(table: Table, name: str, owners: Names | None, problems: Problems) -> Times:
    """The times of rows; every cell that is missing or no time is a problem."""
    column = table.data[name]
    mixed = np.zeros(len(table), dtype=bool)
    if _is_text(column.type):
        found, mixed = _parse_times(_plain(column), table, name)
    elif pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zoned = pa.types.is_timestamp(column.type) and column.type.tz is not None
        stamps = pc.cast(pc.cast(column, pa.timestamp("us", "UTC" if zoned else None), safe=False), pa.int64())
        found = Times(np.asarray(pc.fill_null(stamps, 0)), True, zoned, np.asarray(pc.is_null(stamps)))
    else:
        values, _ = numbers(table, name)
        found = Times(values, False, False, ~np.isfinite(values))

    def describe(row: int) -> str:
        text = table.data[name][row].as_py()
        if mixed[row]:
            kind = "no" if found.zoned else "a"
            return f"{name}: `{text}` has {kind} time zone, unlike other rows; give one to all or none"
        what = "is missing" if text is None else f"`{text}` is no time"
        return f"{name}: {what}; numbers or ISO timestamps as 2024-01-31T12:00:00 are accepted"

    tell(table, np.flatnonzero(found.bad), describe, owners, problems)
    return found


def _is_text(kind: Any) -> bool:
    found: bool = (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and (pa.types.is_string(kind.value_type) or pa.types.is_null(kind.value_type)))
    )
    return found


def _plain(column: Any) -> Any:
    """Dictionary columns as plain ones, and missing markers of text as null."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    missing = pc.is_in(column, value_set=pa.array(MISSING, type=column.type))
    return pc.if_else(missing, pa.scalar(None, column.type), column) if pc.any(missing).as_py() else column


def _floats(column: Any) -> np.ndarray:
    found = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(found, float("nan")), dtype=np.float64)


def _parse_numbers(chunk: Any) -> tuple[np.ndarray, np.ndarray]:
    """As `numbers`. The good case is one cast; only a chunk with something odd in it is looked at cell by cell."""
    try:
        return _floats(pc.cast(chunk, pa.float64())), np.zeros(len(chunk), dtype=bool)
    except pa.ArrowInvalid:
        pass
    text = pc.utf8_trim_whitespace(chunk)
    good = pc.match_substring_regex(text, NUMBER)
    bad = np.asarray(pc.fill_null(pc.invert(pc.or_(good, pc.is_in(text, value_set=pa.array(MISSING)))), False))
    return _floats(pc.cast(pc.if_else(good, text, pa.scalar(None, pa.string())), pa.float64())), bad


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
    for pattern, by in ((r"(\.\d{6})\d+", r"\1"), (r" ([Z+-])", r"\1")):
        text = pc.replace_substring_regex(text, pattern, by)
    stamps, bad = _stamps(text, good, pa.timestamp("us", "UTC" if zoned else None))
    return Times(stamps, True, zoned, bad), local if zoned else zone


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

"""Columns of cells as numbers and as numbered names; cells that are neither are problems with their rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.series.formats import (
    NOTHING,
    NUMBER,
    SYMBOLS,
    Formats,
    number_settings,
    plain_numbers,
    say_settings,
    usual_markers,
)
from synthgen.readers.series.table import Table

N_LOOKED_AT = 1000
"""Cells that decide what a column's text looks like."""


@dataclass(frozen=True, slots=True)
class Names:
    """Numbered names of a column: `codes` int64 (rows,), -1 where missing, into `names` by first appearance."""

    codes: np.ndarray
    names: tuple[str, ...]


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


def lack(table: Table, name: str, row: int) -> str:
    """That a name is missing, in words, with the cell if there is one."""
    text = table.data[name][int(row)].as_py()
    empty = text is None or not str(text).strip()
    return f"{name}: is missing" if empty else f"{name}: `{text}` stands for nothing, so it is missing"


def numbers(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(float64 (rows,) with NaN for missing and bad cells, bool (rows,) that marks the bad ones)."""
    column = table.data[name]
    if is_text(column.type):
        parts = [_parse_numbers(chunk, table.formats) for chunk in without_markers(column).chunks]
        if not parts:
            return np.empty(0), np.empty(0, dtype=bool)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    if not is_numeric_type(column.type):
        return np.full(len(table), np.nan), np.asarray(pc.is_valid(column))
    return _floats(column), np.zeros(len(table), dtype=bool)


def is_marker(table: Table, name: str, values: np.ndarray, markers: Sequence[float]) -> np.ndarray:
    """Mask of the numbers that stand for a missing value; those of a float32 column are compared as float32."""
    if table.data[name].type == pa.float32():
        markers = np.array(markers, dtype=np.float32).tolist()
    return np.isin(values, np.array(markers, dtype=np.float64))


def is_numeric_type(kind: Any) -> bool:
    types = pa.types
    found: bool = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    return found


def some_texts(table: Table, name: str) -> list[str]:
    """Distinct texts among the first cells of a column that hold anything, those like `n/a` last."""
    column = table.data[name].slice(0, N_LOOKED_AT)
    nested = pa.types.is_nested(column.type)
    first = [value and str(value) for value in column.to_pylist()] if nested else pc.unique(column).to_pylist()
    nothing = {*NOTHING, *table.formats.missing}
    texts = [text for text in (str(value).strip() for value in first if value is not None) if text not in nothing]
    markers = usual_markers(texts)
    return [*(text for text in texts if text not in markers), *markers]


def number_hint(table: Table, name: str, units: bool = False) -> str:
    """The settings under which a column of text holds numbers, in words; empty if there are none.

    Args:
        units: a column of numbers with letters behind them holds some, too; else it is one of text like any other.
    """
    texts = some_texts(table, name) if is_text(table.data[name].type) else []
    markers = usual_markers(texts)
    numbers = [text for text in texts if text not in markers]
    found = [settings for settings in number_settings(numbers, units) if settings]
    plain = bool(numbers) and all(re.search(NUMBER, text) for text in numbers)
    if plain and not found and not table.formats.plain:
        found = [{"decimal": "."}]
    if markers and (found or plain):
        return say_settings([{**settings, "missing": markers} for settings in found or [{}]])
    return say_settings(found)


def is_number_column(table: Table, name: str) -> bool:
    """Whether a column is of numbers: by its type, or by most of its cells."""
    kind = table.data[name].type
    return is_numeric_type(kind) or (is_text(kind) and looks_numeric(*numbers(table, name)))


def looks_numeric(values: np.ndarray, bad: np.ndarray) -> bool:
    """Whether most cells that are not missing are numbers, so that the others are mistakes."""
    return int(bad.sum()) <= int(np.isfinite(values).sum())


def tell_bad_numbers(table: Table, name: str, bad: np.ndarray, owners: Names | None, problems: Problems) -> None:
    hint = number_hint(table, name, units=True) if bad.any() else ""

    def describe(row: int) -> str:
        accepted = hint or "numbers, or nothing where missing, are accepted"
        return f"{name}: `{cell(table, name, row)}` is no number; {accepted}"

    tell(table, np.flatnonzero(bad), describe, owners, problems)
    if is_text(table.data[name].type):
        _tell_other_units(table, name, owners, problems)


def _tell_other_units(table: Table, name: str, owners: Names | None, problems: Problems) -> None:
    """Two signs of units in a column are a problem, and percentages beside numbers that are none, except 0."""

    def holding(pattern: str) -> np.ndarray:
        return np.asarray(pc.fill_null(pc.match_substring_regex(table.data[name], pattern), False))

    def add(mask: np.ndarray, text: str) -> None:
        tell(table, np.flatnonzero(mask), lambda row: f"{name}: `{cell(table, name, row)}` {text}", owners, problems)

    signs = {symbol: holding(re.escape(symbol)) for symbol in table.formats.symbols if symbol in SYMBOLS}
    used = sorted((symbol for symbol in signs if signs[symbol].any()), key=lambda symbol: int(signs[symbol].argmax()))
    for other in used[1:]:
        add(signs[other], f"has {other}, and other cells have {used[0]}; a column has one unit: split it or convert it")
    if used == ["%"]:
        without = holding("[1-9]") & ~signs["%"]
        add(without, "has no %, unlike other cells; write all numbers of a column in the same way")


def names(table: Table, name: str) -> Names:
    """The distinct texts of a column, numbers as they are written.

    Words such as `NA` and `None` are names in a column of text, unless they are in `missing`.

    Raises:
        DataError: its cells are lists or structures.
    """
    encoded = table.data[name]
    if pa.types.is_nested(encoded.type):
        raise DataError(f"{table.place}: {name}: holds lists or structures; columns of texts or numbers are accepted")
    if not pa.types.is_dictionary(encoded.type):
        encoded = pc.dictionary_encode(encoded)
    encoded = encoded.unify_dictionaries()
    if not encoded.num_chunks:
        return Names(np.empty(0, dtype=np.int64), ())
    nothing = {"", *(table.formats.missing if is_text(table.data[name].type) else NOTHING)} & {*NOTHING}
    found: dict[str, int] = {}
    numbered = [-1]  # where a null's index, -1 after this shift by one, leads
    for value in pc.cast(encoded.chunk(0).dictionary, pa.string()).to_pylist():
        text = (value or "").strip()
        numbered.append(-1 if text in nothing else found.setdefault(text, len(found)))
    indices = np.concatenate([np.asarray(pc.fill_null(chunk.indices, -1)) for chunk in encoded.chunks])
    return Names(np.array(numbered, dtype=np.int64)[indices.astype(np.int64) + 1], tuple(found))


def sort_names(names: Sequence[str]) -> list[str]:
    """Names in order: of their numbers if all are such, else of letters."""
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return sorted(names)
    return sorted(names, key=numbers.__getitem__) if np.isfinite([*numbers.values()]).all() else sorted(names)


def is_text(kind: Any) -> bool:
    found: bool = (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and (pa.types.is_string(kind.value_type) or pa.types.is_null(kind.value_type)))
    )
    return found


def without_markers(column: Any) -> Any:
    """Dictionary columns as plain ones, and missing markers of text as null."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    missing = pc.is_in(column, value_set=pa.array(NOTHING, type=column.type))
    return pc.if_else(missing, pa.scalar(None, column.type), column) if pc.any(missing).as_py() else column


def _floats(column: Any) -> np.ndarray:
    found = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(pc.fill_null(found, float("nan")), dtype=np.float64)


def _parse_numbers(chunk: Any, formats: Formats) -> tuple[np.ndarray, np.ndarray]:
    """As `numbers`. The good case is one cast; only a chunk with something odd in it is looked at cell by cell."""
    if formats.missing:
        marked = pc.is_in(pc.utf8_trim_whitespace(chunk), value_set=pa.array(formats.missing, type=chunk.type))
        chunk = pc.if_else(marked, pa.scalar(None, chunk.type), chunk)
    if not formats.plain:
        chunk = plain_numbers(chunk, formats)
    try:
        return _floats(pc.cast(chunk, pa.float64())), np.zeros(len(chunk), dtype=bool)
    except pa.ArrowInvalid:
        pass
    text = pc.utf8_trim_whitespace(chunk)
    good = pc.match_substring_regex(text, NUMBER)
    bad = np.asarray(pc.fill_null(pc.invert(pc.or_(good, pc.is_in(text, value_set=pa.array(NOTHING)))), False))
    return _floats(pc.cast(pc.if_else(good, text, pa.scalar(None, pa.string())), pa.float64())), bad

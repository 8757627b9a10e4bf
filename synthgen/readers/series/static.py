"""What is the same in all rows of an entity: static columns and labels, in the series' files or another table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.series import cells
from synthgen.readers.series.cells import Names
from synthgen.readers.series.doubts import number_doubts, word_doubts
from synthgen.readers.series.precision import narrowed
from synthgen.readers.series.table import Table, open_table
from synthgen.readers.series.types import SeriesData

MAX_VALUES = 256
"""Values of a static column of text; with more it is no category."""


@dataclass(frozen=True, slots=True)
class Static:
    """names of S columns, values (E, S) with NaN for unknown, float32 or where a column needs it float64.

    labels: class ids int64 (E,), None without classes.
    """

    names: tuple[str, ...]
    values: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """For each entity the row of `table` that tells about it, -1 if none; whose row each row of the table is.

    repeats: whether other rows of an entity say the same again, as in a table of series.
    """

    table: Table
    rows: np.ndarray
    owners: Names
    repeats: bool


def read_static(table: Table, owners: Names, data: SeriesData, problems: Problems, notes: list[str]) -> Static:
    """Static columns and labels of all entities; what is doubtful goes to `notes`.

    Raises:
        DataError: the table of static columns cannot be read, or lacks a column. Cells that are wrong go to
            `problems`.
    """
    n = len(owners.names)
    if not data.static and not data.label:
        return Static((), np.zeros((n, 0), dtype=np.float32), None, ())
    if data.static_table:
        found = _own_table(data, owners, problems)
    else:
        rows = np.full(n, -1)
        used = np.flatnonzero(owners.codes >= 0)[::-1]
        rows[owners.codes[used]] = used  # the first row wins
        found = _Rows(table, rows, owners, True)
    columns: dict[str, np.ndarray] = {}
    for name in data.static:
        columns |= _columns(found, name, data, problems)
    texts = [name for name in data.static if name not in columns]
    notes += word_doubts(found.table, [*texts, data.label])
    notes += number_doubts(found.table, {name: columns[name] for name in data.static if name in columns})
    labels, classes = _labels(found, data.label, data, problems) if data.label else (None, ())
    values = np.stack(list(columns.values()), axis=1) if columns else np.zeros((n, 0), dtype=np.float32)
    return Static(tuple(columns), values, labels, classes)


def _own_table(data: SeriesData, owners: Names, problems: Problems) -> _Rows:
    assert data.static_table is not None
    table = open_table(data.static_table, formats=data.formats)
    key = data.entity or "entity"
    for role, name in (("entity", key), *(("static", name) for name in data.static), ("label", data.label)):
        if name and name not in table.names:
            problems.add(f"{table.place}: {role}: {unknown(name, table.names, 'column')}")
    problems.check()
    found = cells.names(table, key)
    first = np.full(len(found.names), -1)
    used = np.flatnonzero(found.codes >= 0)
    first[found.codes[used][::-1]] = used[::-1]
    again = used[first[found.codes[used]] != used]
    cells.tell(table, again, lambda _: f"{key}: has a row already; one row an entity is needed", found, problems)
    place = {name: int(row) for name, row in zip(found.names, first, strict=True)}
    rows = np.array([place.get(name, -1) for name in owners.names], dtype=np.int64)
    problems.add_rows(
        np.flatnonzero(rows < 0),
        lambda shown: [
            f"{table.place}: {key}: has no row for `{owners.names[i]}`, whose series is in {data.path}" for i in shown
        ],
    )
    return _Rows(table, rows, found, False)


def _columns(found: _Rows, name: str, data: SeriesData, problems: Problems) -> dict[str, np.ndarray]:
    """A column of numbers, or of text as one column a value, 1 where an entity has it."""
    if found.repeats:
        _check_same(found, name, "a static column must be the same in all rows of an entity", problems)
    known = found.rows >= 0
    values, bad = cells.numbers(found.table, name)
    if cells.looks_numeric(values, bad):
        cells.tell_bad_numbers(found.table, name, bad, found.owners, problems)
        missing = cells.is_marker(found.table, name, values, data.missing_numbers) | (
            np.abs(values) > np.finfo(np.float32).max
        )
        values = np.where(missing, np.nan, values)
        return {name: narrowed(np.where(known, values[found.rows], np.nan))}
    hint = cells.number_hint(found.table, name)
    if hint:
        problems.add(
            f"{found.table.place}: {name}: holds numbers such as `{cells.some_texts(found.table, name)[0]}`; {hint}"
        )
    texts = cells.names(found.table, name)
    markers = [i for i, text in enumerate(texts.names) if text in found.table.formats.missing]
    codes = np.where(known & ~np.isin(texts.codes[found.rows], markers), texts.codes[found.rows], -1)
    levels = cells.sort_names([texts.names[code] for code in np.unique(codes[codes >= 0])])
    if len(levels) > MAX_VALUES:
        problems.add(
            f"{found.table.place}: {name}: has {len(levels):,} different texts; a static column is a number, or text "
            f"of at most {MAX_VALUES} values"
        )
        return {}
    unknown_value = np.where(codes < 0, np.float32(np.nan), np.float32(0))
    return {
        f"{name}={level}": np.where(codes == texts.names.index(level), np.float32(1), unknown_value) for level in levels
    }


def _labels(found: _Rows, name: str, data: SeriesData, problems: Problems) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class ids int64 (E,) and their names, sorted."""
    kept = (
        "a label must be the same in all rows of an entity; to label parts of a series, write their times and labels "
        "to a file and name it in `events`"
    )
    if found.repeats:
        _check_same(found, name, kept, problems)
    texts = cells.names(found.table, name)
    codes = np.where(found.rows >= 0, texts.codes[found.rows], -1)
    lacking = found.rows[(codes < 0) & (found.rows >= 0)]
    needed = "every entity needs its label"
    cells.tell(
        found.table, lacking, lambda row: f"{cells.lack(found.table, name, row)}; {needed}", found.owners, problems
    )
    classes = cells.sort_names([texts.names[code] for code in np.unique(codes[codes >= 0])])
    ids = np.array([classes.index(text) if text in classes else 0 for text in texts.names] + [0], dtype=np.int64)
    return ids[codes], tuple(classes)


def _check_same(found: _Rows, name: str, accepted: str, problems: Problems) -> None:
    """Rows that differ from the first row of their entity are problems, the first of each entity."""
    table, owners = found.table, found.owners
    texts = cells.names(table, name)
    used = np.flatnonzero(owners.codes >= 0)
    first = np.full(len(owners.names), -1)
    first[owners.codes[used][::-1]] = used[::-1]
    wrong = used[texts.codes[used] != texts.codes[first[owners.codes[used]]]]
    wrong = wrong[np.unique(owners.codes[wrong], return_index=True)[1]]
    cells.tell(
        table,
        np.sort(wrong),
        lambda row: (
            f"{name}: `{cells.cell(table, name, row)}`, and `"
            f"{cells.cell(table, name, int(first[owners.codes[row]]))}` in the entity's first row; {accepted}"
        ),
        owners,
        problems,
    )

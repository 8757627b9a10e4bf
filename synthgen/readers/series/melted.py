"""Tables that do not have one row per time: one measurement per row (melted), or one series per row (wide)."""

from __future__ import annotations

import numpy as np

from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.series import cells
from synthgen.readers.series.cells import Names
from synthgen.readers.series.choices import with_unit
from synthgen.readers.series.columns import check_constant, column, owners_of, stack
from synthgen.readers.series.doubts import number_doubts
from synthgen.readers.series.grid import Grid, Layout, in_span, lay_by_time, lay_on_grid, make_clock, plain_clock
from synthgen.readers.series.headers import is_unnamed
from synthgen.readers.series.precision import narrowed
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import times_of
from synthgen.readers.series.types import SeriesData


def read_melted(
    table: Table, data: SeriesData, problems: Problems, notes: list[str]
) -> tuple[Grid, tuple[str, ...], Names]:
    """One row for each time at which an entity has a value, or as `step` says; rows may come in any order."""
    assert data.time and data.variable and data.value
    owners = owners_of(table, data, problems)
    variables = cells.names(table, data.variable)
    nameless = np.flatnonzero(variables.codes < 0)
    cells.tell(table, nameless, lambda _: f"{data.variable}: is missing; name the variable", owners, problems)
    values = column(table, data.value, data.missing_numbers, owners, problems)
    wanted = _variables(table, variables, data, problems)
    stamps = times_of(table, data.time, owners, problems)
    data = with_unit(data, stamps)
    problems.check()
    slots = np.array([wanted.index(name) if name in wanted else -1 for name in variables.names], dtype=np.int64)
    slots = slots[variables.codes]
    of_variables = {name: values[slots == i] for i, name in enumerate(wanted)}
    notes += number_doubts(table, of_variables, [str(data.value)])
    clock, n = make_clock(stamps, owners, data), len(owners.names)
    times = clock(stamps.values, owners.codes)
    rows = np.flatnonzero((slots >= 0) & ~np.isnan(values) & in_span(times, data))
    codes, slots, values = owners.codes[rows], slots[rows], values[rows]
    if data.step:
        layout = lay_on_grid(codes, times[rows], n, data)
        notes += layout.notes(data)
    else:
        layout = lay_by_time(codes, times[rows], n)
        again = rows[_repeated(layout.rows * len(wanted) + slots)]
        cells.tell(
            table,
            again,
            lambda row: (
                f"{data.time}: {stamps.text(row)} has a value of {variables.names[variables.codes[row]]} already; "
                "one value a time is accepted, or `step` to average them"
            ),
            owners,
            problems,
        )
    columns = {name: _of_variable(layout, values, slots, i) for i, name in enumerate(wanted)}
    known = {name: columns.pop(name) for name in data.covariates}
    check_constant(table, columns, problems)
    n_rows = len(layout.times)
    grid = Grid(
        owners.names,
        layout.bounds,
        clock,
        layout.times,
        stack([*columns.values()], n_rows),
        stack([*known.values()], n_rows),
        float(data.step) if data.step else None,
    )
    return grid, tuple(columns), owners


def _variables(table: Table, variables: Names, data: SeriesData, problems: Problems) -> list[str]:
    """Channels, then covariates."""
    for role, given in (("channels", data.channels or []), ("covariates", data.covariates)):
        for name in given:
            if name not in variables.names:
                problems.add(f"{table.place}: {role}: {unknown(name, variables.names, 'variable')}")
    channels = data.channels or [name for name in variables.names if name not in data.covariates]
    return [*channels, *data.covariates]


def _repeated(keys: np.ndarray) -> np.ndarray:
    """Positions of keys that occurred before, in order."""
    order = np.argsort(keys, kind="stable")
    return np.sort(order[1:][np.diff(keys[order]) == 0])


def _of_variable(layout: Layout, values: np.ndarray, slots: np.ndarray, slot: int) -> np.ndarray:
    items = np.flatnonzero(slots == slot)
    return layout.mean(narrowed(values[items].astype(np.float64)), items)


def read_wide(
    table: Table, data: SeriesData, problems: Problems, notes: list[str]
) -> tuple[Grid, tuple[str, ...], Names]:
    """One entity a row, named by its column or as `series 7`; missing cells at a row's end are no steps of it."""
    roles = (data.entity, data.label, *data.static)
    steps = [name for name in table.names if name not in roles and not is_unnamed(name)]
    n = len(table)
    owners = owners_of(table, data, problems) if data.entity else Names(np.arange(n), _series_names(table))
    problems.check()
    again = np.flatnonzero(np.bincount(owners.codes, minlength=len(owners.names))[owners.codes] > 1)
    cells.tell(
        table,
        again,
        lambda _: f"{data.entity}: occurs more than once; form wide has one row an entity",
        owners,
        problems,
    )
    problems.check()
    if not steps:
        problems.add(f"{table.place}: has no columns of steps; its columns are {', '.join(table.names)}")
        problems.check()
    values = stack([column(table, name, data.missing_numbers, owners, problems) for name in steps], n)
    order = np.argsort(owners.codes)
    values = values[order]
    known = ~np.isnan(values)
    lengths = np.where(known.any(axis=1), len(steps) - np.argmax(known[:, ::-1], axis=1), 0)
    flat = values[np.arange(len(steps)) < lengths[:, None]]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    name = (data.channels or ["value"])[0]
    check_constant(table, {name: flat}, problems)
    notes += number_doubts(table, {name: flat}, steps)
    times = np.arange(len(flat), dtype=np.float64) - np.repeat(bounds[:-1], lengths)
    grid = Grid(
        owners.names, bounds, plain_clock(n, data), times, flat[:, None], np.zeros((len(flat), 0), dtype=np.float32)
    )
    return grid, (name,), owners


def _series_names(table: Table) -> tuple[str, ...]:
    """`series 1` and so on, with the files' names if there are several."""
    starts = [0, *table.ends]
    return tuple(
        (f"{file.stem} " if len(table.files) > 1 else "") + f"series {row + 1}"
        for file, start, end in zip(table.files, starts, table.ends, strict=False)
        for row in range(end - start)
    )

"""Tables as rows in order of entity and time; here those that have one row per time and one column per channel."""

from __future__ import annotations

import numpy as np

from synthgen.readers.problems import Problems
from synthgen.readers.series import cells
from synthgen.readers.series.cells import Names
from synthgen.readers.series.columns import check_constant, check_names, column, owners_of, stack
from synthgen.readers.series.grid import Clock, Grid, in_span, lay_on_grid, make_clock, plain_clock
from synthgen.readers.series.melted import read_melted, read_wide
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import Times, looks_like_time, times_of
from synthgen.readers.series.types import SeriesData


def read_form(table: Table, data: SeriesData, problems: Problems) -> tuple[Grid, tuple[str, ...], Names]:
    """The grid, the channels' names, and whose row each row of the table is."""
    check_names(table, data, problems)
    if data.kind == "table":
        return _table(table, data, problems)
    return read_melted(table, data, problems) if data.kind == "melted" else read_wide(table, data, problems)


def _table(table: Table, data: SeriesData, problems: Problems) -> tuple[Grid, tuple[str, ...], Names]:
    owners = owners_of(table, data, problems)
    channels = _channels(table, data, owners, problems)
    covariates = {name: column(table, name, (), owners, problems) for name in data.covariates}
    check_constant(table, channels, problems)
    if data.step is None:
        for name, known in covariates.items():
            text = f"{name}: is missing; a covariate must be known at every time"
            cells.tell(table, np.flatnonzero(np.isnan(known)), lambda _, text=text: text, owners, problems)  # type: ignore[misc]
    order = _order(owners, data)
    clock, times = _times(table, owners, order, data, problems)
    keep = in_span(times, data)
    order, times = order[keep], times[keep]
    codes, n = owners.codes[order], len(owners.names)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n))])
    blocks = [[values[order] for values in group.values()] for group in (channels, covariates)]
    if data.step:
        problems.check()
        layout = lay_on_grid(codes, times, n, data)
        blocks = [[layout.mean(values) for values in group] for group in blocks]
        bounds, times = layout.bounds, layout.times
    values, known = (stack(group, len(times)) for group in blocks)
    return Grid(owners.names, bounds, clock, times, values, known), tuple(channels), owners


def _order(owners: Names, data: SeriesData) -> np.ndarray:
    """Rows in order of their entities, and of time if the files are; without rows of no entity."""
    order = np.arange(len(owners.codes))[:: -1 if data.newest_first else 1]
    if np.any(np.diff(owners.codes[order]) < 0):
        order = order[np.argsort(owners.codes[order], kind="stable")]
    return order[owners.codes[order] >= 0]


def _times(
    table: Table, owners: Names, order: np.ndarray, data: SeriesData, problems: Problems
) -> tuple[Clock, np.ndarray]:
    """The clock, and float64 times of the rows in `order`; without a column of times, their numbers."""
    codes, n = owners.codes[order], len(owners.names)
    if data.time is None:
        bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n))])
        return plain_clock(n, data), (np.arange(len(order)) - bounds[codes]).astype(np.float64)
    stamps = times_of(table, data.time, owners, problems)
    if not data.step:
        _check_order(table, data, owners, stamps, order, problems)
    clock = make_clock(stamps, owners, data)
    return clock, clock(stamps.values[order], codes)


def _channels(table: Table, data: SeriesData, owners: Names, problems: Problems) -> dict[str, np.ndarray]:
    """Values of the channels that are named, or of all columns of numbers that have no other role."""
    taken = {data.entity, data.time, data.label, *data.covariates, *data.static}
    wanted = data.channels or [name for name in table.names if name not in taken]
    found: dict[str, np.ndarray] = {}
    for name in wanted:
        if data.channels or cells.is_number_column(table, name):
            found[name] = column(table, name, data.missing, owners, problems)
        elif hint := cells.number_hint(table, name):
            problems.add(
                f"{table.place}: {name}: holds numbers such as `{cells.some_texts(table, name)[0]}`; {hint}, or list "
                "the channels to do without it"
            )
        elif data.time is None and looks_like_time(table, name):
            problems.add(
                f"{table.place}: {name}: holds timestamps, and no time column was named; set `time: {name}`, or list "
                "the channels to do without it"
            )
    if not found:
        problems.add(f"{table.place}: has no column of numbers for a channel; its columns are {', '.join(table.names)}")
    return found


def _check_order(
    table: Table, data: SeriesData, owners: Names, times: Times, order: np.ndarray, problems: Problems
) -> None:
    """Times must increase within an entity."""
    assert data.time is not None
    order = order[~times.bad[order]]
    values, same = times.values[order], np.diff(owners.codes[order]) == 0
    steps = np.diff(values)
    back, equal = same & (steps < 0), same & (steps == 0)
    if back.sum() > same.sum() / 2:
        wrong = (
            "increasing, and `newest_first: true` says they decrease"
            if data.newest_first
            else "decreasing; if the newest row comes first, set `newest_first: true`"
        )
        problems.add(f"{table.place}: {data.time}: times are mostly {wrong}")
        return
    hint = "times must increase, or `step` average those of a cell"
    if not data.entity:
        hint += "; if the rows belong to several entities, name their column in `entity`"
    for mask, what in ((back, "is earlier than the row before"), (equal, "is the time of the row before, too")):
        cells.tell(
            table,
            order[np.flatnonzero(mask) + 1],
            lambda row, what=what: f"{data.time}: {times.text(row)} {what}; {hint}",  # type: ignore[misc]
            owners,
            problems,
        )

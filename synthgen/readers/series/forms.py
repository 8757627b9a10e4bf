"""Tables as rows in order of entity and time; here those that have one row per time and one column per channel."""

from __future__ import annotations

import numpy as np

from synthgen.readers.problems import Problems
from synthgen.readers.series import cells, summer_time
from synthgen.readers.series.cells import Names
from synthgen.readers.series.choices import clock_beside, with_unit
from synthgen.readers.series.columns import (
    check_constant,
    check_names,
    column,
    likeliest,
    owners_of,
    stack,
    step_labels,
)
from synthgen.readers.series.doubts import number_doubts
from synthgen.readers.series.grid import Clock, Grid, in_span, lay_on_grid, make_clock, plain_clock
from synthgen.readers.series.headers import is_unnamed
from synthgen.readers.series.melted import read_melted, read_wide
from synthgen.readers.series.step_names import check_steps
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import Times, looks_like_time, times_of
from synthgen.readers.series.types import SeriesData

MOSTLY = 0.95
"""Share of steps back in time of a table whose newest row comes first."""

FEW_ROWS, UNSORTED = 20, 0.1
"""More rows than these, and a larger share of all, that are earlier than the row before: they are in no order."""


def read_form(
    table: Table, data: SeriesData, problems: Problems, notes: list[str]
) -> tuple[Grid, tuple[str, ...], Names]:
    """The grid, the channels' names, and whose row each row of the table is; what is decided goes to `notes`."""
    check_names(table, data, problems)
    if data.kind == "table":
        return _table(table, data, problems, notes)
    return (read_melted if data.kind == "melted" else read_wide)(table, data, problems, notes)


def _table(table: Table, data: SeriesData, problems: Problems, notes: list[str]) -> tuple[Grid, tuple[str, ...], Names]:
    owners = owners_of(table, data, problems)
    notes += check_steps(table, data)
    channels = _channels(table, data, owners, problems)
    covariates = {name: column(table, name, (), owners, problems) for name in data.covariates}
    check_constant(table, channels, problems)
    notes += number_doubts(table, channels | covariates)
    if data.step is None:
        for name, known in covariates.items():
            text = f"{name}: is missing; a covariate must be known at every time"
            cells.tell(table, np.flatnonzero(np.isnan(known)), lambda _, text=text: text, owners, problems)  # type: ignore[misc]
    without = "; `time: none` does without times"
    stamps = times_of(table, data.time_column, owners, problems, without) if data.time_column else None
    data = with_unit(data, stamps)
    order = _order(owners, data, stamps)
    clock, times = _times(table, owners, order, stamps, data, problems)
    if stamps is not None:
        notes += _order_notes(table, owners, order, stamps, data)
    keep = in_span(times, data)
    order, times = order[keep], times[keep]
    codes, n = owners.codes[order], len(owners.names)
    bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n))])
    states = step_labels(table, data.step_label, problems, data.missing_numbers) if data.step_label else {}
    blocks = [[values[order] for values in group.values()] for group in (channels, covariates, states)]
    if data.step:
        problems.check()
        layout = lay_on_grid(codes, times, n, data)
        notes += layout.notes(data)
        blocks = [[layout.mean(values) for values in group] for group in blocks]
        bounds, times = layout.bounds, layout.times
    values, known, of_classes = (stack(group, len(times)) for group in blocks)
    step = float(data.step) if data.step else None
    labels = likeliest(of_classes) if states else None
    grid = Grid(owners.names, bounds, clock, times, values, known, step, labels, tuple(states))
    return grid, tuple(channels), owners


def _order(owners: Names, data: SeriesData, times: Times | None) -> np.ndarray:
    """Rows in order of their entities, and of time if the files are or they are sorted; without rows of no entity."""
    if data.sort_by_time and times is not None:
        order = np.lexsort((times.values, owners.codes))
        return order[owners.codes[order] >= 0]
    order = np.arange(len(owners.codes))[:: -1 if data.newest_first else 1]
    if np.any(np.diff(owners.codes[order]) < 0):
        order = order[np.argsort(owners.codes[order], kind="stable")]
    return order[owners.codes[order] >= 0]


def _times(
    table: Table, owners: Names, order: np.ndarray, stamps: Times | None, data: SeriesData, problems: Problems
) -> tuple[Clock, np.ndarray]:
    """The clock, and float64 times of the rows in `order`; without a column of times, their numbers."""
    codes, n = owners.codes[order], len(owners.names)
    if stamps is None:
        bounds = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=n))])
        return plain_clock(n, data), (np.arange(len(order)) - bounds[codes]).astype(np.float64)
    if not data.step:
        _check_order(table, data, owners, stamps, order, problems)
    clock = make_clock(stamps, owners, data)
    return clock, clock(stamps.values[order], codes)


def _order_notes(table: Table, owners: Names, order: np.ndarray, times: Times, data: SeriesData) -> list[str]:
    """What was done about the order of rows, and what local times lack, in words."""
    notes = []
    if data.sort_by_time:
        plain = np.argsort(owners.codes, kind="stable")
        n_back = int(((np.diff(times.values[plain]) < 0) & (np.diff(owners.codes[plain]) == 0)).sum())
        notes.append(f"rows are sorted by {data.time}: {n_back:,} of {len(order):,} were earlier than the row before")
    if data.newest_first:
        notes.append(f"rows are turned round, because {data.time} has the newest first")
    if times.stamped and not times.zoned and not times.bad.any():
        order = order if not data.step else np.lexsort((times.values, owners.codes))
        stamps, codes = times.values[order], owners.codes[order]
        days = summer_time.repeated(stamps, codes)
        moments = summer_time.lacking(stamps, codes)
        if len(days):
            notes.append(
                f"{data.time} repeats an hour on {', '.join(map(str, days[:3]))}, as local times do when summer time "
                "ends: two hours are averaged as one. Times in UTC, or with their offset, have no such hour"
            )
        if moments:
            notes.append(
                f"{data.time} has no times from {', '.join(moments[:3])} on for an hour, as local times do when summer "
                "time begins: the step there is an hour longer. Times in UTC, or with their offset, have no such gap"
            )
    return notes


def _channels(table: Table, data: SeriesData, owners: Names, problems: Problems) -> dict[str, np.ndarray]:
    """Values of the channels that are named, or of all columns of numbers that have no other role."""
    taken = {data.entity, data.time_column, data.label, data.step_label, *data.covariates, *data.static}
    wanted = data.channels or [name for name in table.names if name not in taken]
    nameless = () if data.channels else [name for name in wanted if is_unnamed(name)]
    found: dict[str, np.ndarray] = {}
    for name in wanted:
        if data.channels or (cells.is_number_column(table, name) and name not in nameless):
            found[name] = column(table, name, data.missing_numbers, owners, problems)
        elif name not in nameless and (hint := cells.number_hint(table, name)):
            problems.add(
                f"{table.place}: {name}: holds numbers such as `{cells.some_texts(table, name)[0]}`; {hint}, or list "
                "the channels to do without it"
            )
        elif data.time is None and looks_like_time(table, name):
            problems.add(
                f"{table.place}: {name}: holds timestamps, and no time column was named; set `time: {name}`, or "
                "`time: none` to do without it"
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
    several = "" if data.entity else "; if the rows belong to several entities, name their column in `entity`"
    if back.sum() >= MOSTLY * same.sum() and back.any():
        wrong = (
            "increasing, and `newest_first: true` says they decrease"
            if data.newest_first
            else "decreasing; if the newest row comes first, set `newest_first: true`"
        )
        problems.add(f"{table.place}: {data.time}: times are mostly {wrong}")
        return
    clock = clock_beside(table, data.time, times) if equal.any() else None
    if clock:
        problems.add(
            f"{table.place}: {data.time}: holds days, which occur more than once, and {clock} times of day; write both "
            f"into one column, as 2024-01-31T12:00:00{several}"
        )
        return
    days = summer_time.repeated(values, owners.codes[order]) if times.stamped and not times.zoned else ()
    if len(days):
        problems.add(
            f"{table.place}: {data.time}: repeats an hour on {', '.join(map(str, days[:3]))}"
            f"{f' and {len(days) - 3} more days' if len(days) > 3 else ''}, as local times do when summer time ends; "
            "write times in UTC or with their offset, as 2024-10-27T02:30:00+02:00, or set `step`, as `step: 1h`, to "
            "average both hours"
        )
        return
    if back.sum() > FEW_ROWS and back.sum() > same.sum() * UNSORTED:
        problems.add(
            f"{table.place}: {data.time}: times are in no order: {back.sum():,} of {len(order):,} rows are earlier "
            f"than the row before; set `sort_by_time: true` to sort them{several}"
        )
        return
    hint = f"times must increase; set `sort_by_time: true`, or `step` to average those of a cell{several}"
    twice = "is the time of another row, too" if data.sort_by_time else "is the time of the row before, too"
    if not back.any():
        hint = f"no time may occur twice; remove the row, or set `step` to average those of a cell{several}"
    for mask, what in ((back, "is earlier than the row before"), (equal, twice)):
        cells.tell(
            table,
            order[np.flatnonzero(mask) + 1],
            lambda row, what=what: f"{data.time}: {times.text(row)} {what}; {hint}",  # type: ignore[misc]
            owners,
            problems,
        )

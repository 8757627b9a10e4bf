"""Events in series: which recording, when, and of which class."""

from __future__ import annotations

import numpy as np

from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.series import cells
from synthgen.readers.series.cells import Names, sort_names
from synthgen.readers.series.doubts import word_doubts
from synthgen.readers.series.grid import Grid
from synthgen.readers.series.table import open_table
from synthgen.readers.series.times import times_of
from synthgen.readers.series.types import EventData, Events, SeriesData


def read_events(grid: Grid, data: SeriesData, problems: Problems, notes: list[str]) -> tuple[Events, tuple[str, ...]]:
    """Events of the classes asked for, and the classes' names in id order.

    Raises:
        DataError: the file of events cannot be read, or lacks a column. Rows that are wrong go to `problems`.
    """
    config = data.events
    assert config is not None
    table = open_table(config.path, formats=data.formats)
    for role, name in (("entity", config.entity), ("time", config.time), ("label", config.label)):
        if name and name not in table.names:
            problems.add(f"{table.place}: events.{role}: {unknown(name, table.names, 'column')}")
    if not config.entity and len(grid.owners) > 1:
        problems.add(
            f"{table.place}: events.entity: is needed, because there are {len(grid.owners):,} entities; name the "
            "column that says whose event it is"
        )
    problems.check()
    labels = cells.names(table, config.label)
    notes += word_doubts(table, [] if config.classes else [config.label])
    if config.classes is None:
        nameless = np.flatnonzero(labels.codes < 0)
        needed = "every event needs its label, or name those that count in `events.classes`"
        cells.tell(table, nameless, lambda row: f"{cells.lack(table, config.label, row)}; {needed}", None, problems)
    classes = _classes(labels, config, table.place, problems)
    ids = np.array([classes.index(name) if name in classes else -1 for name in labels.names] + [-1], dtype=np.int64)
    owners = cells.names(table, config.entity) if config.entity else Names(np.zeros(len(table), dtype=np.int64), ("",))
    entities = np.zeros(len(table), dtype=np.int64)
    if config.entity:
        place = {name: i for i, name in enumerate(grid.owners)}
        entities = np.array([place.get(name, -1) for name in owners.names] + [-1], dtype=np.int64)[owners.codes]
    used = ids[labels.codes] >= 0
    stray = np.flatnonzero(used & (entities < 0))
    cells.tell(table, stray, lambda _: f"{config.entity}: has no series in {data.path}", owners, problems)
    times = times_of(table, config.time, owners, problems)
    if times.stamped != grid.clock.stamped or (times.stamped and times.zoned != grid.clock.zoned):
        kinds = [_kind(clock.stamped, clock.zoned) for clock in (times, grid.clock)]
        problems.add(f"{table.place}: {config.time}: holds {kinds[0]}, and {data.path} {kinds[1]}; both must be alike")
        problems.check()
    rows = np.flatnonzero(used & (entities >= 0) & ~times.bad)
    since = grid.clock(times.values[rows], entities[rows])
    if data.span:
        inside = (since >= data.span[0]) & (since < data.span[1])
        rows, since = rows[inside], since[inside]
    first, last = (np.append(grid.times, 0.0)[ends] for ends in (grid.bounds[:-1], grid.bounds[1:] - 1))
    mine = entities[rows]
    outside = rows[(since < first[mine]) | (since > last[mine] + (grid.step or 0))]

    def describe(row: int) -> str:
        owner = int(entities[row])
        ends = [grid.moment(owner, int(end)) for end in (grid.bounds[owner], grid.bounds[owner + 1] - 1)]
        return f"{config.time}: {times.text(row)} lies outside of the series, which is from {' to '.join(ends)}"

    cells.tell(table, outside, describe, owners, problems)
    order = np.lexsort((since, mine))
    return Events(mine[order], since[order], ids[labels.codes[rows]][order]), tuple(classes)


def _classes(labels: Names, config: EventData, place: str, problems: Problems) -> list[str]:
    if config.classes is None:
        return sort_names(labels.names)
    for name in config.classes:
        if name not in labels.names:
            problems.add(f"{place}: events.classes: {unknown(name, sort_names(labels.names), 'label')}")
    return list(dict.fromkeys(config.classes))


def _kind(stamped: bool, zoned: bool) -> str:
    return f"timestamps with{'' if zoned else 'out'} time zones" if stamped else "numbers"

"""Time series from tables: recordings of entities, and the windows that models are trained on.

`read` turns files into `Recordings` and finds every problem of the data; `windows` cuts them.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from synthgen.base.fetched import local_path
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.series.types import Channel, EventData, Events, Recording, Recordings, SeriesData, Split
from synthgen.readers.series.views import Windows

__all__ = [
    "Channel", "EventData", "Events", "Recording", "Recordings", "SeriesData", "Split", "Windows", "read", "sha256",
    "windows",
]  # fmt: skip


def read(data: SeriesData) -> Recordings:
    """Reads all series of a path, in order of their entities' first rows.

    A process reads a table once: the last one is kept until its files or the settings that it is read with change.

    Raises:
        DataError: all problems of the data at once, one a line, as `file: row N (entity): column: what is wrong,
            what is accepted`; at most twenty lines and the number of the rest. Rows of CSV files are counted as
            lines in a text editor are. Problems that hide others (a missing file, an unknown column) come alone.
    """
    stats = [(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) for path in _files(data) if path.exists()]
    key = data.model_copy(update={"validation": 0.0, "test": 0.0}), stats
    if _LAST[:1] != [key]:
        _LAST[:] = [key, _read(data)]
    return cast(Recordings, _LAST[1])


_LAST: list[Any] = []
"""What the last recordings were read from, and they themselves."""


def _read(data: SeriesData) -> Recordings:
    """What `read` returns, from the files."""
    from synthgen.readers.series import forms
    from synthgen.readers.series import grid as series_grid
    from synthgen.readers.series.choices import find_time
    from synthgen.readers.series.columns import check_covariates
    from synthgen.readers.series.doubts import word_doubts
    from synthgen.readers.series.events import read_events
    from synthgen.readers.series.roles import choices_to_check, columns_of
    from synthgen.readers.series.short import check_lengths, long_enough
    from synthgen.readers.series.static import read_static
    from synthgen.readers.series.table import open_table

    problems = Problems()
    table = open_table(data.path, _others(data), data.formats)
    notes: list[str] = []
    time = find_time(table, data)
    if time and not data.time:
        notes.append(f"{time} is taken as the time, because it is called and reads so; `time: none` does without it")
        data = data.model_copy(update={"time": time})
    grid, channels, owners = forms.read_form(table, data, problems, notes)
    if data.step or data.kind == "melted":
        check_covariates(grid, data, problems)
    notes += word_doubts(table, [data.entity, data.variable, data.step_label])
    static = read_static(table, owners, data, problems, notes)
    events, classes = None, static.classes
    if data.events:
        events, classes = read_events(grid, data, problems, notes)
    else:
        check_lengths(grid.owners, grid.lengths, data, problems)
    for name in data.units:
        if name not in channels:
            problems.add(f"{data.path}: units: {unknown(name, channels, 'channel')}")
    problems.check()
    items = []
    for i, (start, end) in enumerate(zip(grid.bounds[:-1].tolist(), grid.bounds[1:].tolist(), strict=True)):
        items.append(
            Recording(
                entity=grid.owners[i],
                times=grid.times[start:end],
                start=grid.clock.start(i),
                values=grid.values[start:end],
                covariates=grid.covariates[start:end],
                static=static.values[i],
                label=None if static.labels is None else int(static.labels[i]),
                step_labels=None if grid.step_labels is None else grid.step_labels[start:end],
            )
        )
    found = Recordings(
        items=tuple(items),
        channels=tuple(Channel(name, data.units.get(name, "1")) for name in channels),
        covariates=tuple(data.covariates),
        static=static.names,
        classes=classes,
        time_unit=grid.clock.unit,
        interval=series_grid.interval(grid, data),
        events=events,
        roles=columns_of(table, data, channels if data.kind == "table" else ()),
        notes=(*notes, *choices_to_check(table, data, channels)),
        named=data.entity is not None or (len(items) > 1 and data.kind != "wide"),
        step_classes=grid.step_classes,
    )
    if data.rate_hz and grid.clock.stamped:
        raise DataError(f"{data.path}: rate_hz: is for times that count samples, and {data.time} holds timestamps")
    return long_enough(_in_seconds(found, data.rate_hz) if data.rate_hz else found, data)


def _in_seconds(counted: Recordings, rate_hz: float) -> Recordings:
    """Recordings whose times count samples, with times in seconds."""
    items = tuple(replace(item, times=item.times / rate_hz) for item in counted.items)
    events = counted.events and replace(counted.events, times=counted.events.times / rate_hz)
    interval = counted.interval and counted.interval / rate_hz
    return replace(counted, items=items, events=events, interval=interval, time_unit="s")


def windows(recordings: Recordings, data: SeriesData, split: Split, *, to_the_end: bool = False) -> Windows:
    """The windows of one split; windows of different splits share no step.

    With fewer than ten recordings each is divided in time: first training, then validation, then test, in the shares
    of `data`, at least `length` rows each; a recording too short to be divided is training data as a whole. With
    more, whole recordings are held out, chosen by the sha256 of their names. Windows without any value are left out.
    With `to_the_end`, steps that `stride` leaves over at the end of a part get a window that ends there.

    Raises:
        DataError: the split has no windows.
    """
    from synthgen.readers.series.windows import cut

    return cut(recordings, data, split, to_the_end)


def unlabelled(data: SeriesData, beside: Recordings) -> tuple[Windows, list[str]]:
    """The windows of the series without classes that `data.unlabelled` names, and notes on what is left out.

    Entities that are among those with classes, by name or by all of their values, are left out: what is held out must
    stay unseen.

    Raises:
        DataError: they cannot be read, have other columns, or there are none.
    """
    assert data.unlabelled is not None
    without = dict.fromkeys(("unlabelled", "label", "step_label"))
    own = {"path": data.unlabelled, **without, "validation": 0.0, "test": 0.0}
    plain = data.model_copy(update=own)
    found = read(plain)
    for what, ours, theirs in (
        ("channels", [one.name for one in found.channels], [one.name for one in beside.channels]),
        ("covariates", list(found.covariates), list(beside.covariates)),
        ("static columns", list(found.static), list(beside.static)),
        ("unit of time", [found.time_unit], [beside.time_unit]),
    ):
        if ours != theirs:
            raise DataError(
                f"data.unlabelled: {data.unlabelled}: {what}: {', '.join(ours) or 'none'}, and "
                f"{', '.join(theirs) or 'none'} in {data.path}; both must have the same"
            )
    named = {item.entity for item in beside.items} if beside.named and found.named else set()
    known = {item.values.tobytes() for item in beside.items}
    items = tuple(item for item in found.items if item.entity not in named and item.values.tobytes() not in known)
    if not items:
        raise DataError(f"data.unlabelled: {data.unlabelled}: all of its entities have classes; name others")
    n = len(found) - len(items)
    note = f"{n:,} of {plural(len(found), 'unlabelled entity', 'unlabelled entities')} have classes and are left out"
    return windows(replace(found, items=items), plain, "train"), [note] if n else []


def sha256(data: SeriesData) -> str:
    """sha256 over names and bytes of all files that are read: series, static table and events.

    A column of times that no setting names and that is found in the table counts, too.

    Raises:
        DataError: a file is missing, or is no table in which a column of times could be found.
    """
    digest = hashlib.sha256()
    for path in _files(data):
        try:
            with open(path, "rb") as file:
                inner = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        digest.update(f"{path.name}\0{inner.hexdigest()}\0".encode())
    if data.time is None and data.kind == "table":
        from synthgen.readers.series.choices import find_time
        from synthgen.readers.series.table import open_table

        if time := find_time(open_table(data.path, _others(data), data.formats), data):
            digest.update(f"time\0{time}\0".encode())
    return digest.hexdigest()


def _files(data: SeriesData) -> list[Path]:
    """All files that are read: series, static table and events."""
    from synthgen.readers.series.table import series_files

    others = _others(data)
    return [*series_files(data.path, others), *map(local_path, others)]


def _others(data: SeriesData) -> list[str]:
    """Files that may lie beside those of the series."""
    return [other for other in (data.static_table, data.events.path if data.events else None) if other]

"""Windows of series, cut so that no step lies in windows of two splits."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.readers.series.types import UTC, Recordings, SeriesData, Split
from synthgen.readers.series.views import Windows

FEW = 10
"""Fewer entities than this are divided in time; of more, some are held out whole."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Which rows windows are: int64 (N,) each, but `skipped`, the number of those left out."""

    entities: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray
    skipped: int = 0

    def take(self, keep: np.ndarray) -> Cuts:
        """Those where the mask is true, without a count of the others."""
        return Cuts(self.entities[keep], self.starts[keep], self.lengths[keep], self.labels[keep], self.skipped)


def cut(recordings: Recordings, data: SeriesData, split: Split, to_the_end: bool = False) -> Windows:
    """The windows of one split.

    Parts: of fewer than `FEW` recordings, each is divided in time into train, validation and test, whose sizes are
    the shares but at least `length` rows where a share is not 0; a recording that is too short for that is training
    data as a whole. Of more recordings, whole ones are held out, those with the lowest sha256 of their names.
    Windows start `stride` rows apart, or lie around events, and lie inside one part; `to_the_end` adds one that ends
    with the part, where others leave rows over.

    Raises:
        DataError: the split has no windows.
    """
    parts = divide(recordings, data, split)
    cuts = _around_events(recordings, data, parts) if data.events else _in_order(recordings, data, parts, to_the_end)
    cuts = _with_values(recordings, cuts)
    if not len(cuts.starts):
        raise DataError(_nothing(data, split, cuts.skipped))
    return _gather(recordings, data, cuts)


def divide(recordings: Recordings, data: SeriesData, split: Split) -> list[tuple[int, int]]:
    """(first row, end) of each recording's part that belongs to the split; equal if there is none."""
    n = len(recordings)
    if n < FEW:
        return [_part(len(item), data, split) for item in recordings.items]
    order = sorted(range(n), key=lambda i: hashlib.sha256(recordings.items[i].entity.encode()).digest())
    n_test, n_held = (max(1, round(share * n)) if share else 0 for share in (data.test, data.validation))
    held = {"test": order[:n_test], "validation": order[n_test : n_test + n_held], "train": order[n_test + n_held :]}
    chosen = set(held[split])
    return [(0, len(item) if i in chosen else 0) for i, item in enumerate(recordings.items)]


def _part(n_rows: int, data: SeriesData, split: Split) -> tuple[int, int]:
    n_test, n_held = (max(round(share * n_rows), data.length) if share else 0 for share in (data.test, data.validation))
    if n_rows - n_test - n_held < data.length:
        n_test = n_held = 0
    ends = {"train": n_rows - n_test - n_held, "validation": n_rows - n_test, "test": n_rows}
    starts = {"train": 0, "validation": ends["train"], "test": ends["validation"]}
    return starts[split], ends[split]


def _in_order(recordings: Recordings, data: SeriesData, parts: list[tuple[int, int]], to_the_end: bool) -> Cuts:
    entities, starts, lengths = [], [], []
    for number, (start, end) in enumerate(parts):
        rows = np.arange(start, end - data.length + 1, data.stride)
        if to_the_end and len(rows) and rows[-1] + data.length < end:
            rows = np.append(rows, end - data.length)
        if not len(rows) and data.pad and end - start >= 2:
            rows = np.array([start])
        entities.append(np.full(len(rows), number))
        starts.append(rows)
        lengths.append(np.full(len(rows), min(data.length, end - start)))
    owners = np.concatenate(entities).astype(np.int64)
    labels = np.array([item.label or 0 for item in recordings.items], dtype=np.int64)[owners]
    return Cuts(owners, np.concatenate(starts).astype(np.int64), np.concatenate(lengths).astype(np.int64), labels)


def _around_events(recordings: Recordings, data: SeriesData, parts: list[tuple[int, int]]) -> Cuts:
    """Rows from `before` an event up to `after` it; events whose windows leave their part are skipped."""
    assert data.events is not None and recordings.events is not None
    events, found, skipped = recordings.events, [], 0
    slack = 1e-6 * (recordings.interval or 0)
    bounds = np.searchsorted(events.entities, np.arange(len(recordings) + 1))
    for number, (item, (start, end)) in enumerate(zip(recordings.items, parts, strict=True)):
        if start == end:
            continue
        rows = slice(bounds[number], bounds[number + 1])
        edges = (events.times[rows] - data.events.before - slack, events.times[rows] + data.events.after - slack)
        first, last = (np.searchsorted(item.times, edge) for edge in edges)
        centre = np.minimum(np.searchsorted(item.times, events.times[rows] - slack), len(item) - 1)
        mine = (centre >= start) & (centre < end)
        step = recordings.interval or 0.0
        whole = (edges[0] >= item.times[0] - 2 * slack) & (edges[1] <= item.times[-1] + step)
        inside = mine & whole & (first >= start) & (last <= end) & (last - first >= 2)
        skipped += int((mine & ~inside).sum())
        size = (last - first)[inside]
        found.append((np.full(len(size), number), first[inside], size, events.labels[rows][inside]))
    columns = [np.concatenate([part[i] for part in found] or [[]]).astype(np.int64) for i in range(4)]
    cuts = Cuts(columns[0], columns[1], columns[2], columns[3], skipped)
    _check_lengths(data, cuts.lengths)
    return cuts


def _check_lengths(data: SeriesData, lengths: np.ndarray) -> None:
    if not len(lengths):
        return
    low, high = int(lengths.min()), int(lengths.max())
    if high > data.length or (low < data.length and not data.pad):
        steps = f"{high}" if low == high else f"{low} to {high}"
        advice = f"set `length: {high}`" + ("" if low == high else " and `pad: true`")
        raise DataError(
            f"length: {data.length}: from `before` to `after` of `events` there are {steps} steps; {advice}, or change "
            "`before` and `after`"
        )


def _with_values(recordings: Recordings, cuts: Cuts) -> Cuts:
    """Without windows that have no value at all."""
    seen = np.concatenate([~np.isnan(item.values).all(axis=1) for item in recordings.items])
    total = np.concatenate([[0], np.cumsum(seen)])
    first = _offsets(recordings)[cuts.entities] + cuts.starts
    keep = total[first + cuts.lengths] > total[first]
    return replace(cuts.take(keep), skipped=cuts.skipped + int((~keep).sum()))


def _offsets(recordings: Recordings) -> np.ndarray:
    """int64: the first row of each recording among the rows of all."""
    return np.cumsum([0, *(len(item) for item in recordings.items)])[:-1]


def _gather(recordings: Recordings, data: SeriesData, cuts: Cuts) -> Windows:
    items = recordings.items
    rows, covariates, times = (
        parts[0] if len(parts) == 1 else np.concatenate(parts)
        for parts in zip(*((item.values, item.covariates, item.times) for item in items), strict=True)
    )
    return Windows(
        rows=rows,
        row_covariates=covariates,
        row_times=times,
        first=_offsets(recordings)[cuts.entities] + cuts.starts,
        length=data.length,
        lengths=cuts.lengths,
        entity_static=np.stack([item.static for item in items]),
        labels=cuts.labels,
        entities=cuts.entities,
        starts=cuts.starts,
        channels=recordings.channels,
        covariate_names=recordings.covariates,
        static_names=recordings.static,
        classes=recordings.classes,
        time_unit=recordings.time_unit,
        interval=recordings.interval,
        row_stamps=_stamps(recordings),
        zoned=items[0].start.endswith(UTC),
        entity_names=tuple(item.entity for item in items) if recordings.named else (),
        skipped=cuts.skipped,
        row_step_labels=_step_labels(recordings),
        step_classes=recordings.step_classes,
    )


def _step_labels(recordings: Recordings) -> np.ndarray | None:
    parts = [item.step_labels for item in recordings.items if item.step_labels is not None]
    return np.concatenate(parts) if parts else None


def _stamps(recordings: Recordings) -> np.ndarray | None:
    """int64 (R,): microseconds since 1970 of all rows; None if times are numbers."""
    if not recordings.items[0].start:
        return None
    per_unit = UNITS_US[recordings.time_unit]
    return np.concatenate(
        [
            np.datetime64(item.start.removesuffix(UTC), "us").astype(np.int64) + np.round(item.times * per_unit)
            for item in recordings.items
        ]
    ).astype(np.int64)


def _nothing(data: SeriesData, split: Split, skipped: int) -> str:
    left_out = f" ({skipped:,} were left out: without any value, or too near to the ends)" if skipped else ""
    if split != "train" and not getattr(data, split):
        return f"{data.path}: nothing is held out for `{split}`; set `{split}` to a share, as 0.1"
    return (
        f"{data.path}: has no windows of {data.length} steps for `{split}`{left_out}; use a smaller `length`, or other "
        "shares of `validation` and `test`"
    )

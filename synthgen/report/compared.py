"""Generated series of a dataset beside real ones, class by class: what the charts of a report are made of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.view import View
from synthgen.fields import Series, Times, class_field, first
from synthgen.readers.series.types import Channel
from synthgen.readers.series.views import Windows
from synthgen.report.real_data import Real
from synthgen.report.shown_series import START, curves_field

N_READ, N_REAL, N_CLASSES = 2000, 2000, 6
N_WINDOWS = 8
"""Real windows that a page shows one by one, all classes together."""
ALIKE = 1e-3


@dataclass(frozen=True, slots=True)
class Group:
    """The series of one class, float (M, L, C) and (N, L, C); `real` is None where there are no real ones.

    `windows` are a few of the real ones, with values by the names of the dataset's fields.
    """

    name: str
    generated: np.ndarray
    real: np.ndarray | None
    windows: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """Generated and real series of the first classes that were generated.

    Attributes:
        field: the dataset's field that `generated` comes from.
        times: float64 (L,), of each step in `time_unit`; numbers of steps if series have different times.
        interval: from step to step in `time_unit`, None if it is not the same everywhere.
        n_read: series of the dataset that were read, the first ones in stored order, which is random.
        n_classes: classes that were generated, shown or not.
    """

    field: str
    channels: tuple[Channel, ...]
    times: np.ndarray
    time_unit: str
    interval: float | None
    groups: tuple[Group, ...]
    n_read: int
    n_classes: int


def holds_series(book: Ledger) -> bool:
    """Whether the dataset has a field of series."""
    return first(book.fields, Series)[1] is not None


def compare(book: Ledger, real: Real | None) -> Compared:
    """Reads up to 2,000 series of the dataset, and as many real training windows of each class.

    Args:
        real: None to look at the generated ones alone.

    Raises:
        UsageError: `real` does not describe series.
        DataError: the real data cannot be read, or channels, length or classes differ.
    """
    field, kind = first(book.fields, Series)
    assert kind is not None
    label = class_field(book.fields)
    time, times = first(book.fields, Times)
    windows, ids = (None, None) if real is None else _windows(book, kind, real)
    view = View(book, None, tuple(name for name in (field, label, time) if name), None)
    samples = list(itertools.islice((s for file in view.files for s in view.read(file)), N_READ))
    values = np.stack([sample[field] for sample in samples])
    labels = np.array([sample[label] if label else 0 for sample in samples])
    unit = times.unit if times else "step"
    interval = regular([sample[time] for sample in samples]) if time else 1.0
    if windows is not None and interval is not None:
        same = windows.interval is not None and abs(windows.interval - interval) < ALIKE * interval
        interval = interval if same else None
    there = [i for i in range(max(len(book.classes), 1)) if (labels == i).any()]
    shown = there[:N_CLASSES]
    return Compared(
        field=field,
        channels=tuple(itertools.starmap(Channel, zip(kind.channels, kind.units, strict=True))),
        times=np.arange(kind.length) * (interval or 1.0),
        time_unit="step" if interval is None else unit,
        interval=interval,
        groups=tuple(
            _group(book, i, values[labels == i], None if windows is None else _of_class(windows, ids, i), len(shown))
            for i in shown
        ),
        n_read=len(samples),
        n_classes=len(there),
    )


def _group(book: Ledger, i: int, generated: np.ndarray, windows: Windows | None, n_groups: int) -> Group:
    name = book.classes[i] if book.classes else ""
    if windows is None:
        return Group(name, generated, None)
    return Group(name, generated, np.array(windows.values), _as_samples(book, windows, max(1, N_WINDOWS // n_groups)))


def _as_samples(book: Ledger, windows: Windows, n: int) -> list[dict[str, Any]]:
    """Up to `n` of these windows, evenly spread, as samples of the dataset: values, times, and when they began."""
    few = windows.take(_spread(len(windows), n))
    samples: list[dict[str, Any]] = [{curves_field(book.fields): np.array(values)} for values in few.values]
    if time := first(book.fields, Times)[0]:
        samples = [sample | {time: np.array(times)} for sample, times in zip(samples, few.times, strict=True)]
    if START in book.fields and few.row_stamps is not None:
        moments = few.row_stamps[few.first].astype("datetime64[us]")
        samples = [sample | {START: moment} for sample, moment in zip(samples, moments, strict=True)]
    return samples


def regular(times: Sequence[np.ndarray]) -> float | None:
    """The interval between steps, None unless it is the same in all of these times."""
    steps = np.diff(np.stack(times), axis=1)
    if not steps.size:
        return None
    interval = float(np.median(steps))
    return interval if np.abs(steps - interval).max() < ALIKE * interval else None


def _windows(book: Ledger, kind: Series, real: Real) -> tuple[Windows, np.ndarray]:
    """Real training windows, and their id of each class of the dataset."""
    from synthgen.measures.series.sets import ids_of_real, series_data
    from synthgen.readers.series import reader

    data = series_data(real.data, real.name)
    windows = reader.windows(reader.read(data), data, "train")
    return windows, ids_of_real(book.place, kind, book.classes, windows, real.name)


def _of_class(windows: Windows, ids: np.ndarray | None, i: int) -> Windows | None:
    """Real windows of the dataset's class `i`, evenly spread; None if there are none."""
    if ids is None:
        return None
    rows = np.arange(len(windows)) if len(ids) == 1 else np.flatnonzero(windows.labels == ids[i])
    return windows.take(rows[_spread(len(rows), N_REAL)]) if len(rows) else None


def _spread(n: int, most: int) -> np.ndarray:
    """int64: up to `most` numbers below `n`, evenly spread, ascending."""
    return np.linspace(0, n - 1, min(most, n)).round().astype(np.int64)

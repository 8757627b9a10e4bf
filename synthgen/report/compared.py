"""Drawn series of a dataset beside real ones, class by class: what the images of a report are made of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.view import View
from synthgen.fields import Series, Times, class_field, first
from synthgen.readers.series.types import Channel
from synthgen.readers.series.views import Windows

N_READ, N_REAL, N_CLASSES = 2000, 2000, 6
ALIKE = 1e-3


@dataclass(frozen=True, slots=True)
class Group:
    """The series of one class, float32: `drawn` (M, L, C) and `real` (N, L, C), None where there are no real ones."""

    name: str
    drawn: np.ndarray
    real: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Compared:
    """Drawn and real series of the first classes that were drawn.

    Attributes:
        field: the dataset's field that `drawn` comes from.
        times: float64 (L,), of each step in `time_unit`; numbers of steps if series have different times.
        interval: from step to step in `time_unit`, None if it is not the same everywhere.
        n_read: series of the dataset that were read, the first ones in stored order, which is random.
        n_classes: classes that were drawn, shown or not.
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


def compare(book: Ledger, real: str | None) -> Compared:
    """Reads up to 2,000 series of the dataset, and as many real training windows of each class.

    Args:
        real: the recipe of a model that is trained on series; None to look at the drawn ones alone.

    Raises:
        UsageError: `real` is no such recipe.
        DataError: the real data cannot be read, or channels, length or classes differ.
    """
    field, kind = first(book.fields, Series)
    assert kind is not None
    label = class_field(book.fields)
    time, times = first(book.fields, Times)
    windows, ids = (None, None) if real is None else _real(book, kind, real)
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
    return Compared(
        field=field,
        channels=tuple(itertools.starmap(Channel, zip(kind.channels, kind.units, strict=True))),
        times=np.arange(kind.length) * (interval or 1.0),
        time_unit="step" if interval is None else unit,
        interval=interval,
        groups=tuple(
            Group(book.classes[i] if book.classes else "", values[labels == i], _of_class(windows, ids, i))
            for i in there[:N_CLASSES]
        ),
        n_read=len(samples),
        n_classes=len(there),
    )


def regular(times: Sequence[np.ndarray]) -> float | None:
    """The interval between steps, None unless it is the same in all of these times."""
    steps = np.diff(np.stack(times), axis=1)
    if not steps.size:
        return None
    interval = float(np.median(steps))
    return interval if np.abs(steps - interval).max() < ALIKE * interval else None


def _real(book: Ledger, kind: Series, recipe: str) -> tuple[Windows, np.ndarray]:
    """Real training windows, and their id of each class of the dataset."""
    from synthgen.measures.series.measure import ids_of_real, series_data
    from synthgen.readers import origin
    from synthgen.readers.series import reader

    data = series_data(origin.data_section(recipe), recipe)
    windows = reader.windows(reader.read(data), data, "train")
    return windows, ids_of_real(book.place, kind, book.classes, windows, recipe)


def _of_class(windows: Windows | None, ids: np.ndarray | None, i: int) -> np.ndarray | None:
    """Real windows of the dataset's class `i`, evenly spread; None if there are none."""
    if windows is None or ids is None:
        return None
    rows = np.arange(len(windows)) if len(ids) == 1 else np.flatnonzero(windows.labels == ids[i])
    rows = rows[np.linspace(0, len(rows) - 1, min(N_REAL, len(rows))).round().astype(int)]
    return np.array(windows.take(rows).values) if len(rows) else None

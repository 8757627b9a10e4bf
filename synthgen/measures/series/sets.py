"""Windows of a dataset and of the real data, with class ids that mean the same in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.dataset.loading import Dataset
from synthgen.errors import DataError, UsageError
from synthgen.fields import Series, label_of
from synthgen.measures.series.windows import stream
from synthgen.measures.weights import joined, weights_of
from synthgen.readers import settings_fit
from synthgen.readers.series.reader import SeriesData, Windows


@dataclass(frozen=True, slots=True)
class Set:
    """Windows float32 (N, L, C) with class ids int64 (N,), and how much each counts, (N,), if not all alike."""

    windows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> Set:
        return Set(self.windows[rows], self.labels[rows], None if self.weights is None else self.weights[rows])

    def join(self, other: Set) -> Set:
        """Both; where one has weights, those of the other are 1."""
        windows, labels = (
            np.concatenate([getattr(some, name) for some in (self, other)]) for name in ("windows", "labels")
        )
        return Set(windows, labels, joined((self.weights, len(self)), (other.weights, len(other))))


def series_data(data: Mapping[str, Any], name: str) -> SeriesData:
    """The settings of real series, which messages call `name`. Raises UsageError if they are those of other data."""
    if not settings_fit(SeriesData, data):
        raise UsageError(
            f"{name}: must be a recipe that trains a model on series (`trainer.use: series`, or `train` in the recipe "
            "of a dataset), whose `data` are the real ones"
        )
    return SeriesData.model_validate(dict(data))


def from_dataset(
    dataset: Dataset, folder: str, real: Windows, name: str, samples: Sequence[Mapping[str, Any]] | None = None
) -> tuple[Set, tuple[str, ...]]:
    """Windows of a generated dataset in `folder`, in their units, with class ids as the real data `name` have them.

    Args:
        samples: of the dataset, if they are at hand.

    Raises:
        DataError: channels, length or classes differ, or weights are negative.
    """
    field, kind = next((key, value) for key, value in dataset.fields.items() if isinstance(value, Series))
    label, _ = label_of(dataset.fields)
    ids = ids_of_real(folder, kind, dataset.classes if label else (), real, name)
    samples = list(dataset) if samples is None else samples
    values = np.stack([sample[field] for sample in samples])
    weights = weights_of(dataset, samples)
    if not label or not real.classes:
        return Set(values, np.zeros(len(values), dtype=np.int64), weights), ()
    return Set(values, ids[[sample[label] for sample in samples]], weights), real.classes


def ids_of_real(folder: str, kind: Series, classes: tuple[str, ...], real: Windows, name: str) -> np.ndarray:
    """int64: the real data's id of each class of a dataset, matched by name; [0] if one of the two has no classes.

    Raises:
        DataError: channels, length or classes differ.
    """
    channels = tuple(channel.name for channel in real.channels)
    if kind.channels != channels or kind.length != real.length:
        raise DataError(
            f"{folder} has series of {kind.length} steps of {', '.join(kind.channels)}, and {name} "
            f"{real.length} steps of {', '.join(channels)}; both must be alike"
        )
    if not classes or not real.classes:
        return np.zeros(1, dtype=np.int64)
    strange = set(classes) - set(real.classes)
    if strange:
        raise DataError(f"{folder} has the classes {sorted(strange)}, which {name} lacks; it has {list(real.classes)}")
    return np.array([real.classes.index(one) for one in classes], dtype=np.int64)


def in_proportion(synthetic: Set, real: Set, n_classes: int) -> Set:
    """As many synthetic windows as there can be with the real set's shares of classes, at most one a real one."""
    if n_classes < 2:
        return synthetic
    have, want = (np.bincount(one.labels, minlength=n_classes) for one in (synthetic, real))
    share = min(1.0, *(have[want > 0] / want[want > 0]))
    random = stream(0, "proportions")
    rows = [
        random.permutation(np.flatnonzero(synthetic.labels == label))[: round(share * want[label])]
        for label in range(n_classes)
    ]
    return synthetic.take(np.sort(np.concatenate(rows)))

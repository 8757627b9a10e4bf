"""Labelled images as measures have them: arrays, with soft labels and weights where a dataset has these fields."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.fields import Probabilities
from synthgen.measures import weights as by_weight

SOFT = "soft_label"
"""The field that says how much a sample is of each class, which networks are trained with where a dataset has it."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images uint8 (N, H, W, C) with class ids int64 (N,).

    `soft` are soft labels float32 (N, K), `weights` how much each image counts, (N,); None if there are none.
    """

    images: np.ndarray
    labels: np.ndarray
    soft: np.ndarray | None = None
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, n: int, seed: int) -> Labelled:
        """At most `n` samples, the same share of every class as here."""
        return self if n >= len(self) else self.take(self._spread(n, seed))

    def take(self, rows: np.ndarray) -> Labelled:
        soft, weights = (None if each is None else each[rows] for each in (self.soft, self.weights))
        return Labelled(self.images[rows], self.labels[rows], soft, weights)

    def _spread(self, n: int, seed: int) -> np.ndarray:
        """Rows of `n` samples, the same share of every class as here."""
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        rank = np.empty(len(self))
        for cls in np.unique(self.labels):
            rows = order[self.labels[order] == cls]
            rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        picked: np.ndarray = np.sort(np.lexsort((rng.permutation(len(self)), rank))[:n])
        return picked

    def join(self, other: Labelled) -> Labelled:
        """Both; where one has soft labels or weights, those of the other are its classes, and 1."""
        soft = None
        if self.soft is not None or other.soft is not None:
            n = next(some.soft.shape[1] for some in (self, other) if some.soft is not None)
            soft = np.concatenate([some.targets(n) for some in (self, other)])
        weights = by_weight.joined((self.weights, len(self)), (other.weights, len(other)))
        images, labels = (
            np.concatenate([getattr(some, name) for some in (self, other)]) for name in ("images", "labels")
        )
        return Labelled(images, labels, soft, weights)

    def widened(self, n_classes: int) -> Labelled:
        """The same with soft labels of `n_classes` classes; those that are new have 0."""
        if self.soft is None:
            return self
        return replace(self, soft=np.pad(self.soft, ((0, 0), (0, n_classes - self.soft.shape[1]))))

    def targets(self, n_classes: int) -> np.ndarray:
        """The soft labels, float32 (N, K); without any, 1 for the class."""
        return np.eye(n_classes, dtype=np.float32)[self.labels] if self.soft is None else self.soft


def stacked(dataset: Any) -> Labelled:
    """A loaded dataset as arrays, with its fields `soft_label` and `weight`, if it has them.

    Raises:
        DataError: a weight is negative, or all are 0, or soft labels are of other classes.
    """
    samples = [dataset[i] for i in range(len(dataset))]
    is_soft = isinstance(dataset.fields.get(SOFT), Probabilities)
    soft = np.stack([sample[SOFT] for sample in samples]) if is_soft else None
    if soft is not None and dataset.fields[SOFT].classes != tuple(dataset.fields["label"].classes):
        raise DataError(
            f"the field `{SOFT}` is of other classes than `label`: {', '.join(dataset.fields[SOFT].classes)}"
        )
    weights = by_weight.weights_of(dataset, samples)
    images = np.stack([sample["image"] for sample in samples])
    return Labelled(images, np.array([sample["label"] for sample in samples]), soft, weights)

"""How well class maps agree: the confusion matrix of their pixels, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthgen.fields import IGNORE


@dataclass(frozen=True)
class Confusion:
    """Pixels by true class (rows) and by found class (columns), int64 (n, n); 0 is background.

    Class maps are compared pixel by pixel; where the truth is unknown (255), nothing counts.
    """

    table: np.ndarray

    @classmethod
    def of(cls, true: np.ndarray, found: np.ndarray, n_classes: int) -> Confusion:
        """Of two class maps of one shape, ids 0 to `n_classes`; what `found` does not know is background to it."""
        n = n_classes + 1
        known = true != IGNORE
        answers = np.where(found == IGNORE, 0, found)[known].astype(np.int64)
        return cls(np.bincount(true[known].astype(np.int64) * n + answers, minlength=n * n).reshape(n, n))

    @classmethod
    def none(cls, n_classes: int) -> Confusion:
        """Of no pixels: what sums begin with."""
        return cls(np.zeros((n_classes + 1, n_classes + 1), dtype=np.int64))

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(self.table + other.table)

    @property
    def pixels(self) -> np.ndarray:
        """Pixels of each class in the truth, int64 (n,)."""
        counts: np.ndarray = self.table.sum(1)
        return counts

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union of each class, float64 (n,), 0 to 1; NaN of classes that neither map has."""
        shared = np.diag(self.table).astype(np.float64)
        union = self.table.sum(0) + self.table.sum(1) - shared
        return np.divide(shared, union, out=np.full(len(shared), np.nan), where=union > 0)

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the classes that either map has, 0 to 1; 1 if there is no known pixel.

        Background counts as a class where the truth has some: maps that cover images have none, and none is expected.
        """
        values = self.iou if self.pixels[0] else self.iou[1:]
        return float(np.nanmean(values)) if np.isfinite(values).any() else 1.0

    @property
    def pixel_accuracy(self) -> float:
        """Share of the known pixels whose class is right, 0 to 1; 1 if there are none."""
        total = self.table.sum()
        return float(np.trace(self.table) / total) if total else 1.0

    def scores(self, classes: Mapping[str, int]) -> dict[str, float]:
        """`miou`, `accuracy` and `iou.<class>`, as keep rules read them; 1 of a class that neither map has.

        Args:
            classes: ids by name of the classes whose IoU is a score.
        """
        of_class = {class_score(name): float(np.nan_to_num(self.iou[i], nan=1.0)) for name, i in classes.items()}
        return {"miou": self.mean_iou, "accuracy": self.pixel_accuracy, **of_class}

    @property
    def frequency_weighted_iou(self) -> float:
        """Mean of `iou`, each class as often as its pixels are in the truth, 0 to 1.

        Source: Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", section 5.
        """
        there = self.pixels > 0
        total = self.pixels.sum()
        return float((self.iou[there] * self.pixels[there]).sum() / total) if total else 1.0


def class_score(name: str) -> str:
    """What the IoU of a class is called among scores: what is neither a letter nor a digit is `_`."""
    return f"iou.{re.sub(r'[^A-Za-z0-9_]', '_', name)}"

"""How well two sets of objects agree: matched IoU, Dice, missed and extra objects, AJI, panoptic quality."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MATCH_IOU = 0.5


@dataclass(frozen=True)
class Match:
    """Objects of one image by intent and by finding.

    Args:
        intended: uint16 (H, W), 0 background, else object numbers; the truth where there is one.
        found: the same of another source, of the same shape.
        ignore: bool (H, W), pixels that count for neither; none by default.
    """

    intended: np.ndarray
    found: np.ndarray
    ignore: np.ndarray | None = None

    @cached_property
    def _overlap(self) -> np.ndarray:
        """Pixels of each (intended, found) pair of numbers, row and column 0 being background."""
        a, b = self.intended.astype(np.int64), self.found.astype(np.int64)
        if self.ignore is not None:
            a, b = np.where(self.ignore, 0, a), np.where(self.ignore, 0, b)
        n = int(b.max()) + 1
        table = np.bincount((a * n + b).ravel(), minlength=(int(a.max()) + 1) * n).reshape(-1, n)
        rows, columns = table.sum(1) > 0, table.sum(0) > 0
        rows[0] = columns[0] = True
        return table[rows][:, columns]

    @cached_property
    def iou(self) -> np.ndarray:
        """Intersection over union of every intended (rows) and every found object (columns)."""
        table = self._overlap
        union = table.sum(1)[1:, None] + table.sum(0)[None, 1:] - table[1:, 1:]
        ratio: np.ndarray = table[1:, 1:] / np.maximum(union, 1)
        return ratio

    @property
    def n_intended(self) -> int:
        return len(self.iou)

    @property
    def n_found(self) -> int:
        return self.iou.shape[1]

    @property
    def mean_iou(self) -> float:
        """Mean over the intended objects of the IoU with the best found one; 1 if nothing is intended and found."""
        if self.n_intended == 0:
            return float(self.n_found == 0)
        return float(self.iou.max(1).mean()) if self.n_found else 0.0

    @property
    def dice(self) -> float:
        """Dice coefficient of object against background, 0 to 1; 1 if both are empty."""
        table = self._overlap
        both, total = table[1:, 1:].sum(), table[1:].sum() + table[:, 1:].sum()
        return float(2 * both / total) if total else 1.0

    @cached_property
    def n_matched(self) -> int:
        """Pairs whose IoU is over 0.5; there can be one such partner only."""
        return int((self.iou > MATCH_IOU).sum())

    @property
    def n_missed(self) -> int:
        """Intended objects that were not found."""
        return self.n_intended - self.n_matched

    @property
    def n_extra(self) -> int:
        """Found objects that were not intended."""
        return self.n_found - self.n_matched

    @property
    def scores(self) -> dict[str, float]:
        """`iou`, `dice`, `missed` and `extra`, as keep rules read them."""
        return {
            "iou": self.mean_iou,
            "dice": self.dice,
            "missed": float(self.n_missed),
            "extra": float(self.n_extra),
        }

    @property
    def panoptic_quality(self) -> float:
        """Sum of the matched IoUs over matched + half of the missed and extra; 1 if both are empty.

        Source: Kirillov et al. 2019, "Panoptic segmentation", eq. 1.
        """
        total = self.n_matched + (self.n_missed + self.n_extra) / 2
        return float(self.iou[self.iou > MATCH_IOU].sum() / total) if total else 1.0

    @property
    def aggregated_jaccard(self) -> float:
        """Aggregated Jaccard index, 0 to 1; 1 if both are empty.

        Each intended object is joined with the found one of the highest IoU; found objects that
        no intended one chose count as union.

        Source: Kumar et al. 2017, "A dataset and a technique for generalized nuclear segmentation", algorithm 1.
        """
        table = self._overlap
        areas_found = table.sum(0)[1:]
        if not self.n_intended:
            return float(self.n_found == 0)
        intersection, union, chosen = 0, 0, set()
        for i in range(self.n_intended):
            area = int(table[i + 1].sum())
            j = int(self.iou[i].argmax()) if self.n_found else -1
            if j < 0 or self.iou[i, j] == 0:
                union += area
                continue
            shared = int(table[i + 1, j + 1])
            intersection += shared
            union += area + int(areas_found[j]) - shared
            chosen.add(j)
        union += int(sum(area for j, area in enumerate(areas_found) if j not in chosen))
        return intersection / union if union else 1.0

"""Boxes that detectors find: which are kept, how well they agree with others, average precision."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from synthgen.models.finite import finite

MATCH_IOU = 0.5
MIN_SIDE_PX = 1.0


def best_boxes(
    found: Sequence[tuple[np.ndarray, np.ndarray]],
    shape: tuple[int, int],
    *,
    min_score: float,
    nms_iou: float,
    max_boxes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (N, 5) of one image that pass, best first, and their scores, float64 (N,).

    Boxes are cut off at the image's edges; those of which less than a pixel's width or height is left are dropped.

    Args:
        found: of each class in order, boxes as left, top, right, bottom in pixels, (M, 4), and scores 0 to 1, (M,).
        shape: height and width of the image.
        min_score: boxes below it are dropped.
        nms_iou: of two boxes that overlap more, the better one stays, whatever their classes.
        max_boxes: the best so many are kept.

    Raises:
        NonFiniteError: a score or a corner is no number; below every threshold, it would drop its box.
    """
    import torch
    from torchvision.ops import nms

    height, width = shape
    boxes = np.concatenate([of_class for of_class, _ in found]).astype(np.float32)
    scores = finite(np.concatenate([of_class for _, of_class in found]), "scores of boxes")
    classes = np.repeat(np.arange(1, len(found) + 1), [len(of_class) for _, of_class in found])
    boxes = np.clip(finite(boxes, "corners of boxes"), 0, np.array([width, height, width, height], dtype=np.float32))
    sides = boxes[:, 2:] - boxes[:, :2]
    rows = np.flatnonzero((scores >= min_score) & (sides >= MIN_SIDE_PX).all(1))
    best = nms(torch.as_tensor(boxes[rows]), torch.as_tensor(scores[rows], dtype=torch.float32), nms_iou)
    rows = rows[best.numpy()[:max_boxes]]
    labelled = np.concatenate([boxes[rows], classes[rows, None]], axis=1).astype(np.float32)
    return labelled, scores[rows].astype(np.float64)


@dataclass(frozen=True)
class BoxMatch:
    """Boxes of one image by intent and by finding, float (N, 5): left, top, right, bottom, class number.

    Partners are of one class with an IoU of `least` or more. Each box has one partner at most: the assignment has as
    many pairs as can be, and of those the largest sum of IoUs.
    """

    intended: np.ndarray
    found: np.ndarray
    least: float = MATCH_IOU

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers of partners, in `intended` and in `found`."""
        ratio = self._iou
        fits = (ratio >= self.least) & (self.intended[:, None, 4] == self.found[None, :, 4])
        rows, columns = linear_sum_assignment(np.where(fits, min(ratio.shape, default=0) + ratio, 0), maximize=True)
        partners = fits[rows, columns]
        return rows[partners], columns[partners]

    @cached_property
    def _iou(self) -> np.ndarray:
        a, b = self.intended[:, None].astype(np.float64), self.found[None].astype(np.float64)
        sides = np.minimum(a[..., 2:4], b[..., 2:4]) - np.maximum(a[..., :2], b[..., :2])
        shared = sides.clip(0).prod(-1)
        areas = [(each[..., 2:4] - each[..., :2]).prod(-1) for each in (a, b)]
        ratio: np.ndarray = shared / (areas[0] + areas[1] - shared)
        return ratio

    @property
    def n_matched(self) -> int:
        return len(self.pairs[0])

    @property
    def n_missed(self) -> int:
        """Intended boxes that were not found."""
        return len(self.intended) - self.n_matched

    @property
    def n_extra(self) -> int:
        """Found boxes that were not intended."""
        return len(self.found) - self.n_matched

    @property
    def mean_iou(self) -> float:
        """Mean IoU of partners; without any, 1 if nothing is intended and found, else 0."""
        if self.n_matched:
            return float(self._iou[self.pairs].mean())
        return float(not len(self.intended) and not len(self.found))

    @property
    def scores(self) -> dict[str, float]:
        """`iou`, `found`, `missed` and `extra`, as keep rules read them."""
        return {
            "iou": self.mean_iou,
            "found": float(self.n_matched),
            "missed": float(self.n_missed),
            "extra": float(self.n_extra),
        }


def average_precision(
    intended: Sequence[np.ndarray],
    found: Sequence[tuple[np.ndarray, np.ndarray]],
    names: Sequence[str],
    least: Sequence[float] = (MATCH_IOU,),
) -> dict[str, float]:
    """Average precision of each class that occurs, 0 to 1, over images: the mean of those at each IoU of `least`.

    Args:
        intended: of each image, boxes (N, 5) as in `BoxMatch`.
        found: of each image, boxes (M, 5) and scores (M,).
        names: class names, from class number 1.

    Source: COCOeval of pycocotools, with 101 recall levels and at most 100 detections of an image.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def entries(picture: int, boxes: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
        return [
            {
                "image_id": picture,
                "category_id": int(cls),
                "bbox": [left, top, right - left, bottom - top],
                "area": (right - left) * (bottom - top),
                "iscrowd": 0,
                "score": float(score),
            }
            for (left, top, right, bottom, cls), score in zip(boxes.astype(float).tolist(), scores, strict=True)
        ]

    truth = [e for i, boxes in enumerate(intended) for e in entries(i, boxes, np.ones(len(boxes)))]
    predictions = [e for i, (boxes, scores) in enumerate(found) for e in entries(i, boxes, scores)]
    of_class = {cls for entry in truth if (cls := entry["category_id"])}
    if not predictions:
        return {name: 0.0 for cls, name in enumerate(names, start=1) if cls in of_class}
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i} for i in range(len(intended))],
            "categories": [{"id": cls} for cls in range(1, len(names) + 1)],
            "annotations": [{"id": k, **entry} for k, entry in enumerate(truth, start=1)],
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(predictions), "bbox")
        evaluation.params.iouThrs = np.array(least)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1].mean(0)  # recall levels by classes
    return {name: float(precision[:, cls - 1].mean()) for cls, name in enumerate(names, start=1) if cls in of_class}

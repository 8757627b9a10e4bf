"""Detections: agreement of two sets of boxes and average precision, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.models.images.detections import BoxMatch, average_precision
from synthgen.models.images.detector import Detector


def boxes(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 5)


def test_by_hand() -> None:
    """The first pair shares 8 x 10 of 120 px; the second found box has the place of the other, not its class."""
    match = BoxMatch(boxes((0, 0, 10, 10, 1), (20, 20, 30, 30, 2)), boxes((2, 0, 12, 10, 1), (20, 20, 30, 30, 1)))
    assert (match.n_matched, match.n_missed, match.n_extra) == (1, 1, 1)
    assert match.mean_iou == pytest.approx(80 / 120)
    assert BoxMatch(match.intended, match.found, 0.7).n_matched == 0


def test_a_box_has_one_partner() -> None:
    twice = BoxMatch(boxes((0, 0, 10, 10, 1)), boxes((0, 0, 10, 10, 1), (1, 0, 11, 10, 1)))
    assert (twice.n_matched, twice.n_missed, twice.n_extra) == (1, 0, 1)
    assert twice.mean_iou == 1


def test_as_many_pairs_as_can_be_are_found() -> None:
    """The best pair alone would leave the other two boxes without a partner."""
    a, b = boxes((0, 0, 10, 10, 1), (4, 0, 14, 10, 1)), boxes((3, 0, 13, 10, 1), (7, 0, 17, 10, 1))
    match = BoxMatch(a, b, 0.5)
    assert match.n_matched == 2
    assert match.mean_iou == pytest.approx(70 / 130)


def test_empty_pictures() -> None:
    none, one = boxes(), boxes((0, 0, 5, 5, 1))
    assert BoxMatch(none, none).mean_iou == 1
    assert [BoxMatch(a, b).mean_iou for a, b in ((one, none), (none, one))] == [0, 0]
    assert (BoxMatch(one, none).n_missed, BoxMatch(none, one).n_extra) == (1, 1)


def test_average_precision_by_hand() -> None:
    """Class `a`: hit, false alarm, hit gives precision 1 up to half of the recall and 2/3 beyond; `b` is not found."""
    truth = [boxes((0, 0, 10, 10, 1), (30, 30, 40, 40, 2)), boxes((0, 0, 10, 10, 1))]
    found = [
        (boxes((0, 0, 10, 10, 1), (50, 50, 60, 60, 1)), np.array([0.9, 0.8])),
        (boxes((0, 0, 10, 10, 1)), np.array([0.7])),
    ]
    scores = average_precision(truth, found, ["a", "b", "absent"])
    assert scores == {"a": pytest.approx((51 + 50 * 2 / 3) / 101), "b": 0}
    assert average_precision(truth, [(boxes(), np.zeros(0))] * 2, ["a", "b"]) == {"a": 0, "b": 0}


def test_pictures_of_any_size_have_boxes_inside_them() -> None:
    torch.manual_seed(0)
    network = Detector(["a", "b"], [8, 16, 24], min_score=0.05).eval()
    images = np.random.default_rng(0).integers(0, 255, (2, 37, 50, 3), dtype=np.uint8)
    (found, scores), (alone, _) = network.detect(images)[0], network.detect(images[:1])[0]
    assert len(found) > 3
    assert np.allclose(found, alone, atol=1e-3)
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:4] <= [50, 37]).all()
    assert set(found[:, 4]) <= {1, 2}
    assert (np.diff(scores) <= 0).all()
    assert scores.min() >= 0.05

"""How class maps agree, against counts made by hand and by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from synthgen.vision.confusion import Confusion


def ids(rows: list[list[int]]) -> np.ndarray:
    return np.array(rows, dtype=np.uint8)


def test_counts_made_by_hand() -> None:
    true = ids([[1, 1, 1, 2], [1, 2, 255, 255]])
    found = ids([[1, 1, 2, 2], [0, 2, 1, 255]])
    one = Confusion.of(true, found, 3)
    assert one.table.tolist() == [[0, 0, 0, 0], [1, 2, 1, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert one.pixels.tolist() == [0, 4, 2, 0]
    assert one.iou[:3].tolist() == pytest.approx([0, 2 / 4, 2 / 3])
    assert np.isnan(one.iou[3])
    assert one.mean_iou == pytest.approx((2 / 4 + 2 / 3) / 2), "there is no background in the truth"
    assert one.pixel_accuracy == pytest.approx(4 / 6)
    assert one.frequency_weighted_iou == pytest.approx((4 * 2 / 4 + 2 * 2 / 3) / 6)


def test_background_is_a_class_where_the_truth_has_some() -> None:
    one = Confusion.of(ids([[0, 0, 1, 1]]), ids([[0, 1, 1, 1]]), 1)
    assert one.mean_iou == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_a_class_that_is_found_and_never_true_counts_as_missed() -> None:
    one = Confusion.of(ids([[1, 1]]), ids([[1, 2]]), 2)
    assert one.iou[1:].tolist() == pytest.approx([1 / 2, 0])
    assert one.mean_iou == pytest.approx(1 / 4)


def test_sums_are_those_of_all_pixels_together() -> None:
    random = np.random.default_rng(0)
    maps = [random.integers(0, 4, (2, 9, 7)).astype(np.uint8) for _ in range(3)]
    total = sum((Confusion.of(true, found, 3) for true, found in maps), Confusion.none(3))
    true, found = (np.stack([pair[i] for pair in maps]) for i in (0, 1))
    assert np.array_equal(total.table, Confusion.of(true, found, 3).table)


def test_it_is_what_scikit_learn_finds() -> None:
    random = np.random.default_rng(1)
    true = random.integers(0, 12, (40, 30)).astype(np.uint8)
    found = np.where(random.random(true.shape) < 0.6, true, random.integers(0, 12, true.shape)).astype(np.uint8)
    true[:4] = 255
    one, known = Confusion.of(true, found, 11), true != 255
    assert np.array_equal(one.table, confusion_matrix(true[known], found[known], labels=range(12)))
    expected = jaccard_score(true[known], found[known], labels=range(12), average=None)
    assert one.iou.tolist() == pytest.approx(expected.tolist())
    assert one.mean_iou == pytest.approx(expected.mean())


def test_nothing_known_is_no_error() -> None:
    one = Confusion.of(ids([[255, 255]]), ids([[1, 0]]), 1)
    assert one.table.sum() == 0
    assert (one.mean_iou, one.pixel_accuracy, one.frequency_weighted_iou) == (1, 1, 1)

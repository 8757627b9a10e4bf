"""Matching: agreement of two sets of objects, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.vision.matching import Match

A = np.zeros((4, 8), dtype=np.uint16)
A[:, :4], A[:2, 6:] = 1, 2
B = np.zeros((4, 8), dtype=np.uint16)
B[:, :3], B[3, 5:8] = 7, 9


def test_by_hand() -> None:
    """Object 1 (16 px) meets 7 (12 px) in 12; object 2 (4 px) meets nothing; 9 (3 px) is extra."""
    match = Match(A, B)
    assert match.iou.tolist() == [[0.75, 0.0], [0.0, 0.0]]
    assert match.mean_iou == pytest.approx(0.375)
    assert match.dice == pytest.approx(2 * 12 / (20 + 15))
    assert (match.n_matched, match.n_missed, match.n_extra) == (1, 1, 1)
    assert match.panoptic_quality == pytest.approx(0.75 / 2)
    assert match.aggregated_jaccard == pytest.approx(12 / (16 + 4 + 3))


def test_identical_maps_agree_fully() -> None:
    match = Match(A, A * 5)
    assert match.mean_iou == match.dice == match.panoptic_quality == match.aggregated_jaccard == 1
    assert match.n_missed == match.n_extra == 0


def test_two_empty_maps_agree_and_one_does_not() -> None:
    empty = np.zeros_like(A)
    both = Match(empty, empty)
    assert both.mean_iou == both.dice == both.panoptic_quality == both.aggregated_jaccard == 1
    for match in (Match(A, empty), Match(empty, A)):
        assert match.mean_iou == match.dice == match.panoptic_quality == match.aggregated_jaccard == 0
    assert Match(A, empty).n_missed == Match(empty, A).n_extra == 2


def test_ignored_pixels_count_for_nobody() -> None:
    ignore = np.zeros(A.shape, dtype=bool)
    ignore[:, 3:] = True
    assert Match(A, B, ignore).dice == 1
    assert Match(A, B, ignore).n_missed == 0


def test_a_split_object_is_one_missed_or_matched_and_never_two() -> None:
    halves = A.copy()
    halves[2:, :4] = 3
    match = Match(A, halves)
    assert match.iou[0].tolist() == [0.5, 0.0, 0.5]
    assert match.n_matched == 1  # object 2; halves of IoU 0.5 are no match
    assert match.n_extra == 2

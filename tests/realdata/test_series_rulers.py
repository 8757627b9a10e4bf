"""Rulers on the stock series of the TimeGAN paper: what real windows score against themselves, as published."""

from __future__ import annotations

import numpy as np
import pytest

import helpers
from synthgen.measures.series import beyond
from synthgen.measures.series.correlational import correlational_score
from synthgen.measures.series.discriminative import discriminative_score, floor, n_test
from synthgen.measures.series.predictive import predictive_score

FILE = helpers.ROOT.parent / "shared" / "data" / "timegan" / "stock_data.csv"
LENGTH = 24
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not FILE.is_file(), reason="the real data are not here"),
]


@pytest.fixture(scope="module")
def stocks() -> np.ndarray:
    """All windows of stride 1, oldest first, every column scaled to [0, 1]: float32 (3662, 24, 6)."""
    rows = np.loadtxt(FILE, delimiter=",", skiprows=1)[::-1]
    scaled = (rows - rows.min(0)) / (rows.max(0) - rows.min(0))
    return np.lib.stride_tricks.sliding_window_view(scaled, LENGTH, axis=0).transpose(0, 2, 1).astype(np.float32)


def test_the_predictive_score_is_the_published_one(stocks: np.ndarray) -> None:
    """.036 in the papers."""
    assert 0.036 <= predictive_score(stocks, stocks, 0) <= 0.0375


def test_real_windows_cannot_be_told_from_themselves(stocks: np.ndarray) -> None:
    assert discriminative_score(stocks, stocks, 0) < 4 * floor(n_test(len(stocks), len(stocks)))
    assert correlational_score(stocks, stocks, 0) < 0.05


def test_windows_of_stride_one_overlap(stocks: np.ndarray) -> None:
    """The nearest window is nearer than the nearest that shares no step; only the latter is a yardstick."""
    near, apart = (np.median(beyond.nearest_distances(stocks, stocks, exclude)) for exclude in (1, LENGTH))
    assert near < 0.8 * apart

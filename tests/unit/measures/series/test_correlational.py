"""Correlations against numpy's and against cases small enough to do by hand."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series.correlational import correlation_distance, correlational_score, correlations

RNG = np.random.default_rng(0)


def mixed(n: int, share: float) -> np.ndarray:
    """Two channels of variance 1 with the correlation `share`."""
    x = RNG.normal(0, 1, (n, 10, 2))
    x[..., 1] = share * x[..., 0] + np.sqrt(1 - share**2) * x[..., 1]
    return x


def test_correlations() -> None:
    x = RNG.normal(0, [1, 5, 2], (40, 7, 3)) @ RNG.normal(0, 1, (3, 3)) + 9
    rows = x.reshape(-1, 3)
    assert correlations(x) == pytest.approx(np.corrcoef(rows, rowvar=False) * 279 / 280)


def test_opposite_channels_are_two_tenths_apart() -> None:
    """Correlation 1 against -1 in the one place under the diagonal: 2 / 10."""
    a = RNG.normal(0, 1, (50, 20, 2))
    a[..., 1] = a[..., 0]
    assert correlation_distance(a, a * [1, -1]) == pytest.approx(0.2, rel=2e-3)
    assert correlation_distance(a, a * [3, 0.1] + 7) == pytest.approx(0, abs=1e-12)


def test_the_score_draws_a_fifth_of_each() -> None:
    real = mixed(20_000, 0.8)
    assert correlational_score(real, mixed(20_000, 0.3), 0) == pytest.approx(0.05, rel=0.05)
    assert 0 < correlational_score(real, real, 0) < 0.003
    assert correlational_score(real, real, 0) == correlational_score(real, real, 0)
    assert correlational_score(real, real, 0) != correlational_score(real, real, 1)


def test_a_constant_channel_correlates_with_nothing() -> None:
    x = mixed(50, 0.5)
    x[..., 0] = 4
    assert correlations(x) == pytest.approx(np.diag([0, 1]), abs=3e-3)

"""CRPS against a loop, against the closed form of a normal forecast, and coverage of intervals that are right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from synthgen.errors import DataError
from synthgen.measures.series.crps import coverage, crps, median_error

RNG = np.random.default_rng(0)


def test_against_a_loop() -> None:
    samples, target = RNG.normal(0, 1, (30, 4, 5)), RNG.normal(0, 1, (4, 5))
    mask = RNG.random((4, 5)) < 0.6
    total = 0.0
    for i, j in zip(*np.nonzero(mask), strict=True):
        for level in np.arange(0.05, 0.96, 0.05):
            miss = target[i, j] - np.quantile(samples[:, i, j], level)
            total += 2 * max(level * miss, (level - 1) * miss) / 19
    assert crps(samples, target, mask) == pytest.approx(total / np.abs(target[mask]).sum())


def test_against_the_closed_form_of_a_normal_forecast() -> None:
    """sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi)); the protocol's mean is 20 / 19 of the trapezoid rule."""
    mean, sigma = RNG.normal(5, 1, 40), RNG.uniform(0.5, 2, 40)
    target = RNG.normal(mean, sigma)
    samples = mean + sigma * stats.norm.ppf((np.arange(4000) + 0.5) / 4000)[:, None]
    z = (target - mean) / sigma
    exact = sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    found = crps(samples, target, np.ones(40, dtype=bool)) * np.abs(target).sum()
    assert found == pytest.approx(exact.sum() * 20 / 19, rel=0.01)


def test_many_cells_are_the_sum_of_few() -> None:
    """The array is read in pieces; nothing depends on where they are cut."""
    samples, target = RNG.normal(0, 1, (3, 70_000)), RNG.normal(0, 1, 70_000)
    parts = [slice(0, 1000), slice(1000, None)]
    sums = [
        crps(samples[:, p], target[p], np.ones_like(target[p], dtype=bool)) * np.abs(target[p]).sum() for p in parts
    ]
    assert crps(samples, target, np.ones(70_000, dtype=bool)) == pytest.approx(sum(sums) / np.abs(target).sum())


def test_the_median_and_its_error() -> None:
    samples = np.array([[0.0, 5], [1, 5], [50, 5]])
    assert median_error(samples, np.array([3.0, 5]), np.array([True, True])) == 1
    assert median_error(samples, np.array([3.0, np.nan]), np.array([True, False])) == 2


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_coverage_of_honest_and_of_narrow_intervals(level: float) -> None:
    centre = RNG.normal(0, 3, 4000)
    target, samples = RNG.normal(centre, 1), RNG.normal(centre, 1, (400, 4000))
    everywhere = np.ones(4000, dtype=bool)
    assert coverage(samples, target, everywhere, level) == pytest.approx(level, abs=0.025)
    assert coverage(centre + (samples - centre) / 3, target, everywhere, level) < level - 0.2


def test_what_cannot_be_scored() -> None:
    samples, target, mask = np.ones((3, 2)), np.array([1.0, np.nan]), np.array([True, False])
    assert crps(samples, target, mask) == 0
    with pytest.raises(DataError, match="NaN"):
        crps(samples, target, ~mask)
    with pytest.raises(DataError, match="no cell is scored"):
        crps(samples, target, mask & False)
    with pytest.raises(DataError, match="do not agree"):
        crps(samples, target, np.array([1.0, 0]))
    with pytest.raises(DataError, match="is 0"):
        crps(samples, target * 0, mask)

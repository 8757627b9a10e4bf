"""The evaluator on distributions whose answer is known, and the floor against a simulation."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series.discriminative import discriminative_score, floor, n_test

RNG = np.random.default_rng(0)
NOISE = RNG.random((600, 8, 4), dtype=np.float32)


def test_equal_distributions_score_about_the_floor() -> None:
    other = RNG.random((600, 8, 4), dtype=np.float32)
    scores = [discriminative_score(NOISE, other, seed, iterations=100) for seed in range(3)]
    assert np.mean(scores) < 4 * floor(240)


def test_shifted_noise_is_told_apart() -> None:
    assert discriminative_score(NOISE, NOISE + 1, 0, hidden=16, iterations=200) > 0.45


def test_the_evaluator_reads_the_order_of_steps() -> None:
    """Rising against falling ramps: the values are the same, the order is not."""
    ramps = np.sort(NOISE, axis=1)
    assert discriminative_score(ramps, ramps[:, ::-1], 0, hidden=16, iterations=300) > 0.45


def test_a_stronger_evaluator_sees_more() -> None:
    """Channels that go together against channels that do not: a product, which one unit cannot compute."""
    x = RNG.choice([-1.0, 1.0], (800, 4, 2)).astype(np.float32)
    together = x.copy()
    together[..., 1] = together[..., 0]
    weak = discriminative_score(together, x, 0, iterations=400)
    assert discriminative_score(together, x, 0, hidden=64, iterations=400) > max(weak, 0.4)


def test_more_windows_of_one_kind_are_not_an_advantage() -> None:
    """Always saying "real" would be right five times in six."""
    other = RNG.random((120, 8, 4), dtype=np.float32)
    assert discriminative_score(NOISE, other, 0, iterations=30) < 0.25


def test_equal_seeds_give_equal_scores() -> None:
    other = (NOISE * 0.9)[::-1]
    a, b, c = (discriminative_score(NOISE, other, seed, iterations=60) for seed in (1, 1, 2))
    assert a == b
    assert a != c


@pytest.mark.parametrize(("n", "tests", "wanted"), [(10_000, 4000, 0.0063), (3662, 1466, 0.0104)])
def test_the_published_floors(n: int, tests: int, wanted: float) -> None:
    assert n_test(n, n) == tests
    assert floor(tests) == pytest.approx(wanted, abs=5e-5)


def test_the_floor_is_the_mean_score_of_guessing() -> None:
    scores = np.abs(RNG.binomial(1466, 0.5, 200_000) / 1466 - 0.5)
    assert floor(1466) == pytest.approx(scores.mean(), rel=0.01)

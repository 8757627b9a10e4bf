"""The predictor on series whose next step is known."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series.predictive import predictive_score, seen, wanted

RNG = np.random.default_rng(0)


def followers(n: int) -> np.ndarray:
    """The last channel repeats the first one step later; all values are about 0.2 or 0.8."""
    x = RNG.choice([0.2, 0.8], (n, 8, 16)).astype(np.float32)
    x[:, 1:, -1] = x[:, :-1, 0]
    return x


def test_what_is_learned_from_good_windows_helps_on_real_ones() -> None:
    """A coin nobody can foresee costs 0.3 on average, whatever is said between 0.2 and 0.8."""
    real = followers(300)
    shuffled = real.copy()
    shuffled[..., -1] = RNG.permuted(real[..., -1], axis=0)
    assert predictive_score(real, followers(300), 0, iterations=600) < 0.1
    assert predictive_score(real, shuffled, 0, iterations=600) > 0.25


def test_the_error_is_in_the_units_of_the_last_channel() -> None:
    real, fake = followers(100), followers(100)
    real[..., -1], fake[..., -1] = 0.8, 0.3
    assert predictive_score(real, fake, 0, iterations=300) == pytest.approx(0.5, abs=0.02)


def test_what_is_seen_and_what_is_wanted() -> None:
    import torch

    x = torch.arange(24).reshape(1, 4, 6)
    assert torch.equal(seen(x), x[:, :3, :5])
    assert wanted(x).tolist() == [[11, 17, 23]]
    one = torch.arange(4).reshape(1, 4, 1)
    assert seen(one)[0, :, 0].tolist() == [0, 1, 2]
    assert wanted(one).tolist() == [[1, 2, 3]]


def test_equal_seeds_give_equal_scores() -> None:
    real = followers(50)
    a, b, c = (predictive_score(real, real, seed, iterations=10) for seed in (1, 1, 2))
    assert a == b
    assert a != c

"""Context-FID: order of scores that are known to lie apart, and repeatability."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.measures.series.context_fid import context_fid

RNG = np.random.default_rng(0)


def waves(n: int, noise: float) -> np.ndarray:
    phase = RNG.uniform(0, 2 * np.pi, (n, 1, 2))
    steps = np.arange(12)[None, :, None]
    return (np.sin(steps / 2 + phase) / 2 + 0.5 + RNG.normal(0, noise, (n, 12, 2))).astype(np.float32)


def test_worse_windows_score_more() -> None:
    real = waves(200, 0.02)
    same, good, bad = (context_fid(real, x, 0, iterations=20) for x in (real, waves(200, 0.02), waves(200, 0.3)))
    assert same == pytest.approx(0, abs=1e-4)
    assert good > same
    assert bad > 5 * good


def test_equal_seeds_give_equal_scores() -> None:
    real, fake = waves(40, 0.05), waves(40, 0.1)
    a, b, c = (context_fid(real, fake, seed, iterations=2) for seed in (1, 1, 2))
    assert a == b
    assert a != c

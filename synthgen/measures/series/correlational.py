"""Correlational score: do channels go together in synthetic windows as they do in real ones?"""

from __future__ import annotations

import numpy as np

from synthgen.measures.series.windows import check, stream

DRAWS = 5


def correlational_score(real: np.ndarray, synthetic: np.ndarray, seed: int) -> float:
    """`correlation_distance` of a random fifth of each set, drawn with replacement; 0 is best.

    So real windows against themselves do not score 0: print that number beside it.

    Args:
        real: (N, L, C), N >= 5.
        synthetic: (M, L, C); as many are drawn as of the real ones.
        seed: of the draws.

    Raises:
        DataError: the windows cannot be compared.

    Source: Liao et al. 2020, "Conditional Sig-Wasserstein GANs"; the code of Diffusion-TS
    (`Utils/cross_correlation.py`, and its notebook for the draws).
    """
    check(real, synthetic, least=DRAWS)
    rng = stream(seed, "correlational")
    n = len(real) // DRAWS
    return correlation_distance(real[rng.integers(len(real), size=n)], synthetic[rng.integers(len(synthetic), size=n)])


def correlation_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of |difference| over the lower triangle, with the diagonal, of both correlation matrices, over 10."""
    difference = np.abs(correlations(a) - correlations(b))
    return float(np.tril(difference).sum() / 10)


def correlations(windows: np.ndarray) -> np.ndarray:
    """Correlations (C, C) at lag 0 over all windows (N, L, C) and steps.

    Channels are standardised with the sample deviation, as in the original, which makes the diagonal
    (n - 1) / n; a constant channel correlates with nothing.
    """
    x = windows.reshape(-1, windows.shape[2]).astype(np.float64)
    x = x - x.mean(0)
    deviation = x.std(0, ddof=1)
    x /= np.where(deviation > 0, deviation, 1)
    found: np.ndarray = x.T @ x / len(x)
    return found

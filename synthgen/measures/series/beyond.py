"""What the published scores do not see: margins, dynamics within a window, and copies of the training windows."""

from __future__ import annotations

import numpy as np
from scipy import stats

from synthgen.measures.series.windows import check

SMALLEST_POWER = 1e-12
ROWS = 512


def marginal_ks(real: np.ndarray, synthetic: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distance of the values of each channel, all steps together: float64 (C,), 0 to 1."""
    check(real, synthetic, least=1)
    return np.array(
        [
            stats.ks_2samp(real[:, :, c].ravel(), synthetic[:, :, c].ravel(), method="asymp").statistic
            for c in range(real.shape[2])
        ]
    )


def autocorrelation_difference(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean |difference| of autocorrelations over lags 1 to L/2 (at least 1) and channels, 0 to 2."""
    check(real, synthetic, least=1)
    return float(np.abs(autocorrelations(real) - autocorrelations(synthetic)).mean())


def autocorrelations(windows: np.ndarray) -> np.ndarray:
    """Autocorrelations (lags, C) of windows less their own means, all windows together.

    Products at one lag are averaged over windows and steps, and divided by the mean square. Slow levels are
    left out, for they would make every lag of a drifting series 1; `marginal_ks` sees them. 0 for constants.
    """
    x = windows - windows.mean(1, keepdims=True, dtype=np.float64)
    power = (x * x).mean((0, 1))
    lags = range(1, max(x.shape[1] // 2, 1) + 1)
    products = np.array([(x[:, lag:] * x[:, : x.shape[1] - lag]).mean((0, 1)) for lag in lags if lag < x.shape[1]])
    return products / np.where(power > 0, power, 1)


def spectrum_difference_db(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean |difference| of the logarithmic power spectra over frequencies above 0 and channels, in decibels."""
    check(real, synthetic, least=1)
    return float(np.abs(spectrum_db(real) - spectrum_db(synthetic)).mean())


def spectrum_db(windows: np.ndarray) -> np.ndarray:
    """Power (L // 2, C) of each frequency above 0, the mean over windows, in decibels; -120 dB is the least."""
    power = (np.abs(np.fft.rfft(windows.astype(np.float64), axis=1)[:, 1:]) ** 2).mean(0) / windows.shape[1]
    found: np.ndarray = 10 * np.log10(np.maximum(power, SMALLEST_POWER))
    return found


def nearest_neighbours(
    real: np.ndarray, synthetic: np.ndarray, exclude: int, held_out: np.ndarray | None = None
) -> dict[str, float | None]:
    """Do synthetic windows copy the real ones? Medians of the Euclidean distance to the nearest real window.

    `ratio` is the median of synthetic windows over that of held-out ones or, without those, of real ones to
    other real ones: about 1 is right, well under 1 means copying.

    Args:
        real: (N, L, C), the windows that the generator was trained on, in the order of time.
        synthetic: (M, L, C).
        exclude: real windows i and j with |i - j| < `exclude` are no neighbours. Windows of stride 1 share
            steps up to a distance of L - 1, so L leaves those out; 1 leaves out a window itself.
        held_out: (K, L, C), real windows that the generator has not seen.

    Raises:
        DataError: the windows cannot be compared.
        ValueError: `exclude` is under 1, or leaves some real window without neighbours.
    """
    check(real, synthetic, least=1)
    if held_out is not None:
        check(real, held_out, least=1)
    if not 1 <= exclude <= len(real) // 2:
        raise ValueError(f"exclude must be from 1 to half of the {len(real)} real windows, got {exclude}")
    found: dict[str, float | None] = {
        "synthetic_to_train": float(np.median(nearest_distances(synthetic, real))),
        "train_to_train": float(np.median(nearest_distances(real, real, exclude))),
        "held_out_to_train": None if held_out is None else float(np.median(nearest_distances(held_out, real))),
    }
    usual = found["held_out_to_train"] if held_out is not None else found["train_to_train"]
    found["ratio"] = found["synthetic_to_train"] / usual if usual else None  # type: ignore[operator]
    return found


def nearest_distances(of: np.ndarray, to: np.ndarray, exclude: int = 0) -> np.ndarray:
    """Euclidean distance, float64 (M,), of each window of `of` (M, L, C) to the nearest of `to` (N, L, C).

    Pairs of rows with |i - j| < `exclude` are skipped. Memory is a few hundred rows of N distances.
    """
    centre = to.reshape(len(to), -1).mean(0, dtype=np.float64)
    a, b = (x.reshape(len(x), -1) - centre for x in (of, to))
    square = (b * b).sum(1)
    found = np.empty(len(a))
    for start in range(0, len(a), ROWS):
        rows = a[start : start + ROWS]
        apart = square - 2 * rows @ b.T
        if exclude:
            lag = np.arange(start, start + len(rows))[:, None] - np.arange(len(b))
            apart[np.abs(lag) < exclude] = np.inf
        found[start : start + ROWS] = np.linalg.norm(rows - b[apart.argmin(1)], axis=1)
    return found

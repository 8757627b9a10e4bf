"""Probabilistic imputation and forecasts: CRPS by quantiles, error of the median, coverage of intervals."""

from __future__ import annotations

import numpy as np

from synthgen.errors import DataError

LEVELS = np.arange(1, 20) / 20
CELLS = 65_536


def crps(samples: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """Mean over the quantiles .05, .10 to .95 of 2 x pinball loss, summed over cells, over the sum of |target|.

    It is dimensionless, 0 at best, and depends on the zero of the units: published values are of
    z-scored data with 100 samples a cell. Times the sum of |target| over the number of cells it is 20/19
    of the trapezoid rule for the CRPS, for the mean is over 19 levels.

    Args:
        samples: (S, ...), S draws of every cell; quantiles are interpolated linearly.
        target: (...), the true values; anything, NaN too, where `mask` is false.
        mask: (...), bool, true for the cells that are scored: hidden from the model and really observed.

    Raises:
        DataError: shapes do not agree, no cell is scored, a scored value is not finite, or all of `target` is 0.

    Source: Tashiro et al. 2021, "CSDI", appendix B (eq. 13 on), and its code (`calc_quantile_CRPS`).
    """
    scale = np.abs(scored(samples, target, mask)[1]).sum()
    if scale == 0:
        raise DataError("every scored value is 0; this CRPS is relative to their sum")
    return mean_crps(samples, target, mask) * int(mask.sum()) / float(scale)


def mean_crps(samples: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """The mean of `crps` over the scored cells, in their units; of one sample it is its mean absolute error.

    Arguments and errors as for `crps`, but `target` may be 0.
    """
    draws, true = scored(samples, target, mask)
    total = 0.0
    for start in range(0, len(true), CELLS):
        y = true[start : start + CELLS]
        for level, q in zip(LEVELS, np.quantile(draws[:, start : start + CELLS], LEVELS, axis=0), strict=True):
            total += 2 * ((q - y) * ((y <= q) - level)).sum()
    return float(total / len(true) / len(LEVELS))


def median_error(samples: np.ndarray, target: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute error of the median of the samples over the scored cells; arguments and errors as for `crps`."""
    draws, true = scored(samples, target, mask)
    return float(np.abs(np.median(draws, axis=0) - true).mean())


def coverage(samples: np.ndarray, target: np.ndarray, mask: np.ndarray, level: float) -> float:
    """Share of scored cells inside the central interval of `level`, such as 0.5 or 0.9, which it should equal.

    The interval lies between the samples' quantiles (1 - level) / 2 and (1 + level) / 2; the rest as for `crps`.
    """
    draws, true = scored(samples, target, mask)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return float(((low <= true) & (true <= high)).mean())


def calibrated_coverage(n_samples: int, level: float) -> float:
    """What `coverage` is about if the true value is one more sample of the same distribution.

    It tends to `level` from below, for an interval between the quantiles of few samples is too narrow: of 20 samples
    it is 0.81 at a level of 0.9.

    Source: quantile p, interpolated linearly, lies at p (n - 1) among n ordered samples from 0 on, and the share of
    the distribution below sample k is (k + 1) / (n + 1) on average.
    """
    return level * (n_samples - 1) / (n_samples + 1)


def scored(samples: np.ndarray, target: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scored cells alone, float64: draws (S, M) and true values (M,)."""
    if samples.shape[1:] != target.shape or mask.shape != target.shape or mask.dtype != np.bool_:
        raise DataError(
            f"samples {samples.shape}, target {target.shape} and mask {mask.shape} of {mask.dtype} do not agree; "
            "(S, ...), (...) and a bool (...) are scored"
        )
    draws, true = samples[:, mask].astype(np.float64), target[mask].astype(np.float64)
    if not true.size or not len(draws):
        raise DataError("no cell is scored: the mask is empty or there are no samples")
    if not (np.isfinite(draws).all() and np.isfinite(true).all()):
        raise DataError("a scored cell is NaN or infinite; score only cells that were really observed")
    return draws, true

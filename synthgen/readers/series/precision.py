"""How many digits a column of numbers needs: float32 where that is enough, else float64."""

from __future__ import annotations

import numpy as np

N_DECIMALS = 4
"""Numbers written with so many decimals, or fewer, keep them."""

COARSEST = 1e-3
"""Of a column's standard deviation: a coarser step of float32 would be seen in its values."""


def narrowed(values: np.ndarray) -> np.ndarray:
    """Numbers (N,) float64, NaN where missing, as float32 if that is fine enough for them, else as they are.

    float32 has 24 binary digits: around 5.8 million its numbers are 0.5 apart. That is too coarse for a column whose
    values are decimals that it cannot tell apart, or whose standard deviation is less than a thousand such steps.
    """
    found = values.astype(np.float32)
    known = values[~np.isnan(values)]
    if not len(known) or np.array_equal(found, values, equal_nan=True):
        return found
    largest = float(np.abs(known).max())
    step = float(np.spacing(np.float32(largest)))
    if step <= COARSEST * float(known.std()) and step <= _decimal_step(known, largest):
        return found
    return values if len(np.unique(known)) > 1 else found


def _decimal_step(known: np.ndarray, largest: float) -> float:
    """0.01 for numbers with two decimals; infinite for those with more than `N_DECIMALS`, which are no decimals."""
    for n in range(N_DECIMALS + 1):
        scaled = known * 10.0**n
        if np.abs(scaled - scaled.round()).max() <= 4 * np.spacing(largest * 10.0**n):
            return float(10.0**-n)
    return float("inf")

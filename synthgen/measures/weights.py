"""How much each sample of a dataset counts, by the number that it may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.dataset.loading import Dataset
from synthgen.errors import DataError
from synthgen.fields import Number

WEIGHT = "weight"
"""The field; networks are trained with it where a dataset has it."""


def weights_of(dataset: Dataset, samples: Sequence[Mapping[str, Any]]) -> np.ndarray | None:
    """Weights float64 (N,) of the samples of a dataset; None if it has no such field.

    Raises:
        DataError: one is negative, or all are 0.
    """
    if not isinstance(dataset.fields.get(WEIGHT), Number):
        return None
    weights = np.array([sample[WEIGHT] for sample in samples], dtype=np.float64)
    if weights.min(initial=0) < 0 or not weights.any():
        raise DataError(
            f"the field `{WEIGHT}` must be 0 or more, and above 0 somewhere; {weights.min(initial=0):g} is the least"
        )
    return weights


def joined(*sets: tuple[np.ndarray | None, int]) -> np.ndarray | None:
    """Weights of several sets, each with its number of samples, one after the other; 1 where a set has none."""
    if all(weights is None for weights, _ in sets):
        return None
    return np.concatenate([np.ones(n) if weights is None else weights for weights, n in sets])

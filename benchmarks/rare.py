"""How well rankings find the cases of a rare kind, with intervals: for the benchmarks of usefulness."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score


def precision_intervals(found: dict[str, np.ndarray], is_rare: np.ndarray, n: int = 2000) -> dict[str, Any]:
    """Average precision in percent with 95 % bootstrap intervals, and intervals of the differences to `real`.

    Args:
        found: rankings by name, one of them called `real`, float (N,): how likely each case is of the rare kind.
        is_rare: bool (N,); n: draws of N cases.
    """
    random = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(n):
        rows = random.integers(0, len(is_rare), len(is_rare))
        for name, scores in found.items():
            drawn[name].append(100 * average_precision_score(is_rare[rows], scores[rows]))
    result = {}
    for name, scores in found.items():
        gain = np.subtract(drawn[name], drawn["real"])
        result[name] = {
            "average precision": round(100 * float(average_precision_score(is_rare, scores)), 1),
            "interval": np.percentile(drawn[name], [2.5, 97.5]).round(1).tolist(),
            "minus real": np.percentile(gain, [2.5, 97.5]).round(1).tolist(),
        }
    return result

"""Copies: which texts, and how long parts of them, stand word for word among other texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.language.longest_run import LongestRun
from synthgen.readers.texts.sameness import same

LONGEST_OWN = 8
"""Words that a text may share with another one in a row before it counts as a near copy."""


def measure(texts: Sequence[str], training: Sequence[str]) -> dict[str, Any]:
    """How much of `texts` is copied from `training`; both hold one text or more.

    `exact` and `near` are shares of the texts, 0 to 1: those that are equal to a training text apart from capitals and
    blanks, and those that share more than `LONGEST_OWN` words in a row with one. `longest_run_mean` and
    `longest_run_max` are of the words that each text shares in a row; `duplicates` is the share of texts that are
    equal to one before them in the set.
    """
    known, keys = {same(text) for text in training}, [same(text) for text in texts]
    runs = longest_copied_runs(texts, training)
    return {
        "n": len(texts),
        "exact": sum(key in known for key in keys) / len(keys),
        "near": float((runs > LONGEST_OWN).mean()),
        "longest_run_mean": float(runs.mean()),
        "longest_run_max": int(runs.max()),
        "duplicates": (len(keys) - len(set(keys))) / len(keys),
    }


def longest_copied_runs(texts: Sequence[str], training: Sequence[str]) -> np.ndarray:
    """Of each of N texts the most words that it shares in a row with one text of `training`, int64 (N,)."""
    index = LongestRun(training)
    return np.array([index.length(text) for text in texts], dtype=np.int64)

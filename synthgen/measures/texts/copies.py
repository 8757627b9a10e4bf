"""Copies: which texts, and how long parts of them, stand word for word among other texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.measures.texts.words import words_of
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
    """Of each of N texts the most words that it shares in a row with one text of `training`, int64 (N,).

    Words are compared without capitals and signs. The suffixes of all texts are sorted; what a suffix shares with any
    training text, it shares with the nearest training suffix before or behind it. Memory is a few dozen bytes a word
    and doubling of the longest text.

    Source: Manber and Myers 1993, "Suffix arrays", sections 2 and 3.
    """
    if not texts:
        return np.zeros(0, dtype=np.int64)
    ids: dict[str, int] = {}
    numbered = [[ids.setdefault(word, len(ids)) for word in words_of(text)] for text in (*training, *texts)]
    lengths = np.array([len(row) for row in numbered])
    ends = np.cumsum(lengths + 1) - 1
    flat = np.empty(int(ends[-1]) + 1, dtype=np.int64)
    of = np.repeat(np.arange(len(numbered)), lengths + 1)
    flat[np.arange(len(flat))] = 0
    flat[ends] = len(ids) + np.arange(len(numbered))  # every end is unlike all others, so that no run goes over it
    inside = np.ones(len(flat), dtype=bool)
    inside[ends] = False
    flat[inside] = np.fromiter((word for row in numbered for word in row), dtype=np.int64, count=int(lengths.sum()))
    levels = _ranks(flat, int(lengths.max()))
    order = np.argsort(levels[-1], kind="stable")
    is_training = of[order] < len(training)
    places = np.arange(len(order))
    before = np.maximum.accumulate(np.where(is_training, places, -1))
    behind = np.minimum.accumulate(np.where(is_training, places, len(order))[::-1])[::-1]
    found = np.zeros(len(numbered), dtype=np.int64)
    for near in (before, behind):
        rows = ~is_training & (near >= 0) & (near < len(order))
        own = order[rows]
        np.maximum.at(found, of[own], _shared(own, order[near[rows]], levels))
    return found[len(training) :]


def _ranks(flat: np.ndarray, longest: int) -> list[np.ndarray]:
    """Ranks of the runs of 1, 2, 4, ... words from each place on: equal ones have equal ranks, and ranks sort them."""
    levels = [np.unique(flat, return_inverse=True)[1].astype(np.int64)]
    while 2 ** (len(levels) - 1) <= longest:
        rank, step = levels[-1], 2 ** (len(levels) - 1)
        after = np.concatenate([rank[step:] + 1, np.zeros(min(step, len(rank)), dtype=np.int64)])
        levels.append(np.unique(rank * (len(rank) + 1) + after, return_inverse=True)[1].astype(np.int64))
    return levels


def _shared(a: np.ndarray, b: np.ndarray, levels: Sequence[np.ndarray]) -> np.ndarray:
    """How many words are equal from the places `a` and `b` on."""
    shared = np.zeros(len(a), dtype=np.int64)
    for level in range(len(levels) - 1, -1, -1):
        shared += (levels[level][a + shared] == levels[level][b + shared]) * 2**level
    return shared

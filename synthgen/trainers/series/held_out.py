"""What cross-validation holds out of labelled steps: whole entities, stretches far apart, or parts next to each other.

Shapes: N windows of L steps, R rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from synthgen.readers.series.reader import Windows

STRETCHES = 20
"""Parts in time that the labelled rows of few entities are divided into, about so many."""

LONG, ENOUGH = 4, 6
"""Windows' lengths that parts have at least if windows that lie in two of them are not to be many; of fewer such parts
cross-validation would learn from too little."""

LEAST = 100
"""Steps of a class that are chosen before others are, of very many."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts that are held out as a whole.

    Attributes:
        groups: int64 (N, L), the part of each step.
        inside: bool (N, L), labelled steps that take part in cross-validation.
        apart: whether no window has steps of two parts, so that what is around a step held out was not learned from.
    """

    groups: np.ndarray
    inside: np.ndarray
    apart: bool

    def lacking(self, labels: np.ndarray, n_classes: int) -> dict[int, int]:
        """In how many parts each class is that is in fewer than two; labels (N, L) count from 1 on."""
        counts = {k: len(np.unique(self.groups[self.inside & (labels == k)])) for k in range(1, n_classes + 1)}
        return {k: n for k, n in counts.items() if n < 2}


def parts_of(windows: Windows) -> Parts:
    """The first of these in which each class is in two parts; if there is none, the last.

    Entities; stretches of labelled rows with a window's length between them; long parts of many labelled rows, without
    windows that lie in two of them; short parts, next to each other; stretches of one class. Scores of the last two
    flatter: what comes next to each other is more alike than what is still to come.
    """
    labels, n_classes = windows.step_labels, len(windows.step_classes)
    found: Parts | None = None
    for of_rows, apart in _candidates(windows):
        groups, known = of_rows[windows.places], labels > 0
        if apart:
            first = np.where(known, groups, np.iinfo(np.int64).max).min(1)
            known &= (first == np.where(known, groups, -1).max(1))[:, None]
        found = Parts(groups, known, apart)
        if not found.lacking(labels, n_classes):
            break
    assert found is not None
    return found


def _candidates(windows: Windows) -> Iterator[tuple[np.ndarray, bool]]:
    """The part of each row, int64 (R,), and whether windows that lie in two parts are left out."""
    assert windows.row_step_labels is not None
    labels, n = windows.row_step_labels, windows.length
    known = labels > 0
    begins = np.zeros(len(labels), dtype=bool)
    begins[np.unique(windows.first - windows.starts)] = True
    entities = np.cumsum(begins)
    yield entities, True
    places = np.flatnonzero(known)
    gaps = np.diff(places, prepend=places[:1])
    size = -(-len(places) // STRETCHES)
    kinds = [(n - 1, len(labels), True), (1, max(LONG * n, size), True), (1, max(n // 2, size, 1), False)]
    if len(places) < ENOUGH * LONG * n:
        del kinds[1]
    for least, size, apart in kinds:
        starts = np.zeros(len(labels), dtype=bool)
        starts[places[gaps > least]] = True
        stretches = np.cumsum(starts | begins)
        rank = np.cumsum(known) - 1
        first = np.full(int(stretches.max()) + 1, len(labels))
        np.minimum.at(first, stretches[known], rank[known])
        within = np.maximum(rank - first[stretches], 0) // size
        yield stretches * (len(labels) + 1) + within, apart
    yield np.cumsum(begins | (np.diff(labels, prepend=labels[:1]) != 0)), False


def chosen(labels: np.ndarray, groups: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Which of M labelled steps are learned from, ascending: all, or `most` of them.

    At random, but `LEAST` of each class before any others, and these of as many parts as there are.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    in_part = _ranks(order, labels, groups)
    in_class = _ranks(order, labels, priority=in_part)
    return np.sort(np.lexsort((order, np.minimum(in_class, LEAST)))[:most])


def _ranks(order: np.ndarray, *keys: np.ndarray, priority: np.ndarray | None = None) -> np.ndarray:
    """The place of each of M entries among those with equal keys, by `priority` and then by `order`."""
    by = np.lexsort((order, *((priority,) if priority is not None else ()), *keys))
    changes = np.zeros(len(order), dtype=bool)
    changes[0] = True
    for key in keys:
        changes[1:] |= np.diff(key[by]) != 0
    first = np.maximum.accumulate(np.where(changes, np.arange(len(order)), 0))
    found = np.empty(len(order), dtype=np.int64)
    found[by] = np.arange(len(order)) - first
    return found

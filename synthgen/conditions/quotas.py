"""Quotas: which class each slot shows, with exact counts a class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from synthgen.errors import DataError

MAX_CYCLE = 10_000_000


class Quotas:
    """Classes in a cycle that repeats for ever, so that every prefix has each class to within a few of its share.

    The quotas are counts when the dataset has their sum as its size, and proportions at any
    other size; whole multiples of them are met exactly.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self.names = tuple(counts)
        divisor = math.gcd(*counts.values())
        self.proportions = [count // divisor for count in counts.values()]
        self.total = sum(counts.values())
        if sum(self.proportions) > MAX_CYCLE:
            raise DataError(
                f"quotas add up to {self.total:,} with the greatest common divisor {divisor:,}, so that no pattern "
                f"of at most {MAX_CYCLE:,} slots has these proportions; round them, to thousands for instance"
            )

    def at(self, index: int) -> int:
        """The class id of slot `index`."""
        return int(self._cycle[index % len(self._cycle)])

    def counts(self, n: int) -> list[int]:
        """How many of the first `n` slots have each class."""
        turns, place = divmod(n, len(self._cycle))
        rest = np.bincount(self._cycle[:place], minlength=len(self.names))
        return [turns * proportion + int(more) for proportion, more in zip(self.proportions, rest, strict=True)]

    def rank(self, index: int) -> int:
        """How many slots before `index` have its class: the slots of each class are numbered 0, 1, 2 ..."""
        turns, place = divmod(index, len(self._cycle))
        cls = int(self._cycle[place])
        return turns * self.proportions[cls] + int((self._cycle[:place] == cls).sum())

    @cached_property
    def _cycle(self) -> np.ndarray:
        """Class ids of one cycle: the k-th of a class's n slots stands at (k + 1/2) / n of the way."""
        places = np.concatenate([(np.arange(n) + 0.5) / n for n in self.proportions])
        ids = np.repeat(np.arange(len(self.proportions), dtype=np.int32), self.proportions)
        return ids[np.argsort(places, kind="stable")]

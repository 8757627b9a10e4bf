"""Which split each slot goes to: shares that are exact overall and in every class, and that growing does not move."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from synthgen import seeds

VERSION = 2
"""Part of a dataset's identity: raise it when slots go to other splits."""

BLOCK = 1000
"""Slots that are divided together. Shares in tenths of a per cent come out whole, so blocks add no error overall."""

Group = tuple[Hashable, str | None]
"""The class of a slot, None if there are no classes, and its family, None for a slot that is alone."""


class Splits:
    """The split of every slot, a function of the seed, the shares, and the classes and families of slots.

    Slots without a family are divided in blocks of 1,000. In the first block, every beginning of the dataset
    has its share of each split to within one sample if there are two splits, and to within two if there are more; so
    has every class; and where all shares are whole numbers, they are met exactly. Blocks that follow add nothing to
    that overall, and at most as much again to a class.

    A family goes as a whole to one split, the one that lacks most samples when the family first appears, in its class
    and overall together. Shares are then as near as the sizes of families allow.
    """

    def __init__(self, seed: int, shares: Mapping[str, float], group: Callable[[int], Group]) -> None:
        self._seed, self._group = seed, group
        self._shares = {name: Fraction(str(shares[name])) for name in sorted(shares)}
        self._families = _Families(self._shares)
        self._block = lru_cache(maxsize=4)(self._divided)

    def of(self, index: int) -> str:
        """The split of slot `index`."""
        if len(self._shares) == 1:
            return next(iter(self._shares))
        _, family = self._group(index)
        if family is None:
            return self._block(index // BLOCK)[index % BLOCK]
        while family not in self._families.split_of:
            self._families.add(*self._group(self._families.n_slots))
        return self._families.split_of[family]

    def _divided(self, number: int) -> list[str]:
        """The splits of a block: one after the other takes its share of what is left, the largest takes the rest."""
        *smaller, largest = sorted(self._shares, key=lambda name: (self._shares[name], name))
        start = number * BLOCK
        strata = [self._group(index)[0] for index in range(start, start + BLOCK)]
        splits, left = [largest] * BLOCK, list(range(BLOCK))
        for name in smaller:
            share = self._shares[name]
            n = math.floor((start + BLOCK) * share + Fraction(1, 2)) - math.floor(start * share + Fraction(1, 2))
            chosen = choose([strata[i] for i in left], n, seeds.seed_of(self._seed, f"split:{name}", number))
            for place in chosen:
                splits[left[place]] = name
            left = [i for place, i in enumerate(left) if place not in chosen]
        return splits


class _Families:
    """Families by split, in the order in which they first appear; every slot of theirs counts."""

    def __init__(self, shares: Mapping[str, Fraction]) -> None:
        self.n_slots = 0
        self.split_of: dict[str, str] = {}
        self._shares = {name: float(share) for name, share in shares.items()}
        self._overall: Counter[str] = Counter()
        self._classes: dict[Hashable, Counter[str]] = {}

    def add(self, stratum: Hashable, family: str | None) -> None:
        """Takes notice of the next slot."""
        self.n_slots += 1
        if family is None:
            return
        of_class = self._classes.setdefault(stratum, Counter())
        if family not in self.split_of:
            self.split_of[family] = max(
                self._shares, key=lambda name: round(self._lack(of_class, name) + self._lack(self._overall, name), 9)
            )
        of_class[self.split_of[family]] += 1
        self._overall[self.split_of[family]] += 1

    def _lack(self, counts: Counter[str], name: str) -> float:
        return (counts.total() + 1) * self._shares[name] - counts[name]


def choose(strata: Sequence[Hashable], n: int, seed: int) -> set[int]:
    """Places of `n` of the elements, such that beginnings of the sequence, and of each stratum, have their share.

    With the share p = n / len(strata), the first m elements, overall or of one stratum, have m p chosen ones, rounded
    up or down. Which is left to chance.

    The j-th chosen element must lie where the cumulative share passes from j to j + 1, overall and in its stratum: each
    such interval is a node on its side of a graph, each element an edge of capacity one between the sides. A flow
    that fills every interval exists, because every element carrying p is one, and networks of whole capacities have
    whole flows. It is found by augmenting paths. (With the rounding of matrices of Bacharach 1966 as its special case.)
    """
    if not n:
        return set()
    share, random = Fraction(n, len(strata)), seeds.generator(seed)
    ranks: Counter[Hashable] = Counter()
    units: dict[tuple[Hashable, int], list[int]] = {}
    passes: list[range] = []
    for place, stratum in enumerate(strata):
        for unit in _passed(ranks[stratum], share):
            units.setdefault((stratum, unit), []).append(place)
        passes.append(_passed(place, share))
        ranks[stratum] += 1
    # An interval that its stratum does not pass to the end may stay empty; the fuller, the sooner it is filled.
    part = {key: min(Fraction(1), ranks[key[0]] * share - key[1]) for key in units}
    order = {key: (part[key] < 1, -(float(random.random()) ** float(1 / part[key]))) for key in units}
    flow = _Flow(passes)
    for key in sorted(units, key=order.__getitem__):
        flow.fill([units[key][i] for i in random.permutation(len(units[key]))])
    return flow.chosen


def _passed(rank: int, share: Fraction) -> range:
    """The whole numbers in whose interval a cumulative share is while it passes element `rank`."""
    return range(math.floor(rank * share), math.ceil((rank + 1) * share))


class _Flow:
    """A flow of whole units from intervals of strata through elements to intervals of the whole sequence."""

    def __init__(self, passes: Sequence[range]) -> None:
        self._passes = passes
        self._elements: list[list[int]] = []  # by stratum unit
        self._unit: dict[int, int] = {}  # element -> stratum unit whose flow it carries
        self._time: dict[int, int] = {}  # element -> interval that its flow ends in
        self._filled: dict[int, int] = {}  # interval -> element

    @property
    def chosen(self) -> set[int]:
        return set(self._time)

    def fill(self, elements: list[int]) -> None:
        """Adds a stratum's unit that one of `elements` is to carry, unless there is no way."""
        self._elements.append(elements)
        unit = len(self._elements) - 1
        before: dict[tuple[str, int], tuple[str, int] | None] = {("unit", unit): None}
        queue = deque(before)
        while queue:
            node = queue.popleft()
            if node[0] == "time" and node[1] not in self._filled:
                return self._turn(node, before)
            for step in self._steps(*node):
                if step not in before:
                    before[step] = node
                    queue.append(step)
        self._elements[unit] = []

    def _steps(self, kind: str, number: int) -> list[tuple[str, int]]:
        """Where flow could go on to from a node, or be taken back from."""
        if kind == "unit":
            return [("in", i) for i in self._elements[number] if self._unit.get(i) != number]
        if kind == "in":  # an element that carries flow can be entered only to take the place of what enters it
            return [("unit", self._unit[number])] if number in self._time else [("out", number)]
        if kind == "out":
            ways = [("time", t) for t in self._passes[number] if self._time.get(number) != t]
            return [*ways, ("in", number)] if number in self._time else ways
        return [("out", self._filled[number])]

    def _turn(self, node: tuple[str, int], before: Mapping[tuple[str, int], tuple[str, int] | None]) -> None:
        """Follows a path back from its end and moves the flow onto it."""
        path = [node]
        while (previous := before[path[-1]]) is not None:
            path.append(previous)
        steps = list(zip(path[::-1], path[::-1][1:], strict=False))
        for (kind, a), (_, b) in steps:  # what is taken back
            if kind == "in" and self._unit.get(a) == b:
                del self._unit[a]
            elif kind == "time":
                del self._time[b], self._filled[a]
        for (kind, a), (to, b) in steps:
            if kind == "unit":
                self._unit[b] = a
            elif kind == "out" and to == "time":
                self._time[a], self._filled[b] = b, a

"""Axes: named things that vary from sample to sample, each value as often as asked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.base.settings import FieldName, Settings
from synthgen.conditions.quotas import Quotas
from synthgen.fields import Label
from synthgen.parts.registry import unknown

MAX_GRID = 100_000
Weight = Annotated[int, Setting(ge=1, le=1000)]
AxisValues = dict[FieldName, list[str] | dict[str, Weight]]
Combine = Literal["grid", "balanced"]


class Quota(Settings):
    """So many samples of the combinations that have these values."""

    when: dict[str, str] = Setting(default={}, description="Axes with the value that they must have; the others vary.")
    samples: int = Setting(ge=1, description="How many samples; proportions if the dataset has another size.")


def check(axes: AxisValues, combine: str, quotas: Sequence[Quota], taken: Sequence[str]) -> None:
    """Raises ValueError unless axes have values, each once, no name that is `taken`, and quotas that fit them."""
    for name, values in axes.items():
        if name in taken:
            raise ValueError(f"an axis cannot be called `{name}`, which is the name of a field")
        if not values or len(set(values)) < len(values):
            raise ValueError(f"axis `{name}` needs values, each once")
    for quota in quotas:
        for name, value in quota.when.items():
            if name not in axes:
                raise ValueError(f"`quotas`: {unknown(name, axes, 'axis')}")
            if value not in axes[name]:
                raise ValueError(f"`quotas`: {unknown(value, axes[name], f'value of `{name}`')}")
    if combine == "grid" and math.prod(sum(_weights(values)) for values in axes.values()) > MAX_GRID:
        raise ValueError(f"`combine: grid` of over {MAX_GRID} combinations; take `combine: balanced`")


class Axes:
    """Which value each axis has in which sample.

    `grid` takes every combination in turn, weights multiplied. `balanced` draws each axis on its
    own, from a deck that holds every value as often as its weight and is shuffled again when it is
    used up: every value comes as often as asked, however many combinations there are.

    Attributes:
        samples: how many samples the quotas, or one full grid, have; None if axes are shuffled.
        fields: a Label an axis.
    """

    def __init__(
        self, axes: AxisValues, combine: str = "balanced", quotas: Sequence[Quota] = (), seed: int = 0
    ) -> None:
        some = quotas or [Quota(samples=1)]
        self._quotas = Quotas({str(i): quota.samples for i, quota in enumerate(some)})
        self._groups = [_Group(axes, combine, quota.when, i, seed) for i, quota in enumerate(some)]
        self.samples = self._quotas.total if quotas else self._groups[0].size
        self.fields: Mapping[str, Label] = {name: Label(tuple(values)) for name, values in axes.items()}

    def at(self, index: int) -> dict[str, int]:
        """The value of each axis in sample `index`, as its place in the axis."""
        return self._groups[self._quotas.at(index)].at(self._quotas.rank(index))

    def names(self, ids: Mapping[str, int]) -> dict[str, str]:
        """The values at these places."""
        return {name: self.fields[name].classes[place] for name, place in ids.items()}


class _Group:
    """The combinations of one quota, numbered; `size` is how many a full grid has, None where it is shuffled."""

    def __init__(self, axes: AxisValues, combine: str, when: Mapping[str, str], number: int, seed: int) -> None:
        self._seed, self._number = seed, number
        self._decks: dict[str, np.ndarray] = {}
        for name, values in axes.items():
            weights = _weights(values)
            if name in when:
                weights = [int(value == when[name]) for value in values]
            divisor = math.gcd(*weights)
            self._decks[name] = np.repeat(np.arange(len(weights)), [weight // divisor for weight in weights])
        self._grid: list[tuple[int, ...]] | None = None
        if combine == "grid":
            self._grid = [tuple(int(i) for i in row) for row in itertools.product(*self._decks.values())]
        self.size = len(self._grid) if self._grid else None

    def at(self, rank: int) -> dict[str, int]:
        """Which value each axis has in this group's sample `rank`."""
        if self._grid is not None:
            turn, place = divmod(rank, len(self._grid))
            row = self._grid[shuffled(self._seed, f"{self._number}", turn, len(self._grid))[place]]
            return dict(zip(self._decks, row, strict=True))
        ids = {}
        for name, deck in self._decks.items():
            turn, place = divmod(rank, len(deck))
            ids[name] = int(deck[shuffled(self._seed, f"{self._number}:{name}", turn, len(deck))[place]])
        return ids


@lru_cache(maxsize=64)
def shuffled(seed: int, name: str, turn: int, n: int) -> np.ndarray:
    """0 to n - 1 in the order of one turn of a deck."""
    return seeds.generator(seeds.seed_of(seed, f"prompts:{name}", turn)).permutation(n)


def _weights(values: Any) -> list[int]:
    return list(values.values()) if isinstance(values, dict) else [1] * len(values)

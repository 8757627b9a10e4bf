"""`use: prompts`: a sentence with named gaps (axes), filled with values so often as asked."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, field_validator, model_validator
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.conditions.quotas import Quotas
from synthgen.fields import Field, Label, Text
from synthgen.plugins import unknown
from synthgen.protocols import Source

MAX_GRID = 100_000
Weight = Annotated[int, Setting(ge=1, le=1000)]


class Quota(BaseModel):
    """So many samples of the combinations that have these values."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    when: dict[str, str] = Setting(default={}, description="Axes with the value that they must have; the others vary.")
    samples: int = Setting(ge=1, description="How many samples; proportions if the dataset has another size.")


class Prompts:
    """Sentences made from a template; each axis is a field of its own, so that every sample says what it shows.

    `grid` takes every combination in turn, weights multiplied. `balanced` draws each axis on its
    own, from a deck that holds every value as often as its weight and is shuffled anew when it is
    used up: every value comes as often as asked, however many combinations there are.
    """

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """Settings of `use: prompts`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        template: str = Setting(description='The sentence, axes in braces: "a photo of a {animal} {place}".')
        axes: dict[Annotated[str, Setting(pattern=r"^[a-z][a-z0-9_]*$")], list[str] | dict[str, Weight]] = Setting(
            min_length=1, description="Values of each axis: a list, or values with whole weights."
        )
        label: str | None = Setting(default=None, description="The axis that is the class, `label`, of a sample.")
        combine: Literal["grid", "balanced"] = Setting(
            default="balanced", description="Every combination in turn, or each axis shuffled on its own."
        )
        quotas: list[Quota] = Setting(
            default=[], description="Exact counts of combinations, rare ones for instance; by default all alike."
        )
        seed: int = Setting(default=0, description="How the values are shuffled.")

        @field_validator("axes")
        @classmethod
        def _values(cls, axes: dict[str, Any]) -> dict[str, Any]:
            for name, values in axes.items():
                if name in ("label", "prompt"):
                    raise ValueError(f"an axis cannot be called `{name}`, which is the name of a field")
                if not values or len(set(values)) < len(values):
                    raise ValueError(f"axis `{name}` needs values, each once")
            return axes

        @model_validator(mode="after")
        def _consistent(self) -> Prompts.Config:
            try:
                gaps = {name for _, name, _, _ in string.Formatter().parse(self.template) if name is not None}
            except ValueError as error:
                raise ValueError(f"`template` cannot be read: {error}; write {{{{ for a brace") from None
            for name in sorted(gaps - set(self.axes)):
                raise ValueError(f"`template`: {unknown(name, self.axes, 'axis')}")
            for name in sorted(set(self.axes) - gaps):
                raise ValueError(f"axis `{name}` is not in the template; write {{{name}}} where it belongs")
            if self.label is not None and self.label not in self.axes:
                raise ValueError(f"`label`: {unknown(self.label, self.axes, 'axis')}")
            for quota in self.quotas:
                for name, value in quota.when.items():
                    if name not in self.axes:
                        raise ValueError(f"`quotas`: {unknown(name, self.axes, 'axis')}")
                    if value not in self.axes[name]:
                        raise ValueError(f"`quotas`: {unknown(value, self.axes[name], f'value of `{name}`')}")
            if self.combine == "grid" and math.prod(sum(_weights(v)) for v in self.axes.values()) > MAX_GRID:
                raise ValueError(f"`combine: grid` of over {MAX_GRID} combinations; take `combine: balanced`")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self.axes = {name: tuple(values) for name, values in config.axes.items()}
        quotas = config.quotas or [Quota(samples=1)]
        self._quotas = Quotas({str(i): quota.samples for i, quota in enumerate(quotas)})
        self._groups = [_Group(config, quota.when, i) for i, quota in enumerate(quotas)]
        self.samples = self._quotas.total if config.quotas else self._groups[0].size
        fields: dict[str, Field] = {"label": Label(self.axes[config.label])} if config.label else {}
        fields |= {"prompt": Text(), **{name: Label(values) for name, values in self.axes.items()}}
        self.fields: Mapping[str, Field] = fields

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        group = self._groups[self._quotas.at(index)]
        ids = group.at(self._quotas.rank(index))
        chosen = {name: values[ids[name]] for name, values in self.axes.items()}
        label = {"label": ids[self.config.label]} if self.config.label else {}
        return {**label, "prompt": self.config.template.format(**chosen), **ids}, None


class _Group:
    """The combinations of one quota, numbered; `size` is how many a full grid has, None where it is shuffled."""

    def __init__(self, config: Prompts.Config, when: Mapping[str, str], number: int) -> None:
        self._seed, self._number = config.seed, number
        self._decks: dict[str, np.ndarray] = {}
        for name, values in config.axes.items():
            weights = _weights(values)
            if name in when:
                weights = [int(value == when[name]) for value in values]
            divisor = math.gcd(*weights)
            self._decks[name] = np.repeat(np.arange(len(weights)), [weight // divisor for weight in weights])
        self._grid: list[tuple[int, ...]] | None = None
        if config.combine == "grid":
            self._grid = [tuple(int(i) for i in row) for row in itertools.product(*self._decks.values())]
        self.size = len(self._grid) if self._grid else None

    def at(self, rank: int) -> dict[str, int]:
        """Which value each axis has in this group's sample `rank`, as positions in the axis."""
        if self._grid is not None:
            turn, place = divmod(rank, len(self._grid))
            row = self._grid[_shuffled(self._seed, f"{self._number}", turn, len(self._grid))[place]]
            return dict(zip(self._decks, row, strict=True))
        ids = {}
        for name, deck in self._decks.items():
            turn, place = divmod(rank, len(deck))
            ids[name] = int(deck[_shuffled(self._seed, f"{self._number}:{name}", turn, len(deck))[place]])
        return ids


@lru_cache(maxsize=64)
def _shuffled(seed: int, name: str, turn: int, n: int) -> np.ndarray:
    """0 to n - 1 in the order of one turn of a deck."""
    return seeds.generator(seeds.seed_of(seed, f"prompts:{name}", turn)).permutation(n)


def _weights(values: list[str] | dict[str, int]) -> list[int]:
    return list(values.values()) if isinstance(values, dict) else [1] * len(values)

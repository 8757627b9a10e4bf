"""`use: classes`: every slot shows one class, with exact counts a class; some may show a second one besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.conditions import scored_quotas
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.scored_quotas import QuotaSetting
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Probabilities
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown


class Mix(Settings):
    """Samples of two classes."""

    share: float = Setting(gt=0, le=1, description="Share of the samples that show a second class besides.")
    pairs: list[tuple[str, str]] = Setting(
        default=[], description="Which classes go together, such as `[[Shirt, Coat]]`; by default any two."
    )
    most: float = Setting(
        default=0.9, gt=0.5, lt=1, description="Most that a mixed sample is of its first class; the least is a half."
    )
    seed: int = Setting(default=0, description="Which samples are mixed, and how.")


class Classes:
    """Classes by quota.

    The quotas are counts when the dataset has their sum as its size, and proportions at any
    other size. Classes are interleaved so that every prefix of the dataset has each class to
    within a few samples of its share; whole multiples of the quotas are met exactly.

    With `mix`, `label` is the class that a sample is of most, and `soft_label` how much it is of each; a sampler that
    does not read `soft_label` is refused. Keep rules such as `agreement >= 0.5` ask for `label` alone, and reject many
    of the samples that are hardly more than half of it.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: classes`."""

        quotas: QuotaSetting = Setting(
            description="Samples of each class, whose ids 0, 1, 2 ... follow the order written here; or "
            "`{by: scores.parquet, samples: 1000}`, more of those classes that a model of yours is bad at.",
        )
        mix: Mix | None = Setting(
            default=None,
            exclude_if=lambda value: value is None,
            description="Samples of two classes, for samplers that can mix them, such as `use: class-conditional`.",
        )

    def __init__(self, config: Config) -> None:
        self._config, counts = config, scored_quotas.counts_of(config.quotas)
        self._quotas = Quotas(counts)
        self.samples = self._quotas.total
        self.fields: Mapping[str, Field] = {"label": Label(self._quotas.names)}
        if config.mix:
            self.fields = {**self.fields, "soft_label": Probabilities(self._quotas.names)}
            self._partners = _partners(config.mix, self._quotas.names)

    def identity(self) -> dict[str, Any]:
        found = {"classes": list(self._quotas.names), "proportions": self._quotas.proportions}
        return found | ({"mix": self._config.mix.model_dump(mode="json")} if self._config.mix else {})

    @property
    def sources(self) -> list[Source]:
        return scored_quotas.sources_of(self._config.quotas)

    def unread_problems(self, read: Collection[str]) -> list[Problem]:
        if self._config.mix is None or "soft_label" in read:
            return []
        text = (
            "the sampler makes each sample of one class, so that soft labels would be wrong; leave `mix` out, or take "
        )
        return [Problem(text + "one that mixes classes, such as `use: class-conditional`", place=("mix",))]

    def class_counts(self, n: int) -> list[int]:
        return self._quotas.counts(n)

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        label = self._quotas.at(index)
        if self._config.mix is None:
            return {"label": label}, None
        return {"label": label, "soft_label": self._soft(label, index, self._config.mix)}, None

    def _soft(self, label: int, index: int, mix: Mix) -> np.ndarray:
        """How much a slot is of each class, float32 (K,)."""
        random = seeds.generator(seeds.seed_of(mix.seed, "mix", index))
        mixed, chosen, how = random.random(), random.random(), random.random()
        found, partners = np.zeros(len(self._quotas.names)), self._partners[label]
        found[label] = 1
        if partners and mixed < mix.share:
            found[label] = 0.5 + (mix.most - 0.5) * how
            found[partners[int(chosen * len(partners))]] = 1 - found[label]
        return found.astype(np.float32)


def _partners(mix: Mix, names: tuple[str, ...]) -> list[list[int]]:
    """The ids that each class may be mixed with.

    Raises:
        DataError: a pair names a class without a quota, or one class twice; all of them.
    """
    wrong = [f"mix.pairs: {unknown(name, names, 'class')}" for pair in mix.pairs for name in pair if name not in names]
    wrong += [f"mix.pairs: {a} stands twice in a pair; two classes are mixed" for a, b in mix.pairs if a == b]
    if len(names) < 2:
        wrong.append("mix: needs two classes, and `quotas` has one")
    if wrong:
        raise DataError(*wrong)
    pairs = mix.pairs or [(a, b) for a in names for b in names if a != b]
    together = {(a, b) for a, b in pairs} | {(b, a) for a, b in pairs}
    return [[i for i, other in enumerate(names) if (name, other) in together] for name in names]

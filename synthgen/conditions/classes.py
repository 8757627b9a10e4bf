"""`use: classes`: every slot shows one class, with exact counts a class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.fields import Label
from synthgen.protocols import Source


class Classes:
    """Classes by quota.

    The quotas are counts when the dataset has their sum as its size, and proportions at any
    other size. Classes are interleaved so that every prefix of the dataset has each class to
    within a few samples of its share; whole multiples of the quotas are met exactly.
    """

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """Settings of `use: classes`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        quotas: dict[str, Annotated[int, Field(ge=1)]] = Field(
            min_length=1, description="Samples of each class; label ids 0, 1, 2 ... follow the order written here."
        )

    def __init__(self, config: Config) -> None:
        self.classes = tuple(config.quotas)
        divisor = math.gcd(*config.quotas.values())
        self.proportions = [count // divisor for count in config.quotas.values()]
        self.samples = sum(config.quotas.values())
        self.fields: Mapping[str, Label] = {"label": Label(self.classes)}

    def identity(self) -> dict[str, Any]:
        return {"classes": list(self.classes), "proportions": self.proportions}

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        return {"label": int(self._cycle[index % len(self._cycle)])}, None

    @cached_property
    def _cycle(self) -> np.ndarray:
        """Class ids of one cycle: the k-th of a class's n slots stands at (k + 1/2) / n of the way."""
        places = np.concatenate([(np.arange(n) + 0.5) / n for n in self.proportions])
        ids = np.repeat(np.arange(len(self.proportions), dtype=np.int32), self.proportions)
        return ids[np.argsort(places, kind="stable")]

"""`use: classes`: every slot shows one class, with exact counts a class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.conditions.quotas import Quotas
from synthgen.fields import Label
from synthgen.parts.plain import PlainPart


class Classes(PlainPart):
    """Classes by quota.

    The quotas are counts when the dataset has their sum as its size, and proportions at any
    other size. Classes are interleaved so that every prefix of the dataset has each class to
    within a few samples of its share; whole multiples of the quotas are met exactly.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: classes`."""

        quotas: dict[str, Annotated[int, Field(ge=1)]] = Field(
            min_length=1, description="Samples of each class; label ids 0, 1, 2 ... follow the order written here."
        )

    def __init__(self, config: Config) -> None:
        self._quotas = Quotas(config.quotas)
        self.samples = self._quotas.total
        self.fields: Mapping[str, Label] = {"label": Label(self._quotas.names)}

    def identity(self) -> dict[str, Any]:
        return {"classes": list(self._quotas.names), "proportions": self._quotas.proportions}

    def class_counts(self, n: int) -> list[int]:
        return self._quotas.counts(n)

    def condition(self, index: int) -> tuple[dict[str, Any], None]:
        return {"label": self._quotas.at(index)}, None

"""A plug-in file with a sampler of texts in scripts of all kinds, to test files, exports and pages of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from synthgen.fields import Columns, Schema, Text
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from text_samples import FIELDS, MORE, sample


class Phrases:
    """Texts that depend on the slot alone: those fields of `text_samples` that are asked for."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        model_config = ConfigDict(extra="forbid", frozen=True)
        fields: tuple[str, ...] = tuple(FIELDS)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields = {name: {**FIELDS, **dict.fromkeys(MORE, Text())}[name] for name in config.fields}

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def bind(self, condition: Schema) -> list[Problem]:
        return []

    def setup(self, device: str) -> None:
        pass

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        made = [{**sample(slot.index), **{name: make(slot.index) for name, make in MORE.items()}} for slot in slots]
        return {name: [values[name] for values in made] for name in self.fields}


SYNTHGEN_PLUGINS = {"samplers": {"phrases": Phrases}}

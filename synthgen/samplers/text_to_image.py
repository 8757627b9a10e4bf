"""`use: text-to-image`: images that a sentence describes, from any text-to-image pipeline of diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synthgen.fields import Columns, Field, Image, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.samplers import prompted
from synthgen.samplers.prompted import Prompted, PromptedSettings


class TextToImage:
    """Draws `image` for the prompt.

    Each sample has a random stream of its own. A pipeline's own safety checker, which paints
    pictures black, is left out: rules decide what is kept.
    """

    version: ClassVar[int] = 2

    class Config(PromptedSettings):
        """Settings of `use: text-to-image`."""

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return prompted.smoke(settings)

    def __init__(self, config: Config) -> None:
        self.prompted = Prompted(config, "Text2Image")
        self.fields: Mapping[str, Field] = {"image": Image(*self.prompted.size, 3)}

    def identity(self) -> dict[str, Any]:
        return self.prompted.identity()

    @property
    def sources(self) -> list[Source]:
        return self.prompted.sources

    def bind(self, condition: Schema) -> list[Problem]:
        self.fields, problems = self.prompted.drawn_fields(condition)
        return problems

    def setup(self, device: str) -> None:
        self.prompted.setup(device)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        return self.prompted.columns(slots, seeds)

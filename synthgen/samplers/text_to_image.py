"""`use: text-to-image`: images that a sentence describes, from any text-to-image pipeline of diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from synthgen.fields import Columns, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.samplers.prompted import PromptedSampler, PromptedSettings


class TextToImage(PromptedSampler):
    """Generates `image` for the prompt.

    Each sample has a random stream of its own. A pipeline's own safety checker, which paints
    images black, is left out: rules decide what is kept.
    """

    version: ClassVar[int] = 3
    task: ClassVar[str] = "Text2Image"

    class Config(PromptedSettings):
        """Settings of `use: text-to-image`."""

    def bind(self, condition: Schema) -> list[Problem]:
        self.fields, problems = self.prompted.drawn_fields(condition)
        return problems

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        return self.prompted.columns(slots, seeds)

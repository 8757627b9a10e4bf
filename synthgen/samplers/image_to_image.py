"""`use: image-to-image`: real images generated again, more or less freely, with the label that they had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field as Setting

from synthgen.fields import Columns, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.samplers import prompted
from synthgen.samplers.prompted import PromptedSampler, PromptedSettings


class ImageToImage(PromptedSampler):
    """Draws `image` from noise that is mixed with the condition's image, towards the prompt."""

    version: ClassVar[int] = 2
    task: ClassVar[str] = "Image2Image"
    smoke_steps: ClassVar[int] = 4

    class Config(PromptedSettings):
        """Settings of `use: image-to-image`."""

        strength: float = Setting(
            default=0.5,
            gt=0,
            le=1,
            description="How far an image is generated again: 0.2 retouches, 1 keeps nothing of it.",
        )

    config: Config

    def bind(self, condition: Schema) -> list[Problem]:
        problems = prompted.picture_problems(condition, self.prompted.size)
        self.fields, more = self.prompted.drawn_fields(condition)
        return problems + more

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        pictures = [prompted.as_pillow(slot.condition["image"]) for slot in slots]
        return self.prompted.columns(slots, seeds, {"image": pictures}, strength=self.config.strength)

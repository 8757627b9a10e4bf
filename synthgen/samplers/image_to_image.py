"""`use: image-to-image`: real pictures drawn anew, more or less freely, with the label that they had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen.fields import Columns, Field, Image, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.samplers import prompted
from synthgen.samplers.prompted import Prompted, PromptedSettings


class ImageToImage:
    """Draws `image` from noise that is mixed with the condition's picture, towards the prompt."""

    version: ClassVar[int] = 1

    class Config(PromptedSettings):
        """Settings of `use: image-to-image`."""

        strength: float = Setting(
            default=0.5,
            gt=0,
            le=1,
            description="How far a picture is drawn anew: 0.2 retouches, 1 keeps nothing of it.",
        )

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return prompted.smoke(settings, steps=4)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.prompted = Prompted(config, "Image2Image")
        self.fields: Mapping[str, Field] = {"image": Image(*self.prompted.size, 3)}

    def identity(self) -> dict[str, Any]:
        return self.prompted.identity()

    @property
    def sources(self) -> list[Source]:
        return self.prompted.sources

    def bind(self, condition: Schema) -> list[Problem]:
        problems = prompted.picture_problems(condition, self.prompted.size)
        self.fields, more = self.prompted.drawn_fields(condition)
        return problems + more

    def setup(self, device: str) -> None:
        self.prompted.setup(device)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        pictures = [prompted.as_pillow(slot.condition["image"]) for slot in slots]
        return self.prompted.columns(slots, seeds, {"image": pictures}, strength=self.config.strength)

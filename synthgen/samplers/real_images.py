"""`use: real-images`: the condition's images as they are, to be labelled, scored and written like generated ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image as Pillow
from pydantic import Field as Setting

from synthgen.base.settings import Settings
from synthgen.fields import Columns, Field, Image, Schema, Text
from synthgen.parts.plain import PlainPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot


class RealImages(PlainPart):
    """Takes `image` of a condition such as `use: images`, and `source`, its file, if it has that: nothing is generated.

    What labelers say of them is then as easy to check, filter and load as samples are. `synthgen label` writes such a
    recipe.
    """

    version: ClassVar[int] = 1
    maker: ClassVar[str] = ""

    class Config(Settings):
        """Settings of `use: real-images`."""

        channels: Literal[1, 3] = Setting(default=3, description="3 for colours; 1 makes images grey.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields: dict[str, Field] = {}

    def bind(self, condition: Schema) -> list[Problem]:
        image = condition.get("image")
        if not isinstance(image, Image):
            return [Problem("needs a condition with images, such as `use: images`", ("image",))]
        self.fields = {"image": Image(image.height, image.width, self.config.channels)}
        if isinstance(condition.get("source"), Text):
            self.fields["source"] = Text()
        return []

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        images = [in_channels(slot.condition["image"], self.config.channels) for slot in slots]
        columns: dict[str, Sequence[Any]] = {"image": images}
        if "source" in self.fields:
            columns["source"] = [slot.condition["source"] for slot in slots]
        return columns


def in_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """An image in colours, uint8 (H, W, 3), as it is or grey, (H, W, 1)."""
    if channels == image.shape[2]:
        return image
    return np.asarray(Pillow.fromarray(image).convert("L"))[..., None]

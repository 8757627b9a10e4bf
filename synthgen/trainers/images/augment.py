"""Random magnification and colours of training crops, so that a network also knows other distances and other light."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torchvision.transforms.v2 import functional as transforms

from synthgen.base.settings import Settings
from synthgen.readers.masks.types import Example


class AugmentSettings(Settings):
    """How training crops are varied beyond their place and direction."""

    zoom: float = Field(
        default=1.0,
        ge=1,
        le=4,
        exclude_if=lambda value: value == 1,
        description="Largest magnification of crops; each is magnified by a random factor from 1 to this.",
    )
    colour_jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: not value,
        description="Brightness, contrast and saturation are multiplied by random factors up to 1 -+ this.",
    )


def window(shape: tuple[int, int], zoom: float, random: torch.Generator) -> tuple[int, int]:
    """Height and width of what is magnified to `shape`, by a factor whose logarithm is uniform from 0 to log `zoom`."""
    if zoom == 1:
        return shape
    factor = zoom ** float(torch.rand((), generator=random))
    return max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))


def magnified(item: Example, shape: tuple[int, int]) -> Example:
    """The example in another size: pixels bilinearly, class ids and numbers of objects those of the nearest pixel."""
    if item.image.shape[:2] == shape:
        return item

    rows, columns = (
        ((np.arange(side) + 0.5) * before / side).astype(int)
        for side, before in zip(shape, item.image.shape[:2], strict=True)
    )

    def resized(array: np.ndarray) -> np.ndarray:
        if array is not item.image:
            return np.ascontiguousarray(array[rows[:, None], columns])
        image = transforms.resize(torch.from_numpy(array).permute(2, 0, 1), list(shape))
        return np.ascontiguousarray(image.permute(1, 2, 0).numpy())

    return item.map(resized)


def jittered(item: Example, strength: float, random: torch.Generator) -> Example:
    """The example with other brightness, contrast and saturation, each by a factor within 1 -+ `strength`."""
    if not strength:
        return item
    brightness, contrast, saturation = (1 + strength * (2 * torch.rand(3, generator=random) - 1)).tolist()
    image = torch.from_numpy(item.image).permute(2, 0, 1)
    image = transforms.adjust_brightness(image, brightness)
    image = transforms.adjust_contrast(image, contrast)
    image = transforms.adjust_saturation(image, saturation)
    return replace(item, image=np.ascontiguousarray(image.permute(1, 2, 0).numpy()))

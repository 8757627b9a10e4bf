"""Training crops varied: magnified, in other light, and with objects of other images put into them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torchvision.transforms.v2 import functional as transforms

from synthgen.base.settings import Settings
from synthgen.readers.masks.types import Example
from synthgen.vision.layouts import Layout


class JitterSettings(Settings):
    """In what other light training crops are shown."""

    colour_jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: not value,
        description="Brightness, contrast and saturation are multiplied by random factors up to 1 -+ this.",
    )


class AugmentSettings(JitterSettings):
    """How training crops are varied beyond their place and direction."""

    zoom: float = Field(
        default=1.0,
        ge=1,
        le=4,
        exclude_if=lambda value: value == 1,
        description="Largest magnification of crops; each is magnified by a random factor from 1 to this.",
    )
    copy_paste: float = Field(
        default=0.0,
        ge=0,
        le=1,
        exclude_if=lambda value: not value,
        description="Share of the crops into which objects of another training image of the same class are put, turned "
        "and mirrored as crops are, over what is there: for few images.",
    )


MOST_PASTED = 12
"""Objects that are put into one crop at most."""


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


def pasted(item: Example, source: Example, turn: bool, mirror: bool, random: torch.Generator) -> Example:
    """The example with 1 to `MOST_PASTED` objects of `source`, cut out and put to random places over what is there.

    Objects that are larger than the image are left out. Boxes, channels and what is unknown stay as they are.

    Source: Ghiasi et al. 2021, "Simple copy-paste is a strong data augmentation method for instance segmentation".
    """
    assert item.layout is not None and source.layout is not None
    numbers = np.unique(source.layout.instances)
    numbers = numbers[numbers > 0]
    if not len(numbers):
        return item
    n = int(torch.randint(1, min(len(numbers), MOST_PASTED) + 1, (), generator=random))
    image, instances, segmentation = item.image.copy(), item.layout.instances.copy(), item.layout.segmentation.copy()
    for number in numbers[torch.randperm(len(numbers), generator=random)[:n].numpy()]:
        ys, xs = np.nonzero(source.layout.instances == number)
        box = np.s_[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        turns, flip = torch.randint(0, 4, (2,), generator=random).tolist()
        turns, flip = turns if turn else 0, flip % 2 if turn or mirror else 0
        shape, pixels, classes = (
            np.rot90(array[box][:, ::-1] if flip else array[box], turns)
            for array in (source.layout.instances == number, source.image, source.layout.segmentation)
        )
        room = [whole - part for whole, part in zip(instances.shape, shape.shape, strict=True)]
        if min(room) < 0:
            continue
        top, left = (int(torch.randint(0, free + 1, (), generator=random)) for free in room)
        place = np.s_[top : top + shape.shape[0], left : left + shape.shape[1]]
        image[place][shape] = pixels[shape]
        instances[place][shape] = instances.max() + 1
        segmentation[place][shape] = classes[shape]
    return replace(item, image=image, layout=Layout(instances, segmentation))

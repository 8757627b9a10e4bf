"""Images without labels in batches of labelled ones: under "no class", or without a layout.

The network learns from them under the condition that guidance subtracts, from which classes and layouts differ by
little: so they teach it what images look like, and labelled ones what is particular to a class or a layout.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from synthgen.models.images.classifier import to_tensor
from synthgen.models.images.layout_to_image import HIDDEN
from synthgen.readers.masks.types import Example
from synthgen.trainers.images.classifier import mirrored
from synthgen.trainers.images.crops import N_VIEWS, Crops
from synthgen.trainers.images.diffusion import Batch
from synthgen.trainers.images.mixed import Others

N_HELD_OUT = 64
"""Most images whose crops are validated on."""


def of_no_class(images: np.ndarray, null: int, flip: bool) -> Others:
    """Some of the images, uint8 (N, H, W, C), as a class-conditional network sees them.

    Args:
        null: the id of "no class".
        flip: mirror them at random.
    """

    def batch(n: int, random: torch.Generator) -> Batch:
        chosen = torch.randint(len(images), (n,), generator=random)
        x = to_tensor(np.ascontiguousarray(images[chosen.numpy()]))
        return Batch(mirrored(x, random) if flip else x, torch.full((n,), null))

    return batch


def without_layout(items: Sequence[Example], beside: Crops) -> Others:
    """Crops of images whose `label` is a style and whose layout is hidden, cut and turned like those beside them."""

    def batch(n: int, random: torch.Generator) -> Batch:
        chosen = torch.randint(len(items), (n,), generator=random).tolist()
        return _hidden([items[i] for i in chosen], beside, random)

    return batch


def held_out_without_layout(items: Sequence[Example], beside: Crops) -> list[Batch]:
    """Crops of such images for validation, the same every time."""
    random = torch.Generator().manual_seed(0)
    views = [item for item in items[:N_HELD_OUT] for _ in range(N_VIEWS)]
    return [_hidden(views[i : i + 16], beside, random) for i in range(0, len(views), 16)]


def _hidden(items: Sequence[Example], beside: Crops, random: torch.Generator) -> Batch:
    x = beside.pixels([beside.view(item, random) for item in items])
    layout = torch.full((len(items), len(beside.examples.objects), *x.shape[2:]), HIDDEN)
    return Batch(x, torch.tensor([item.label for item in items]), layout)

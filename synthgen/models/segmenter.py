"""A small U-Net that finds objects: critics that check images, judges, and probes of a dataset's usefulness."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from synthgen.models import layouts
from synthgen.models.finite import finite
from synthgen.models.layouts import Layout

BRIGHT_SHARE = 0.998


class Block(nn.Module):
    """Two 3x3 convolutions with group normalisation."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.GroupNorm(8, n_out),
            nn.SiLU(),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.GroupNorm(8, n_out),
            nn.SiLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.body(x)
        return out


class Segmenter(ModelMixin, ConfigMixin):
    """Class of every pixel and, by a distance channel, which object it belongs to; pictures of any size.

    Args:
        objects: names of the objects' classes, class ids from 1.
        widths: channels of each level, multiples of 8; every level but the first halves the side.
        class_losses: mean cross-entropy on held-out real pixels of each class, background first.
    """

    @register_to_config
    def __init__(
        self,
        objects: Sequence[str],
        widths: Sequence[int] = (24, 48, 96),
        class_losses: Sequence[float] = (),
    ) -> None:
        super().__init__()
        n_in = 3
        down = []
        for width in widths:
            down.append(Block(n_in, width))
            n_in = width
        self.down = nn.ModuleList(down)
        pairs = list(itertools.pairwise(widths))
        self.up = nn.ModuleList(Block(low + high, low) for low, high in reversed(pairs))
        self.head = nn.Conv2d(widths[0], len(objects) + 2, 1)

    def forward(self, x_bchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits (B, n_objects + 1, H, W), background first, and distances (B, H, W) as in `layouts.encode`.

        H and W are multiples of 2^(levels - 1); pixels as `prepare` makes them.
        """
        skips = []
        x = x_bchw
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = block(torch.cat([skip, F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        out = self.head(x)
        return out[:, :-1], out[:, -1]

    @torch.inference_mode()
    def outputs(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (N, n_objects + 1, H, W) and distances (N, H, W) of uint8 images (N, H, W, C)."""
        height, width = images.shape[1:3]
        unit = 2 ** (len(self.config.widths) - 1)
        x = prepare(images)
        x = F.pad(x, (0, -width % unit, 0, -height % unit), mode="replicate")
        logits, distances = self(x.to(self.device))
        logits = finite(logits[:, :, :height, :width], "class logits")
        distances = finite(distances[:, :height, :width], "distances")
        return logits.float().softmax(1).cpu().numpy(), distances.float().cpu().numpy()

    def segment(self, images: np.ndarray) -> list[Layout]:
        """The objects in uint8 images (N, H, W, C)."""
        return [found(p, d) for p, d in zip(*self.outputs(images), strict=True)]


def found(probabilities: np.ndarray, distances: np.ndarray) -> Layout:
    """The layout in class probabilities (n_objects + 1, H, W) and distances (H, W)."""
    classes = probabilities.argmax(0)
    numbers = np.arange(1, len(probabilities))[:, None, None]
    return layouts.decode(np.where(classes == numbers, np.maximum(distances, layouts.EDGE + 0.01), -1.0))


def prepare(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, C) to float32 (N, 3, H, W): each picture's darkest pixel -1, its brightest (99.8 %) 1.

    Grey pictures are repeated. A picture without contrast becomes -1 everywhere.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    flat = x.flatten(1)
    low = flat.amin(1)
    rank = max(1, round(BRIGHT_SHARE * flat.shape[1]))
    high = flat.kthvalue(rank, dim=1).values
    span = (high - low).clamp_min(1.0)
    x = ((x - low[:, None, None, None]) / span[:, None, None, None]).clamp(0, 1).mul(2).sub(1)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x

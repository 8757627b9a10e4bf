"""The U-Net under segmenters and detectors: images of any size in, maps of numbers out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from torch import nn
from torch.nn import functional as F

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


class UNet(ModelMixin, ConfigMixin):
    """Maps over images, made by levels of which every one but the first halves the side.

    Args:
        widths: channels of each level, multiples of 8.
        n_maps: numbers for each place.
        top: the level whose size the maps have: 0 for one place a pixel, 1 for one every two pixels, and so on.
        n_in: channels of what it sees.
    """

    def __init__(self, widths: Sequence[int], n_maps: int, top: int = 0, n_in: int = 3) -> None:
        super().__init__()
        down = []
        for width in widths:
            down.append(Block(n_in, width))
            n_in = width
        self.down = nn.ModuleList(down)
        pairs = list(itertools.pairwise(widths))[top:]
        self.up = nn.ModuleList(Block(low + high, low) for low, high in reversed(pairs))
        self.head = nn.Conv2d(widths[top], n_maps, 1)
        self.unit_px = 2 ** (len(widths) - 1)
        self.stride_px = 2**top

    def maps(self, x_bchw: torch.Tensor) -> torch.Tensor:
        """Maps (B, n_maps, H / stride_px, W / stride_px) of pixels as `prepare` makes them.

        H and W are multiples of `unit_px`.
        """
        skips = []
        x = x_bchw
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        for i, block in enumerate(self.up):
            x = block(torch.cat([skips[-2 - i], F.interpolate(x, scale_factor=2, mode="nearest")], dim=1))
        out: torch.Tensor = self.head(x)
        return out

    def prepared(self, images: np.ndarray) -> torch.Tensor:
        """uint8 images (N, H, W, C) as `maps` takes them, on the network's device; borders repeated to fit."""
        height, width = images.shape[1:3]
        x = F.pad(self.pixels(images), (0, -width % self.unit_px, 0, -height % self.unit_px), mode="replicate")
        return x.to(self.device)

    def pixels(self, images: np.ndarray) -> torch.Tensor:
        """uint8 images (N, H, W, C) as `maps` takes them, on the CPU, of any size."""
        return prepare(images)


def prepare(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, H, W, C) to float32 (N, 3, H, W): each image's darkest pixel -1, its brightest (99.8 %) 1.

    Grey images are repeated. An image without contrast becomes -1 everywhere.
    """
    return normalised(torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float())


def normalised(x: torch.Tensor) -> torch.Tensor:
    """`prepare` of pixels (N, C, H, W) from 0 to 255 that may carry gradients; the range of each image does not."""
    flat = x.detach().flatten(1)
    low = flat.amin(1)
    rank = max(1, round(BRIGHT_SHARE * flat.shape[1]))
    high = flat.kthvalue(rank, dim=1).values
    span = (high - low).clamp_min(1.0)
    x = ((x - low[:, None, None, None]) / span[:, None, None, None]).clamp(0, 1).mul(2).sub(1)
    return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x

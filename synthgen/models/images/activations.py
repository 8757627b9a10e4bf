"""What a frozen diffusion model sees in images: activations of its UNet's decoder, as maps.

A network that has learned to take noise away from any image of a kind knows its parts. A few labelled images are then
enough to name them. Source: Baranchuk et al. 2022, "Label-efficient semantic segmentation with diffusion models".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import diffusers
import torch
from diffusers import UNet2DModel
from torch import nn
from torch.nn import functional as F

from synthgen import seeds as streams
from synthgen.models.images.padding import padded
from synthgen.models.sampling import noisy_input

SIGMAS = (0.1, 0.4)
"""Noise levels, where pixels are in [-1, 1]."""

N_GROUPS = 8


class Activations(nn.Module):
    """Maps of a few channels that sum up what each block of the decoder puts out, at each noise level.

    The UNet is frozen; what sums up is trained.

    Args:
        facts: what `facts_of` says of a diffusion model.
        width: channels of the maps.
    """

    def __init__(self, facts: Mapping[str, Any], width: int) -> None:
        super().__init__()
        self.facts = dict(facts)
        unet: Any = UNet2DModel.from_config(self.facts["unet"])
        self.unet = padded(unet, self.facts["padding"]).requires_grad_(False).eval()
        scheduler = dict(self.facts["scheduler"])
        self.scheduler: Any = getattr(diffusers, str(scheduler["_class_name"])).from_config(scheduler)
        channels = [channel for _ in self.facts["sigmas"] for channel in reversed(unet.config.block_out_channels)]
        self.norms = nn.ModuleList(nn.GroupNorm(N_GROUPS, n, affine=False) for n in channels)
        self.sums = nn.ModuleList(nn.Conv2d(n, width, 1) for n in channels)

    @property
    def cell(self) -> int:
        """Sides of images must be multiples of this many pixels."""
        return int(self.facts["patch_size"]) * 2 ** (len(self.unet.config.block_out_channels) - 1)

    def train(self, mode: bool = True) -> Activations:
        """The UNet stays in evaluation mode."""
        super().train(mode)
        self.unet.eval()
        return self

    def forward(self, x_bchw: torch.Tensor) -> torch.Tensor:
        """Maps (B, width, H, W) of pixels (B, 3, H, W) in [-1, 1], sides multiples of `cell`.

        The noise is the same for every image of a size, so that an image is always seen in the same way.
        """
        found = [self.norms[i](seen) for i, seen in enumerate(self._seen(x_bchw))]
        maps = [
            F.interpolate(sum_up(seen), x_bchw.shape[2:], mode="bilinear", align_corners=False)
            for sum_up, seen in zip(self.sums, found, strict=True)
        ]
        return F.silu(torch.stack(maps).sum(0))

    @torch.no_grad()
    def _seen(self, x_bchw: torch.Tensor) -> list[torch.Tensor]:
        """What each block of the decoder puts out, at one noise level after the other."""
        patch, config = int(self.facts["patch_size"]), self.unet.config
        x = x_bchw.add(1).div(2).pow(float(self.facts["gamma"])).mul(2).sub(1)
        channels = int(config.out_channels) // patch**2
        x = x.mean(1, keepdim=True) if channels == 1 else x
        shape = (channels, *x.shape[2:])
        noise = torch.from_numpy(streams.normals([streams.seed_of(0, "activations", 0)], shape)).to(x)
        hidden = x.new_zeros(
            len(x), int(config.in_channels) - int(config.out_channels), *(n // patch for n in shape[1:])
        )
        found: list[torch.Tensor] = []
        hooks = [
            block.register_forward_hook(lambda _m, _x, out: found.append(out.float())) for block in self.unet.up_blocks
        ]
        try:
            for sigma in self.facts["sigmas"]:
                noisy, time = noisy_input(self.scheduler, x, noise, float(sigma))
                seen = torch.cat([F.pixel_unshuffle(noisy, patch), hidden], 1)
                unknown = torch.zeros(len(x), dtype=torch.int64, device=x.device)
                self.unet(seen, time.to(x).expand(len(x)), unknown)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def facts_of(pipeline: Any, sigmas: Sequence[float] = SIGMAS) -> dict[str, Any]:
    """What `Activations` is made from, as JSON values, of a class-conditional or a layout-to-image pipeline."""
    config = pipeline.config
    scheduler = {name: value for name, value in pipeline.scheduler.config.items() if not name.startswith("_")}
    scheduler["_class_name"] = type(pipeline.scheduler).__name__
    unet = {name: value for name, value in pipeline.unet.config.items() if not name.startswith("_")}
    return {
        "unet": {**unet, "num_class_embeds": 1},
        "scheduler": scheduler,
        "patch_size": int(config.patch_size),
        "padding": config.padding,
        "gamma": float(config.get("gamma", 1.0)),
        "sigmas": list(sigmas),
    }


def unconditional(pipeline: Any) -> dict[str, torch.Tensor]:
    """Weights of the pipeline's UNet that know one class only, which is none in particular.

    Of a class-conditional model it is "no class"; of a layout-to-image model, whose styles are all somebody's, their
    mean.
    """
    state: dict[str, torch.Tensor] = dict(pipeline.unet.state_dict())
    rows = state["class_embedding.weight"]
    if "style_shares" in pipeline.config:
        shares = torch.tensor(pipeline.config.style_shares)
        state["class_embedding.weight"] = (shares[:, None] * rows).sum(0, keepdim=True) / shares.sum()
    else:
        state["class_embedding.weight"] = rows[-1:]
    return state

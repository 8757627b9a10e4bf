"""The layout pipeline: a class-conditional diffusion model whose images are layout channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DModel
from torch.nn import functional as F

from synthgen.models.images.class_conditional import ClassConditionalPipeline
from synthgen.models.images.padding import Padding
from synthgen.vision import layouts
from synthgen.vision.layouts import Layout


class LayoutPipeline(ClassConditionalPipeline):
    """New layouts: one channel an object class is generated, enlarged, and decoded to objects.

    Args:
        objects: names of the objects' classes, one channel each.
        scale: how much smaller layouts are drawn than the images they are for: outlines are smooth,
            so that 0.5 costs a quarter and loses little.
        smooth: deviation of the blur that rounds the outlines, in generated pixels; 0 is none. Generated outlines
            are rougher than real ones; the default brings the solidity of generated nuclei to that of real ones.
        stuff: names of those of `objects` that are regions without objects.
        padding: how the UNet's convolutions see beyond the border.
        covered: every pixel of the training maps belongs to a class, so that layouts have no background.
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: Any,
        patch_size: int = 1,
        id2label: dict[int | str, str] | None = None,
        objects: Sequence[str] = (),
        scale: float = 1.0,
        smooth: float = 0.75,
        stuff: Sequence[str] = (),
        covered: bool = False,
        padding: Padding = "zeros",
    ) -> None:
        super().__init__(unet, scheduler, patch_size, id2label, padding)
        self.register_to_config(objects=list(objects), scale=scale, smooth=smooth, stuff=list(stuff), covered=covered)

    @torch.inference_mode()
    def layouts(
        self,
        class_labels: Sequence[int],
        latents: torch.Tensor,
        min_area_px: int = layouts.MIN_AREA_PX,
        **options: Any,
    ) -> list[Layout]:
        """Generates one layout for each class id.

        Args:
            latents: standard normal noise (N, n_objects, h, w) at the drawn size; layouts have sides h / scale.
            min_area_px: smaller objects are removed.
            options: as for the call.
        """
        drawn = self(class_labels, latents=latents, output_type="pt", **options).images
        if self.config.scale != 1:
            drawn = F.interpolate(drawn, scale_factor=1 / self.config.scale, mode="bilinear", align_corners=False)
        names, covered = list(self.config.objects), self.config.covered
        regions = [names.index(name) + 1 for name in self.config.stuff]
        found = [
            layouts.decode(channels, min_area_px, regions, covered) for channels in drawn.mul(2).sub(1).cpu().numpy()
        ]
        sigma_px = self.config.smooth / self.config.scale
        return [layouts.smoothed(layout, sigma_px) for layout in found] if sigma_px else found

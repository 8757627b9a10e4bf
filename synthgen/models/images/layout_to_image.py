"""The layout-to-image pipeline: a stock UNet that sees noisy pixels and the layout's channels side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, UNet2DModel
from diffusers.utils.torch_utils import randn_tensor
from torch.nn import functional as F

from synthgen.models.images.classifier import to_tensor
from synthgen.models.images.padding import Padding, padded
from synthgen.models.sampling import as_output, denoise

HIDDEN = 0.0
"""What the layout's channels hold when guidance hides the layout; no real layout is 0 everywhere."""


class LayoutToImagePipeline(DiffusionPipeline):
    """Images whose objects stand where a layout puts them, in the style of a class.

    The UNet gets the noisy image and the layout's channels (`layouts.encode`), concatenated, after
    both went through pixel-unshuffle. It is convolutional, so that any size which is a multiple of
    its coarsest cell can be drawn. Pixels v in 0..255 are (v / 255)^gamma before they are noised:
    a gamma of 0.5 gives dark images, such as fluorescence, as many levels as bright ones.

    Args:
        unet: in channels (C + number of objects) * patch_size^2, out channels C * patch_size^2.
        scheduler: any diffusers scheduler with `scale_model_input` and `step`.
        objects: names of the objects' classes, one layout channel each.
        id2label: names of the classes of images by id.
        grey: ids of classes without colour: their images get the mean of the channels in each.
        class_of_style: the class of each style (kinds of exposure and stain within a class); by default
            every class is one style. The UNet has one class embedding a style.
        style_shares: how frequent each style is within its class.
        stuff: names of those of `objects` that are regions without objects; their channels are flat.
        padding: how the UNet's convolutions see beyond the border (`padding.padded`).
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: Any,
        patch_size: int = 1,
        gamma: float = 1.0,
        objects: Sequence[str] = (),
        id2label: dict[int | str, str] | None = None,
        grey: Sequence[int] = (),
        class_of_style: Sequence[int] = (),
        style_shares: Sequence[float] = (),
        stuff: Sequence[str] = (),
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        self.register_modules(unet=padded(unet, padding), scheduler=scheduler)
        self.register_to_config(
            patch_size=patch_size,
            gamma=gamma,
            objects=list(objects),
            grey=list(grey),
            class_of_style=list(class_of_style) or list(range(len(id2label or {}))),
            style_shares=list(style_shares) or [1.0] * len(id2label or {}),
            id2label={str(i): name for i, name in (id2label or {}).items()},
            stuff=list(stuff),
            padding=padding,
        )

    @property
    def classes(self) -> list[str]:
        """Names of the classes of images in id order."""
        return [name for _, name in sorted((int(i), name) for i, name in self.config.id2label.items())]

    @property
    def channels(self) -> int:
        return int(self.unet.config.out_channels) // int(self.config.patch_size) ** 2

    @property
    def cell(self) -> int:
        """Height and width of an image must be multiples of this many pixels."""
        return int(self.config.patch_size) * 2 ** (len(self.unet.config.block_out_channels) - 1)

    def most_frequent_style(self, label: int) -> int:
        """The style that most training images of a class have."""
        pairs = enumerate(zip(self.config.class_of_style, self.config.style_shares, strict=True))
        return max((share, -style) for style, (cls, share) in pairs if cls == label)[1] * -1

    @torch.inference_mode()
    def __call__(
        self,
        layouts: np.ndarray | torch.Tensor,
        class_labels: Sequence[int],
        styles: Sequence[int] | None = None,
        guidance_scale: float | Sequence[float] = 1.0,
        num_inference_steps: int = 18,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str = "pil",
        images: np.ndarray | None = None,
        strength: float = 1.0,
    ) -> ImagePipelineOutput:
        """Generates one image for each layout.

        Args:
            layouts: channels as `layouts.encode` makes them, float (N, n_objects, H, W) in [-1, 1].
            styles: one style an image, of its class; by default the most frequent one.
            guidance_scale: one number, or one an image, away from "no layout known"; 1 is no guidance.
            guidance_interval: the part of the steps that is guided, as shares from 0 (noise) to 1 (image).
            latents: standard normal noise in pixel space, float (N, C, H, W); drawn if None.
            output_type: "pil", "np" (float32 NHWC in [0, 1]), "uint8" (NHWC), "pt" (NCHW in [0, 1]).
            images: uint8 (N, H, W, C), which are generated again in place of new ones.
            strength: how far, as the share of the steps that they go through, above 0 and up to 1.

        Raises:
            ValueError: a class id out of range, or shapes that do not fit.
        """
        device, dtype, patch = self._execution_device, self.unet.dtype, int(self.config.patch_size)
        shown = torch.as_tensor(layouts, device=device, dtype=torch.float32)
        n, n_objects, height, width = shown.shape
        if n_objects != len(self.config.objects) or height % self.cell or width % self.cell:
            raise ValueError(
                f"layouts must have the shape (N, {len(self.config.objects)}, H, W) with H and W multiples of "
                f"{self.cell}, got {tuple(shown.shape)}"
            )
        if len(class_labels) != n or not all(0 <= label < len(self.classes) for label in class_labels):
            raise ValueError(f"needs {n} class ids from 0 to {len(self.classes) - 1}, got {list(class_labels)}")
        chosen = [self.most_frequent_style(label) for label in class_labels] if styles is None else list(styles)
        if [self.config.class_of_style[style] for style in chosen] != list(class_labels):
            raise ValueError(f"the styles {chosen} are not of the classes {list(class_labels)}")
        shape = (n, self.channels, height, width)
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        if latents.shape != shape:
            raise ValueError(f"latents must have the shape {shape}, got {tuple(latents.shape)}")
        if images is not None and images.shape != (n, height, width, self.channels):
            raise ValueError(f"images must have the shape {(n, height, width, self.channels)}, got {images.shape}")
        labels = torch.as_tensor(class_labels, device=device)
        embedded = torch.as_tensor(chosen, device=device)
        shown = F.pixel_unshuffle(shown, patch)
        hidden = torch.full_like(shown, HIDDEN)

        def evaluate(x: torch.Tensor, times: torch.Tensor, conditional: bool) -> torch.Tensor:
            seen = torch.cat([x, shown if conditional else hidden], dim=1).to(dtype)
            return self.unet(seen, times, embedded).sample.float()

        start, gamma = None, float(self.config.gamma)
        if images is not None:
            real = to_tensor(images).to(device).add(1).div(2).pow(gamma).mul(2).sub(1)
            start = F.pixel_unshuffle(real, patch), strength
        x = denoise(
            self.scheduler,
            F.pixel_unshuffle(latents.to(device, torch.float32), patch),
            evaluate,
            num_inference_steps,
            torch.as_tensor(guidance_scale, device=device, dtype=torch.float32).expand(n),
            guidance_interval,
            generator,
            self.progress_bar,
            start,
        )
        made = F.pixel_shuffle(x.float(), patch).div(2).add(0.5).clamp(0, 1).pow(1 / gamma)
        without_colour = torch.isin(labels, torch.tensor(self.config.grey, dtype=labels.dtype, device=device))
        made[without_colour] = made[without_colour].mean(1, keepdim=True)
        return ImagePipelineOutput(images=as_output(made, output_type))

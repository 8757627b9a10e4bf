"""The class-conditional image pipeline: a stock UNet in pixel-unshuffled space, any diffusers scheduler."""

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


class ClassConditionalPipeline(DiffusionPipeline):
    """Images of given classes, with classifier-free guidance.

    The UNet works on images whose `patch_size` x `patch_size` neighbourhoods were moved into
    channels. That is a permutation of the pixels, so white noise stays white and diffusion is the
    same process there; a convolution costs `patch_size`^2 times less. The UNet has one class
    embedding more than there are classes: the last stands for no class.

    Args:
        unet: in and out channels C * patch_size^2, `num_class_embeds` n_classes + 1.
        scheduler: any diffusers scheduler with `scale_model_input` and `step`.
        patch_size: side of the neighbourhoods.
        id2label: class names by id.
        padding: how the UNet's convolutions see beyond the border (`padding.padded`).
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: Any,
        patch_size: int = 1,
        id2label: dict[int | str, str] | None = None,
        padding: Padding = "zeros",
    ) -> None:
        super().__init__()
        self.register_modules(unet=padded(unet, padding), scheduler=scheduler)
        names = {str(i): name for i, name in (id2label or {}).items()}
        self.register_to_config(patch_size=patch_size, id2label=names, padding=padding)

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        return [name for _, name in sorted((int(i), name) for i, name in self.config.id2label.items())]

    @property
    def channels(self) -> int:
        return int(self.unet.config.in_channels) // int(self.config.patch_size) ** 2

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        size = self.unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return int(height * self.config.patch_size), int(width * self.config.patch_size)

    @property
    def resolution(self) -> int:
        """Side of the images in pixels; of rectangles, their height."""
        return self.shape[0]

    @property
    def cell(self) -> int:
        """Sides of images must be multiples of this many pixels."""
        return int(self.config.patch_size) * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @torch.inference_mode()
    def __call__(
        self,
        class_labels: Sequence[int],
        guidance_scale: float | Sequence[float] = 1.0,
        num_inference_steps: int = 18,
        guidance_interval: tuple[float, float] = (0.0, 1.0),
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        output_type: str = "pil",
        images: np.ndarray | None = None,
        strength: float = 1.0,
        second_labels: Sequence[int] | None = None,
        first_shares: Sequence[float] | None = None,
    ) -> ImagePipelineOutput:
        """Generates one image for each class id.

        Args:
            guidance_scale: one number, or one an image; 1 is no guidance and costs half as much.
            guidance_interval: the part of the steps that is guided, as shares from 0 (noise) to 1 (image).
                The first steps decide little but diversity and the last ones little but sharpness, so
                guiding those between costs less and keeps more variety (Kynkaanniemi et al. 2024).
            latents: standard normal noise in pixel space, float (N, C, H, W); drawn if None. The UNet is
                convolutional, so that H and W need not be those that were trained.
            images: uint8 (N, H, W, C), which are generated again in place of new ones.
            strength: how far, as the share of the steps that they go through, above 0 and up to 1.
            second_labels: class ids that images are also of, with `first_shares`, 0 to 1, of the first ones: what the
                network expects of both is averaged so, at twice the cost (Liu et al. 2022, "Compositional visual
                generation with composable diffusion models").
            output_type: "pil", "np" (float32 NHWC in [0, 1]), "uint8" (NHWC), "pt" (NCHW in [0, 1]).

        Raises:
            ValueError: a class id out of range, or latents of another shape.
        """
        n, n_classes = len(class_labels), len(self.classes)
        asked = [*class_labels, *(second_labels or ())]
        if not all(0 <= label < n_classes for label in asked):
            raise ValueError(f"class ids must be from 0 to {n_classes - 1}, got {asked}")
        if any(some is not None and len(some) != n for some in (second_labels, first_shares)):
            raise ValueError(f"second_labels and first_shares must have {n} entries, one for each image")
        height, width = self.shape if latents is None else latents.shape[-2:]
        shape = (n, self.channels, height, width)
        if images is not None and images.shape != (n, height, width, self.channels):
            raise ValueError(f"images must have the shape {(n, height, width, self.channels)}, got {images.shape}")
        device, dtype = self._execution_device, self.unet.dtype
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        if latents.shape != shape or height % self.cell or width % self.cell:
            raise ValueError(
                f"latents must have the shape {shape} with sides that are multiples of {self.cell}, "
                f"got {tuple(latents.shape)}"
            )
        labels = torch.as_tensor(class_labels, device=device)
        guidance = torch.as_tensor(guidance_scale, device=device, dtype=torch.float32).expand(n)
        null = torch.full_like(labels, n_classes)

        second, shares = None, torch.ones(n, 1, 1, 1, device=device)
        if second_labels is not None:
            second = torch.as_tensor(second_labels, device=device)
            shares = torch.as_tensor(first_shares, device=device, dtype=torch.float32).reshape(n, 1, 1, 1)

        def evaluate(x: torch.Tensor, times: torch.Tensor, conditional: bool) -> torch.Tensor:
            found: torch.Tensor = self.unet(x.to(dtype), times, labels if conditional else null).sample.float()
            if second is None or not conditional:
                return found
            return torch.lerp(self.unet(x.to(dtype), times, second).sample.float(), found, shares)

        start = None
        if images is not None:
            start = F.pixel_unshuffle(to_tensor(images).to(device), self.config.patch_size), strength
        x = denoise(
            self.scheduler,
            F.pixel_unshuffle(latents.to(device, torch.float32), self.config.patch_size),
            evaluate,
            num_inference_steps,
            guidance,
            guidance_interval,
            generator,
            self.progress_bar,
            start,
        )
        made = F.pixel_shuffle(x.float(), self.config.patch_size).div(2).add(0.5).clamp(0, 1)
        return ImagePipelineOutput(images=as_output(made, output_type))

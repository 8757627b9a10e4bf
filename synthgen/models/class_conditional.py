"""The class-conditional image pipeline: a stock UNet in pixel-unshuffled space, any diffusers scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, UNet2DModel
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch.nn import functional as F


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
    """

    def __init__(
        self, unet: UNet2DModel, scheduler: Any, patch_size: int = 1, id2label: dict[int | str, str] | None = None
    ) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)
        self.register_to_config(patch_size=patch_size, id2label={str(i): name for i, name in (id2label or {}).items()})

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        return [name for _, name in sorted((int(i), name) for i, name in self.config.id2label.items())]

    @property
    def channels(self) -> int:
        return int(self.unet.config.in_channels) // int(self.config.patch_size) ** 2

    @property
    def resolution(self) -> int:
        """Side of the images in pixels."""
        return int(self.unet.config.sample_size) * int(self.config.patch_size)

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
    ) -> ImagePipelineOutput:
        """Draws one image for each class id.

        Args:
            guidance_scale: one number, or one an image; 1 is no guidance and costs half as much.
            guidance_interval: the part of the steps that is guided, as shares from 0 (noise) to 1 (image).
                The first steps decide little but diversity and the last ones little but sharpness, so
                guiding those between costs less and keeps more variety (Kynkaanniemi et al. 2024).
            latents: standard normal noise in pixel space, float (N, C, H, W); drawn if None.
            output_type: "pil", "np" (float32 NHWC in [0, 1]), "uint8" (NHWC), "pt" (NCHW in [0, 1]).

        Raises:
            ValueError: a class id out of range, or latents of another shape.
        """
        n, n_classes = len(class_labels), len(self.classes)
        if not all(0 <= label < n_classes for label in class_labels):
            raise ValueError(f"class ids must be from 0 to {n_classes - 1}, got {list(class_labels)}")
        shape = (n, self.channels, self.resolution, self.resolution)
        device, dtype = self._execution_device, self.unet.dtype
        if latents is None:
            latents = randn_tensor(shape, generator=generator, device=device, dtype=torch.float32)
        if latents.shape != shape:
            raise ValueError(f"latents must have the shape {shape}, got {tuple(latents.shape)}")
        labels = torch.as_tensor(class_labels, device=device)
        guidance = torch.as_tensor(guidance_scale, device=device, dtype=torch.float32).expand(n)
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        x = F.pixel_unshuffle(latents.to(device, torch.float32), self.config.patch_size)
        x = x * self.scheduler.init_noise_sigma
        steps = {"generator": generator} if generator is not None else {}
        first, last = (share * num_inference_steps for share in guidance_interval)
        for i, t in enumerate(self.progress_bar(self.scheduler.timesteps)):
            scaled = self.scheduler.scale_model_input(x, t).to(dtype)
            scale = guidance if first <= i + 0.5 < last else torch.ones_like(guidance)
            output = self._guided(scaled, t, labels, scale)
            x = self.scheduler.step(output, t, x, **steps).prev_sample
        images = F.pixel_shuffle(x.float(), self.config.patch_size).div(2).add(0.5).clamp(0, 1)
        return ImagePipelineOutput(images=as_output(images, output_type))

    def _guided(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        """The network's output, extrapolated from no class to the class.

        Every scheduler's denoised image is affine in the output at a given x and t, with the same
        offset for both, so that guiding the output is guiding the denoised image.

        Source: Ho & Salimans 2022, eq. 6, with w + 1 written as the scale.
        """
        times = t.expand(len(x))
        conditional = self.unet(x, times, labels).sample.float()
        if bool((guidance == 1).all()):
            return conditional
        null = torch.full_like(labels, len(self.classes))
        unconditional = self.unet(x, times, null).sample.float()
        return unconditional + guidance[:, None, None, None] * (conditional - unconditional)


def as_output(images: torch.Tensor, output_type: str) -> Any:
    """Images NCHW in [0, 1] in the form that was asked for."""
    if output_type == "pt":
        return images
    array = images.permute(0, 2, 3, 1).cpu().numpy()
    if output_type == "np":
        return array
    pixels = np.round(array * 255).astype(np.uint8)
    if output_type == "uint8":
        return pixels
    if output_type == "pil":
        return [Image.fromarray(p[:, :, 0] if p.shape[2] == 1 else p) for p in pixels]
    raise ValueError(f"output_type must be pil, np, uint8 or pt (got {output_type!r})")

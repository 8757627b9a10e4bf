"""Classes by what a diffusion model sees: a linear head on activations of its frozen network.

Shapes: N images, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, DiffusionPipeline, ModelMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from synthgen import seeds as streams
from synthgen.models.finite import finite
from synthgen.models.images.classifier import to_tensor
from synthgen.models.images.padding import Padding, padded
from synthgen.models.sampling import noisy_input

SIGMAS = (0.1, 0.3, 0.6)
"""Noise levels at which activations are taken, where pixels are in [-1, 1]."""


class FeatureHead(ModelMixin, ConfigMixin):
    """Standardises features and maps them to logits (N, K); the means and deviations are those of training images."""

    @register_to_config
    def __init__(self, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("deviation", torch.ones(n_features))
        self.linear = nn.Linear(n_features, n_classes)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        seen = (features.double() - self.mean.double()) / self.deviation.double()
        logits = F.linear(seen, self.linear.weight.double(), self.linear.bias.double())
        return logits  # in double precision: rounding then does not depend on what else is in a batch


class FeatureClassifier(DiffusionPipeline):
    """Classifies images by what a class-conditional diffusion model makes of them, slightly noised, under "no class".

    Args:
        unet, scheduler, patch_size, padding: those of a `ClassConditionalPipeline`.
        head: for the features of this network.
        id2label: class names by id, which need not be those of the diffusion model.
        sigmas: noise levels.
        temperature: logits are divided by it; fitted on images that the head had not seen.
        range: values of images of more than 8 bits that were read as 0 and 255, if there were such.

    Source: Xiang et al. 2023, "Denoising diffusion autoencoders are unified self-supervised learners": pooled
    activations of the decoder at low noise separate classes.
    """

    def __init__(
        self,
        unet: UNet2DModel,
        scheduler: Any,
        head: FeatureHead,
        patch_size: int = 1,
        id2label: dict[int | str, str] | None = None,
        padding: Padding = "zeros",
        sigmas: Sequence[float] = SIGMAS,
        temperature: float = 1.0,
        range: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(unet=padded(unet, padding), scheduler=scheduler, head=head)
        if range is not None:
            self.register_to_config(range=list(range))
        names = {str(i): name for i, name in (id2label or {}).items()}
        self.register_to_config(
            patch_size=patch_size, id2label=names, padding=padding, sigmas=list(sigmas), temperature=temperature
        )

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        return [name for _, name in sorted((int(i), name) for i, name in self.config.id2label.items())]

    def predict_proba(self, images: np.ndarray) -> np.ndarray:
        """Class probabilities, float32 (N, K), of uint8 images (N, H, W, C)."""
        logits = self.logits(self.features(images)) / float(self.config.temperature)
        return finite(logits.softmax(1), "class probabilities").numpy()

    @torch.inference_mode()
    def logits(self, features: np.ndarray) -> torch.Tensor:
        """Logits (N, K) of features (N, F), before the temperature, on the CPU."""
        found: torch.Tensor = self.head(torch.from_numpy(features).to(self.head.device)).float().cpu()
        return found

    def features(self, images: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Features, float32 (N, F), of uint8 images (N, H, W, C) as `features_of` has them."""
        return features_of(
            self.unet, self.scheduler, images, int(self.config.patch_size), self.config.sigmas, batch_size
        )


@torch.inference_mode()
def features_of(
    unet: UNet2DModel,
    scheduler: Any,
    images: np.ndarray,
    patch_size: int,
    sigmas: Sequence[float] = SIGMAS,
    batch_size: int = 64,
) -> np.ndarray:
    """Means and maxima over places of what each block of the UNet puts out, at each noise level; float32 (N, F).

    The noise is the same for every image, and the class is the last one, "no class".

    Args:
        images: uint8 (N, H, W, C) of the network's channels, sides multiples of its cell.
    """
    found: list[torch.Tensor] = []

    def keep(_module: Any, _given: Any, out: Any) -> None:
        out = (out[0] if isinstance(out, tuple) else out).float()
        found.extend([out.mean((2, 3)), out.amax((2, 3))])

    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    hooks = [block.register_forward_hook(keep) for block in blocks if block is not None]
    parts, device = list[np.ndarray](), unet.device
    noise = torch.from_numpy(
        streams.normals([streams.seed_of(0, "features", 0)], (images.shape[3], *images.shape[1:3]))
    )
    try:
        for start in range(0, len(images), batch_size):
            x = to_tensor(images[start : start + batch_size])
            null = torch.full((len(x),), int(unet.config.num_class_embeds) - 1, device=device)
            for sigma in sigmas:
                noisy, time = noisy_input(scheduler, x, noise, sigma)
                unet(F.pixel_unshuffle(noisy.to(device), patch_size), time.to(device).expand(len(x)), null)
            parts.append(finite(torch.cat(found, 1), "activations").cpu().numpy())
            found.clear()
    finally:
        for hook in hooks:
            hook.remove()
    return np.concatenate(parts)

"""Image classifiers: filter models that score samples, and evaluators that only evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from synthgen.models.finite import finite


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut; `stride` 2 halves the side."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if same else nn.Conv2d(n_in, n_out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.body(x) + self.shortcut(x)
        return out.relu()


class ImageClassifier(ModelMixin, ConfigMixin):
    """A small CNN for images of one size.

    Args:
        id2label: class names by id.
        resolution: side of the images in pixels.
        channels: 1 grey, 3 RGB.
        kind: "plain" stacks convolutions and pools; "resnet" has shortcuts and strides.
        widths: channels of each stage; every stage but the first halves the side.
        temperature: logits are divided by it; fitted on validation data.
    """

    @register_to_config
    def __init__(
        self,
        id2label: dict[str, str],
        resolution: int,
        channels: int,
        kind: Literal["plain", "resnet"] = "plain",
        widths: tuple[int, ...] = (32, 64, 128),
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        n_in = channels
        for i, width in enumerate(widths):
            if kind == "plain":
                stages += [nn.Conv2d(n_in, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                stages += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
                stages += [nn.MaxPool2d(2)] if i < len(widths) - 1 else []
            else:
                stages += [Residual(n_in, width, 1 if i == 0 else 2), Residual(width, width, 1)]
            n_in = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(n_in, len(id2label))

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        labels: Mapping[Any, str] = self.config.id2label
        return [name for _, name in sorted((int(i), name) for i, name in labels.items())]

    def embed(self, x_bchw: torch.Tensor) -> torch.Tensor:
        """Features (B, widths[-1]), mean over places, of images in [-1, 1]."""
        out: torch.Tensor = self.stages(x_bchw).mean((2, 3))
        return out

    def forward(self, x_bchw: torch.Tensor) -> torch.Tensor:
        """Logits (B, n_classes) of images (B, C, H, W) in [-1, 1], before the temperature."""
        out: torch.Tensor = self.head(self.dropout(self.embed(x_bchw)))
        return out

    @torch.inference_mode()
    def predict_proba(self, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Class probabilities, float32 (N, n_classes), of uint8 images (N, H, W, C)."""
        temperature = float(self.config.temperature)
        return self._in_batches(images, batch_size, lambda x: (self(x) / temperature).softmax(1))

    @torch.inference_mode()
    def features(self, images: np.ndarray, batch_size: int = 256) -> np.ndarray:
        """Features, float32 (N, widths[-1]), of uint8 images (N, H, W, C)."""
        return self._in_batches(images, batch_size, self.embed)

    def _in_batches(self, images: np.ndarray, batch_size: int, function: Any) -> np.ndarray:
        parts = [
            finite(function(to_tensor(images[start : start + batch_size]).to(self.device)).float(), "outputs")
            .cpu()
            .numpy()
            for start in range(0, len(images), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 NHWC to float32 NCHW in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)

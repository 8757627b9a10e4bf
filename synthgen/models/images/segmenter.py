"""A small U-Net that finds objects: filter models, evaluators, and probes of a dataset's usefulness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers.configuration_utils import register_to_config

from synthgen.models.finite import finite
from synthgen.models.images.activations import Activations
from synthgen.models.images.unet import UNet, prepare
from synthgen.vision import layouts
from synthgen.vision.layouts import Layout


class Segmenter(UNet):
    """Class of every pixel and, by a distance channel, which object it belongs to; images of any size.

    Args:
        objects: names of the objects' classes, class ids from 1.
        widths: channels of each level, multiples of 8; every level but the first halves the side.
        class_losses: mean cross-entropy on held-out real pixels of each class, background first.
        stuff: names of those of `objects` that are regions without objects.
        features: of a diffusion model, as `activations.facts_of` has them; its activations are then seen beside the
            pixels.
        range: values of images of more than 8 bits that were read as 0 and 255, if there were such.
    """

    @register_to_config
    def __init__(
        self,
        objects: Sequence[str],
        widths: Sequence[int] = (24, 48, 96),
        class_losses: Sequence[float] = (),
        stuff: Sequence[str] = (),
        features: Mapping[str, Any] | None = None,
        range: Sequence[float] | None = None,
    ) -> None:
        super().__init__(widths, len(objects) + 2, n_in=3 + (widths[0] if features else 0))
        self.activations = Activations(features, widths[0]) if features else None
        if self.activations is not None:
            self.unit_px = math.lcm(self.unit_px, self.activations.cell)

    def forward(self, x_bchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits (B, n_objects + 1, H, W), background first, and distances (B, H, W) as in `layouts.encode`.

        H and W are multiples of `unit_px`; pixels as `pixels` makes them.
        """
        if self.activations is not None:
            x_bchw = torch.cat([x_bchw[:, :3], self.activations(x_bchw[:, 3:])], 1)
        out = self.maps(x_bchw)
        return out[:, :-1], out[:, -1]

    def pixels(self, images: np.ndarray) -> torch.Tensor:
        """As `unet.prepare` makes them, (N, 3, H, W); for a diffusion model also as they are, (N, 6, H, W)."""
        stretched = prepare(images)
        if self.activations is None:
            return stretched
        plain = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        return torch.cat([stretched, plain.expand(-1, 3, -1, -1)], 1)

    @torch.inference_mode()
    def outputs(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class probabilities (N, n_objects + 1, H, W) and distances (N, H, W) of uint8 images (N, H, W, C)."""
        height, width = images.shape[1:3]
        logits, distances = self(self.prepared(images))
        logits = finite(logits[:, :, :height, :width], "class logits")
        distances = finite(distances[:, :height, :width], "distances")
        return logits.float().softmax(1).cpu().numpy(), distances.float().cpu().numpy()

    def segment(self, images: np.ndarray) -> list[Layout]:
        """The objects and regions in uint8 images (N, H, W, C)."""
        return [layout for layout, _ in self.segment_surely(images)]

    def segment_surely(self, images: np.ndarray) -> list[tuple[Layout, float]]:
        """The objects and regions in uint8 images (N, H, W, C), and how sure they are: see `confidence`."""
        names = list(self.config.objects)
        regions = [names.index(name) + 1 for name in self.config.stuff]
        layouts = [(found(p, d, regions), p) for p, d in zip(*self.outputs(images), strict=True)]
        return [(layout, confidence(layout, p)) for layout, p in layouts]


def confidence(layout: Layout, probabilities: np.ndarray) -> float:
    """How sure a layout is, 0 to 1: the mean probability of its classes over the pixels of objects and regions.

    Of a layout without any, it is that of the background over all pixels.

    Args:
        probabilities: of classes, (n_objects + 1, H, W), background first.
    """
    of_class = np.take_along_axis(probabilities, layout.segmentation[None].astype(np.int64), 0)[0]
    inside = layout.segmentation > 0
    return float((of_class[inside] if inside.any() else of_class).mean(dtype=np.float64))


def found(probabilities: np.ndarray, distances: np.ndarray, stuff: Sequence[int] = ()) -> Layout:
    """The layout in class probabilities (n_objects + 1, H, W) and distances (H, W); `stuff` has no objects."""
    classes = probabilities.argmax(0)
    if len(stuff) == len(probabilities) - 1:
        return Layout(np.zeros(classes.shape, dtype=np.uint16), classes.astype(np.uint8))
    numbers = np.arange(1, len(probabilities))[:, None, None]
    seen = np.where(np.isin(classes, stuff), 1.0, np.maximum(distances, layouts.EDGE + 0.01))
    return layouts.decode(np.where(classes == numbers, seen, -1.0), stuff=stuff)

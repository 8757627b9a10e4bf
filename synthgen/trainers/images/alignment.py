"""Alignment: a frozen segmenter checks in training whether images follow their layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import Field
from torch.nn import functional as F

from synthgen.base.settings import Settings
from synthgen.errors import ModelError
from synthgen.fields import IGNORE
from synthgen.models import folders, registry
from synthgen.models.images.unet import normalised
from synthgen.models.losses import Denoised


class AlignmentSettings(Settings):
    """A loss on what a segmenter sees in nearly clean images."""

    model: str = Field(description="A segmenter of the same classes, which stays as it is; not the one that evaluates.")
    weight: float = Field(
        default=0.1, gt=0, le=10, description="What its cross-entropy counts beside the squared error."
    )
    max_sigma: float = Field(default=0.5, gt=0, le=10, description="Noisier images are not looked at.")


class Alignment:
    """The cross-entropy of a frozen segmenter on predicted clean images, against their layouts.

    Args:
        objects: the classes of the layouts, in id order.
        covered: layouts have no background: where no class is, it is unknown.
        gamma: of the pixels that the model sees.

    Raises:
        ModelError: the segmenter knows other classes.

    Source: Li et al. 2024, "Adversarial supervision makes layout-to-image diffusion models thrive", section 3.2; the
    segmenter is frozen here, and only images with little noise are looked at.
    """

    def __init__(
        self, settings: AlignmentSettings, objects: Sequence[str], covered: bool, gamma: float, device: str
    ) -> None:
        place = folders.resolve(settings.model)
        index = folders.check_class(place, settings.model, "Segmenter", "segmenter")
        if tuple(index["objects"]) != tuple(objects):
            known = ", ".join(index["objects"])
            raise ModelError(f"alignment.model: {settings.model} knows {known}; the data have {', '.join(objects)}")
        if index.get("features"):
            raise ModelError(
                f"alignment.model: {settings.model} sees more than pixels (`features`); one without is needed"
            )
        self.settings, self.covered, self.gamma = settings, covered, gamma
        self._network: Any = registry.load_network(place, device).requires_grad_(False)

    def losses(self, seen: Denoised, layout: torch.Tensor) -> torch.Tensor:
        """What is added to each sample's loss, (B,): 0 for noisy images and hidden layouts.

        Args:
            seen: predicted clean images (B, 3, H, W) in [-1, 1] and their noise levels.
            layout: channels (B, K, H, W) as `layouts.encode` makes them.
        """
        shown = layout.flatten(1).any(1) & (seen.sigma < self.settings.max_sigma)
        added = torch.zeros(len(layout), device=layout.device)
        if not shown.any():
            return added
        highest, best = layout[shown].max(1)
        nothing = IGNORE if self.covered else 0
        classes = torch.where(highest > -1, best + 1, nothing)
        pixels = seen.clean[shown].add(1).div(2).clamp(0, 1).clamp_min(1e-4).pow(1 / self.gamma)
        unit = self._network.unit_px
        height, width = pixels.shape[2:]
        padded = F.pad(normalised(pixels * 255), (0, -width % unit, 0, -height % unit), mode="replicate")
        logits, _ = self._network(padded)
        losses = F.cross_entropy(logits[:, :, :height, :width], classes, ignore_index=IGNORE, reduction="none")
        known = (classes != IGNORE).flatten(1).sum(1).clamp_min(1)
        added[shown] = self.settings.weight * losses.flatten(1).sum(1) / known
        return added

"""Classes of steps by what a diffusion model of series sees: a linear head on activations of its frozen network.

Shapes: N series, L steps, C channels, F features, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from diffusers import DiffusionPipeline

from synthgen import seeds as streams
from synthgen.models.finite import finite
from synthgen.models.images.feature_classifier import FeatureHead
from synthgen.models.series.denoiser import SeriesDenoiser
from synthgen.models.series.scaler import SeriesScaler

SIGMAS = (0.1, 0.5, 2.0)
"""Noise levels at which activations are taken, where a channel's deviation is about 1."""

BATCH = 64


class StepClassifier(DiffusionPipeline):
    """Says of each step of a series what is going on, by what a model of such series makes of it, slightly noised.

    Args:
        denoiser, scaler, scheduler: those of a `SeriesPipeline`.
        head: for the features of this network.
        of: the configuration of that pipeline: its channels, length, unit of time and what else it knows.
        step_classes: names, in the order of the logits.
        sigmas: noise levels.
        around: whether the head also sees what is around a step: the last two thirds of the features.
        temperature: logits are divided by it; fitted on steps that the head had not seen.
        reading: the settings of `data` with which the head's table was read, for tables like it.

    Source: Baranchuk et al. 2022, "Label-efficient semantic segmentation with diffusion models", which finds classes of
    pixels by activations so; here they are those of steps.
    """

    def __init__(
        self,
        denoiser: SeriesDenoiser,
        scaler: SeriesScaler,
        scheduler: Any,
        head: FeatureHead,
        of: dict[str, Any] | None = None,
        step_classes: Sequence[str] = (),
        sigmas: Sequence[float] = SIGMAS,
        around: bool = True,
        temperature: float = 1.0,
        reading: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(denoiser=denoiser, scaler=scaler, scheduler=scheduler, head=head)
        self.register_to_config(
            of=of or {},
            step_classes=list(step_classes),
            sigmas=list(sigmas),
            around=around,
            temperature=temperature,
            reading=reading or {},
        )

    @torch.inference_mode()
    def predict_proba(
        self, series: torch.Tensor, times: torch.Tensor, beside: Mapping[str, torch.Tensor]
    ) -> np.ndarray:
        """Probabilities of classes, float32 (N, L, K), of series (N, L, C) in units, NaN where missing.

        Args:
            times: float32 (N, L); beside: `covariates` (N, L, ...) and `static` (N, ...), if the model knows some.
        """
        features = features_of(self, series, times, beside, self.config.sigmas)
        features = features if self.config.around else own(features)
        logits = self.head(torch.from_numpy(features).to(self.device)) / float(self.config.temperature)
        chances = logits.softmax(-1)
        return finite(chances, "class probabilities").float().cpu().numpy()


@torch.inference_mode()
def features_of(
    pipeline: Any,
    series: torch.Tensor,
    times: torch.Tensor,
    beside: Mapping[str, torch.Tensor],
    sigmas: Sequence[float] = SIGMAS,
) -> np.ndarray:
    """What each block of the network puts out for the token of a step, at each noise level, and the step's own values.

    Behind them stand their means and deviations over all steps: what is around the step. The noise is the same for
    every series, and the class is the last one, "no class". float32 (N, L, F).

    Args:
        pipeline: a `SeriesPipeline`, or what has its denoiser, scaler and scheduler.
        series, times, beside: as for `StepClassifier.predict_proba`.
    """
    network, device = pipeline.denoiser, pipeline.device
    tokens: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _m, _given, out: tokens.append(out)) for block in network.blocks]
    x = pipeline.scaler.scale(series.to(device))
    length, n_scaled = x.shape[1:]
    noise = torch.from_numpy(streams.normals([streams.seed_of(0, "step features", 0)], (length, n_scaled))).to(device)
    spread, patch = float(pipeline.scheduler.config.sigma_data), int(network.config.patch)
    parts = []
    try:
        for start in range(0, len(x), BATCH):
            rows = slice(start, start + BATCH)
            some = x[rows]
            there, nothing = some.nan_to_num(), torch.full_like(some, torch.nan)
            labels = torch.full((len(some),), int(network.config.n_classes), device=device)
            given = {name: value[rows].to(device) for name, value in beside.items()}
            for sigma in sigmas:
                noisy = (there + sigma * noise) / math.hypot(sigma, spread)
                level = torch.full((len(some),), math.log(sigma) / 4, device=device)
                network(noisy, level, labels, times[rows].to(device), nothing, some.isnan(), **given)
            seen = torch.cat(tokens, -1).float().repeat_interleave(patch, 1)[:, :length]
            tokens.clear()
            each = torch.cat([seen, there.float()], -1)
            around = [each.mean(1, keepdim=True), each.std(1, keepdim=True)]
            parts.append(torch.cat([each, *(one.expand_as(each) for one in around)], -1).cpu().numpy())
    finally:
        for hook in hooks:
            hook.remove()
    return finite(torch.from_numpy(np.concatenate(parts)), "activations").numpy()


def own(features: np.ndarray) -> np.ndarray:
    """The part (..., F / 3) of `features_of` that is of the step itself."""
    return features[..., : features.shape[-1] // 3]

"""Stable Diffusion and Stable Diffusion XL as training sees them: latents of images, words, noise, the network.

Shape suffixes: B images, L words, D width of a word, P width of a pooled text, C h w latents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from synthgen.errors import DataError, ModelError
from synthgen.models import hub
from synthgen.models.hub import Reference
from synthgen.models.losses import min_snr
from synthgen.readers.images.captioned import CaptionedImages

TUNABLE = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
PREDICTIONS = ("epsilon", "v_prediction")


def check_class(name: str, what: str) -> None:
    """Raises ModelError if a pipeline of this class cannot be tuned."""
    if what not in TUNABLE:
        raise ModelError(
            f"base: {name} is a {what}; these can be tuned: {', '.join(TUNABLE)} (Stable Diffusion 1 and 2, Stable "
            "Diffusion XL, and models of their architecture)"
        )


def open_base(reference: Reference, dtype: torch.dtype, device: str) -> Any:
    """The base's pipeline on `device`, in evaluation mode, all of it frozen.

    Raises:
        ModelError: it cannot be loaded or tuned; lists what can be.
    """
    pipeline = hub.load_pipeline(reference, "Text2Image", dtype)
    check_class(reference.name, type(pipeline).__name__)
    if pipeline.unet.config.in_channels != pipeline.vae.config.latent_channels or pipeline.text_encoder is None:
        raise ModelError(
            f"base: {reference.name} is no plain text-to-image model: its network takes "
            f"{pipeline.unet.config.in_channels} channels and images have {pipeline.vae.config.latent_channels}"
        )
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(device).eval().requires_grad_(False)
    return pipeline


@dataclass(frozen=True, slots=True)
class Noise:
    """How the base was taught to remove noise: `signal` (T,) float64 is alpha^2 of each time, 1 - sigma^2."""

    signal: torch.Tensor
    prediction: str

    def noisy(self, x: torch.Tensor, times: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Noisy latents, and what the network should say of them, both of the shape of x (B, C, h, w).

        Source: Ho et al. 2020, eq. 4; Salimans & Ho 2022, appendix D (v).
        """
        signal = self.signal[times.cpu()].to(x.device).view(-1, 1, 1, 1)
        a, b = signal.sqrt().float(), (1 - signal).sqrt().float()
        return a * x + b * noise, noise if self.prediction == "epsilon" else a * noise - b * x

    def weights(self, times: torch.Tensor, gamma: float) -> torch.Tensor:
        """min-SNR weights of times (B,), float32 (B,)."""
        signal = self.signal[times.cpu()]
        return min_snr(signal / (1 - signal), gamma, self.prediction).float()


def noise_of(pipeline: Any, name: str) -> Noise:
    """The noise that the base's scheduler tells.

    Raises:
        ModelError: it was trained with another kind of noise, or to predict something else.
    """
    from diffusers import DDPMScheduler

    config = pipeline.scheduler.config
    prediction = config.get("prediction_type", "epsilon")
    if "beta_start" not in config or prediction not in PREDICTIONS:
        raise ModelError(
            f"base: {name} has a {type(pipeline.scheduler).__name__} that predicts {prediction}; models with a "
            f"schedule of betas can be tuned that predict {' or '.join(PREDICTIONS)}"
        )
    return Noise(DDPMScheduler.from_config(config).alphas_cumprod.double(), prediction)


@dataclass(frozen=True, slots=True)
class Words:
    """What the network sees of B captions: states (B, L, D) and, for SDXL, pooled (B, P)."""

    states: torch.Tensor
    pooled: torch.Tensor | None

    def to(self, device: str) -> Words:
        return Words(self.states.to(device), None if self.pooled is None else self.pooled.to(device))


def encode(pipeline: Any, captions: Sequence[str]) -> Words:
    """Captions as the pipeline itself encodes them, learnt words included. Gradients flow where they are wanted."""
    options = {"num_images_per_prompt": 1, "do_classifier_free_guidance": False}
    found = pipeline.encode_prompt(list(captions), device=pipeline.unet.device, **options)
    words = Words(found[0], found[2] if len(found) == 4 else None)
    if not getattr(pipeline.config, "force_zeros_for_empty_prompt", False) or all(captions):
        return words
    empty = torch.tensor([not caption for caption in captions], device=words.states.device)  # as its guidance has it
    states = words.states.masked_fill(empty[:, None, None], 0)
    return Words(states, None if words.pooled is None else words.pooled.masked_fill(empty[:, None], 0))


@dataclass(frozen=True, slots=True)
class Latents:
    """Images as the VAE sees them, float32 on the CPU: mean and deviation (V, B, C, h, w) of V views, and `sizes`.

    The views are the image and, if it may be mirrored, its mirror image. `sizes` (V, B, 6) float32 is what SDXL
    is conditioned on: original height and width, top and left of the cut, height and width.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    sizes: torch.Tensor
    shift: float
    scale: float

    def draw(self, views: torch.Tensor, rows: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Latents (B, C, h, w) as the network knows them, drawn from the VAE's distribution of each image."""
        mean, deviation = self.mean[views, rows], self.deviation[views, rows]
        return (mean + deviation * torch.randn(mean.shape, generator=random) - self.shift) * self.scale


@torch.no_grad()
def encode_pictures(pipeline: Any, images: CaptionedImages, flip: bool) -> Latents:
    """Each image encoded once, by itself, in float32: in 16 bits, SDXL's VAE overflows."""
    vae = pipeline.vae
    dtype = vae.dtype
    vae.to(torch.float32)
    means, deviations, sizes = [], [], []
    side = images.images.shape[1]
    for mirrored in (False, True)[: 1 + flip]:
        pixels = images.images[:, :, ::-1] if mirrored else images.images
        found = [vae.encode(_as_input(image, vae.device)).latent_dist for image in pixels]
        means.append(torch.cat([one.mean.cpu() for one in found]))
        deviations.append(torch.cat([one.std.cpu() for one in found]))
        size = np.concatenate([images.cuts, np.full((len(images), 2), side)], axis=1)
        if mirrored:
            scaled = np.round(size[:, 1] * side / size[:, :2].min(1)).astype(int)
            size[:, 3] = scaled - side - size[:, 3]
        sizes.append(torch.from_numpy(size.astype(np.float32)))
    vae.to(dtype)
    shift = float(getattr(vae.config, "shift_factor", None) or 0.0)
    stacked = torch.stack(means), torch.stack(deviations), torch.stack(sizes)
    return Latents(*stacked, shift, float(vae.config.scaling_factor))


def _as_input(image: np.ndarray, device: Any) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None]
    return tensor.float().div(127.5).sub(1)


def check_side(pipeline: Any, side: int) -> None:
    """Raises DataError if images of this side do not fit the VAE's and the network's levels."""
    unit = pipeline.vae_scale_factor * 2 ** (len(pipeline.unet.config.block_out_channels) - 1)
    if side % unit:
        raise DataError(
            f"resolution: must be a multiple of {unit} for this base (got {side}); "
            f"set it to {max(unit, side // unit * unit)}"
        )


def check_captions(pipeline: Any, captions: Sequence[str], files: Sequence[str]) -> None:
    """Raises DataError, naming the files, if a tokenizer would cut captions off."""
    tokenizers = [part for name, part in pipeline.components.items() if name.startswith("tokenizer") and part]
    problems = []
    for caption, file in zip(captions, files, strict=True):
        for tokenizer in tokenizers:
            prompt = pipeline.maybe_convert_prompt(caption, tokenizer)
            n, limit = len(tokenizer(prompt)["input_ids"]), tokenizer.model_max_length
            if n > limit:
                problems.append(
                    f"{file}: its caption has {n} tokens and the model reads {limit}; shorten it: {caption}"
                )
                break
    if problems:
        raise DataError(*problems[:20], *([f"and {len(problems) - 20} more"] if problems[20:] else []))


def predict(pipeline: Any, noisy: torch.Tensor, times: torch.Tensor, words: Words, sizes: torch.Tensor) -> torch.Tensor:
    """The network's output (B, C, h, w) float32 for noisy latents at integer times (B,)."""
    more: dict[str, Any] = {}
    if words.pooled is not None:
        more["added_cond_kwargs"] = {"text_embeds": words.pooled, "time_ids": sizes}
    dtype = pipeline.unet.dtype
    output: torch.Tensor = pipeline.unet(noisy.to(dtype), times, words.states.to(dtype), **more).sample
    return output.float()

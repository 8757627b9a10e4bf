"""What the text-to-image pipelines of diffusers take and give, by family: one row a family."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Unscale = Callable[[Any, Any, int, int], Any]


@dataclass(frozen=True, slots=True)
class Family:
    """How the pipelines whose class names begin alike are called.

    Attributes:
        embeddings: what `encode_prompt` returns, by the names that the call takes; None is not passed on.
            Empty if prompts are passed as texts.
        guidance: the argument that says how closely to follow the prompt.
        negative: how a negative prompt is given: "with" the prompt, "apart" in a call of its own, or not at all.
        batched: whether samples can share a call without a trace: embeddings have one length, whatever the prompt.
        product: guidance is a factor in a sum of two predictions (classifier-free), not an input of the network.
        unscaled: (pipeline, latents, height, width) -> what the VAE decodes; None if it is not known.
    """

    embeddings: tuple[str | None, ...] = ()
    guidance: str = "guidance_scale"
    negative: Literal["with", "apart", "no"] = "with"
    batched: bool = False
    product: bool = True
    unscaled: Unscale | None = None


def family_of(pipeline: Any) -> Family:
    """The family of a pipeline; one that is not in the table is called with texts, one sample at a time."""
    name = type(pipeline).__name__
    return next((family for pattern, family in FAMILIES.items() if re.match(pattern, name)), Family())


def _scaled(pipeline: Any, latents: Any, height: int, width: int) -> Any:
    return latents / pipeline.vae.config.scaling_factor


def _scaled_or_normal(pipeline: Any, latents: Any, height: int, width: int) -> Any:
    import torch

    config = pipeline.vae.config
    if not (getattr(config, "latents_mean", None) and getattr(config, "latents_std", None)):
        return latents / config.scaling_factor
    like = {"device": latents.device, "dtype": latents.dtype}
    mean, std = (torch.tensor(v, **like).view(1, -1, 1, 1) for v in (config.latents_mean, config.latents_std))
    return latents * std / config.scaling_factor + mean


def _shifted(pipeline: Any, latents: Any, height: int, width: int) -> Any:
    return latents / pipeline.vae.config.scaling_factor + pipeline.vae.config.shift_factor


def _unpacked(pipeline: Any, latents: Any, height: int, width: int) -> Any:
    return _shifted(pipeline, pipeline._unpack_latents(latents, height, width, pipeline.vae_scale_factor), 0, 0)


_PAIR = ("prompt_embeds", "negative_prompt_embeds")
_POOLED = (*_PAIR, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

FAMILIES: Mapping[str, Family] = {
    "StableDiffusionXL": Family(_POOLED, batched=True, unscaled=_scaled_or_normal),
    "StableDiffusion3": Family(_POOLED, batched=True, unscaled=_shifted),
    "StableDiffusion": Family(_PAIR, batched=True, unscaled=_scaled),
    "Flux(?!2)": Family(
        ("prompt_embeds", "pooled_prompt_embeds", None), negative="no", batched=True, product=False, unscaled=_unpacked
    ),
    "QwenImage": Family(("prompt_embeds", "prompt_embeds_mask"), guidance="true_cfg_scale", negative="apart"),
    "ZImage": Family(_PAIR),
}
"""By a pattern that class names begin with; the first that fits counts.

Source: `encode_prompt` and `__call__` of these pipelines in diffusers 0.42.
"""

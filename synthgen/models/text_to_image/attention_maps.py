"""Where a Stable Diffusion UNet looks for the words of a prompt: its attention probabilities for one image.

Shapes: C channels of the latents, T tokens of the padded prompt, h x w cells of the self-attention map, N = h * w.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from synthgen.models.finite import finite


@dataclass(frozen=True, slots=True)
class Maps:
    """Attention of one image, means over heads, layers and noise levels, float32 on the UNet's device.

    `cross` (T, h, w): which share of its attention a cell gives to each token; the shares of a cell add up to 1.
    `own` (N, N): which share cell i gives to cell j; rows add up to 1.
    """

    cross: torch.Tensor
    own: torch.Tensor


@dataclass(frozen=True, slots=True)
class Layer:
    """An attention layer of a UNet; `scale` is how many latent cells a side one of its cells covers."""

    name: str
    is_cross: bool
    scale: int


def layers(unet: Any) -> list[Layer]:
    """The attention layers of a UNet2DConditionModel, those over pixels and those over words."""
    n_levels = len(unet.config.down_block_types)
    found = []
    for name, module in unet.named_modules():
        place = re.match(r"(down_blocks\.(\d+)|mid_block|up_blocks\.(\d+))\.", name)
        if place and name.endswith((".attn1", ".attn2")) and hasattr(module, "get_attention_scores"):
            down, up = place[2], place[3]
            level = int(down) if down else n_levels - 1 - int(up or 0)
            found.append(Layer(name, bool(module.is_cross_attention), 2**level))
    return found


def probabilities(attn: Any, states: torch.Tensor, words: torch.Tensor | None) -> Iterator[torch.Tensor]:
    """softmax(Q K^T / sqrt(d)) of each head, (queries, keys) each, for one image's states (1, queries, channels).

    Head by head, so that never more than one head's map is in memory, and in float32 whatever the network's format:
    an image changes even shares by less than bfloat16 can tell.
    """
    if words is None:
        words = states
    elif attn.norm_cross:
        words = attn.norm_encoder_hidden_states(words)
    query, key = attn.head_to_batch_dim(attn.to_q(states)), attn.head_to_batch_dim(attn.to_k(words))
    for one_query, one_key in zip(query.split(1), key.split(1), strict=True):
        yield attn.get_attention_scores(one_query.float(), one_key.float())[0]


class Recorder:
    """Adds up attention probabilities while a UNet runs: one sum a kind and scale, whatever the number of layers.

    Used as a context: inside it, the chosen layers have a processor that takes notes and calls the layer's own, so that
    the UNet's output is what it was; after it, every layer has its own processor again.
    """

    def __init__(self, unet: Any, chosen: Sequence[Layer]) -> None:
        self._unet = unet
        self._chosen = {layer.name: layer for layer in chosen}
        self._before: dict[str, Any] = {}
        self._sums: dict[tuple[bool, int], torch.Tensor] = {}
        self._counts: dict[tuple[bool, int], int] = {}

    def __enter__(self) -> Recorder:
        for name in self._chosen:
            module = self._unet.get_submodule(name)
            self._before[name] = module.processor
            module.set_processor(_Noting(module.processor, self._note(self._chosen[name])))
        return self

    def __exit__(self, *error: object) -> None:
        for name, processor in self._before.items():
            self._unet.get_submodule(name).set_processor(processor)
        self._before.clear()

    def _note(self, layer: Layer) -> Callable[[Any, torch.Tensor, torch.Tensor | None], None]:
        key = (layer.is_cross, layer.scale)

        def note(attn: Any, states: torch.Tensor, words: torch.Tensor | None) -> None:
            for one in probabilities(attn, states, words):
                if key in self._sums:
                    self._sums[key] += one
                else:
                    self._sums[key] = one
                self._counts[key] = self._counts.get(key, 0) + 1

        return note

    def mean(self, is_cross: bool, scale: int) -> torch.Tensor:
        """The mean over heads, layers and calls, (queries, keys)."""
        return finite(self._sums[is_cross, scale] / self._counts[is_cross, scale], "attention probabilities")


class _Noting:
    """An attention processor that takes notes of what the layer sees and leaves the work to another processor."""

    def __init__(self, inner: Any, note: Callable[[Any, torch.Tensor, torch.Tensor | None], None]) -> None:
        self._inner, self._note = inner, note

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        **more: Any,
    ) -> torch.Tensor:
        self._note(attn, hidden_states, encoder_hidden_states)
        return self._inner(attn, hidden_states, encoder_hidden_states, attention_mask, **more)


def object_map(maps: Maps, tokens: Sequence[int], power: int, size: tuple[int, int]) -> np.ndarray:
    """Where the words at `tokens` are, float32 (H, W) in 0 to 1: their mean attention, spread, scaled up and stretched.

    Spreading is a product with the `power`-th power of the self attention; a map without contrast becomes 0.

    Source: Nguyen et al. 2023, "Dataset Diffusion".
    """
    attended = maps.cross[list(tokens)].mean(0)
    spread = attended.flatten()
    for _ in range(power):
        spread = maps.own @ spread
    large = _scaled(spread.view_as(attended), size)
    low, high = large.min(), large.max()
    return ((large - low) / (high - low) if high > low else torch.zeros_like(large)).cpu().numpy()


def presence(maps: Maps, tokens: Sequence[int], region: np.ndarray) -> float:
    """How much the pixels of `region`, bool (H, W), attend to each of the words at `tokens`, in times the even share.

    1 is what every token of the prompt would get if attention said nothing, padding counted. It is not stretched, and
    so it is the same whatever other images or classes are asked for. 0 for an empty region.
    """
    if not region.any():
        return 0.0
    attended = _scaled(maps.cross[list(tokens)].mean(0), region.shape).cpu().numpy()
    return float(attended[region].mean() * len(maps.cross))


def _scaled(one: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return F.interpolate(one[None, None], tuple(size), mode="bilinear", align_corners=False)[0, 0]

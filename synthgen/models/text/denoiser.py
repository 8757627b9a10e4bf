"""The network of the text model: a bidirectional transformer that says what stands behind each mask, and how many
masks a segment needs.

Shapes: B records, L tokens, D width, V tokens of the vocabulary.
"""

from __future__ import annotations

import sys

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional as F

from synthgen.models.attention import attend
from synthgen.models.positions import rotations, sinusoids
from synthgen.models.text.records import Layout

LOUD = 0.3
"""Standard deviation of embeddings before training. With 0.02, as is usual in larger models, a toy of
translations was not learned at all in 1,000 steps of the smallest; with this it began to be in 500."""

SAVED_AS = "synthgen.models.text_denoiser"
"""This module's name in saved models, where it is part of their hash; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]


class TextDenoiser(ModelMixin, ConfigMixin):
    """Logits (B, L, V) of every token, from all that are not masked, and of the lengths of segments.

    Segments are read beside each other: the rotary embedding of half of the heads counts from the beginning of each,
    that of the others from the record's, so that they know what stands beside what where texts are in several segments.
    Queries and keys have the same length before they are compared: without that, and with Muon, attention became
    one-hot in the first block, and masks did not see what stands beside them. A token also knows the role of its
    segment, its number in the record, and how many tokens of the segment follow. How much is masked is not an input:
    what is masked shows it.

    A segment whose length is not known has no tokens but that of its role, at which its length is predicted.

    Args:
        n_tokens: V; n_roles: roles of segments; n_segments: segments of a record, at most.
        n_lengths: lengths of a segment, from 0.
        width: D, a multiple of 2 * n_heads.

    Source: Sahoo et al. 2024 (masked diffusion language models), Nie et al. 2025 (LLaDA): a plain bidirectional
    transformer without a time input; Su et al. 2021 (rotary embedding); Henry et al. 2020 and Dehghani et al. 2023
    (normalised queries and keys).
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        n_tokens: int,
        n_roles: int,
        n_segments: int,
        n_lengths: int,
        width: int = 192,
        n_blocks: int = 4,
        n_heads: int = 6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(n_tokens, width)
        self.roles = nn.Embedding(n_roles, width)
        self.segments = nn.Embedding(n_segments, width)
        self.place = nn.Linear(width, width)
        self.rest = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, n_heads, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(n_tokens))
        self.lengths = nn.Linear(width, n_lengths)
        self.drop = nn.Dropout(dropout)
        for table in (self.tokens, self.roles, self.segments):
            nn.init.normal_(table.weight, std=LOUD)

    def forward(self, layout: Layout) -> torch.Tensor:
        return self.token_logits(self.states(layout))

    def token_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits (..., V) of what stands there."""
        return F.linear(states, self.tokens.weight, self.bias)

    def length_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Logits (..., n_lengths) of how long a segment is, at the tokens of its role."""
        found: torch.Tensor = self.lengths(states)
        return found

    def states(self, layout: Layout) -> torch.Tensor:
        """What the last block makes of each token, (B, L, D)."""
        width = self.tokens.weight.shape[1]
        numbers = layout.segments.clamp_max(int(self.config.n_segments) - 1)
        x = self.drop(
            self.tokens(layout.tokens)
            + self.roles(layout.roles)
            + self.segments(numbers)
            + self.place(sinusoids(layout.places, width))
            + self.rest(sinusoids(_sizes(layout) - layout.places, width))
        )
        turns = self._turns(layout)
        mask = layout.real[:, None, None, :]
        for block in self.blocks:
            x = block(x, turns, mask)
        states: torch.Tensor = self.norm(x)
        return states

    def _turns(self, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (B, heads, L, D / heads / 2) of the rotary embedding."""
        n_heads = int(self.config.n_heads)
        width = self.tokens.weight.shape[1] // n_heads
        in_segment = rotations(layout.places, width)
        record = torch.arange(layout.places.shape[1], device=layout.places.device).expand_as(layout.places)
        halves, n = zip(in_segment, rotations(record, width), strict=True), n_heads // 2
        cos, sin = (torch.cat([a.expand(-1, n, -1, -1), b.expand(-1, n_heads - n, -1, -1)], 1) for a, b in halves)
        return cos, sin


def _sizes(layout: Layout) -> torch.Tensor:
    """How many tokens the segment of each token has, without that of its role, int64 (B, L)."""
    inside = (layout.real & (layout.places > 0)).long()
    n = torch.zeros_like(layout.segments).scatter_add_(1, layout.segments, inside)
    return n.gather(1, layout.segments)


class Block(nn.Module):
    """Attention over all tokens and a feed-forward layer."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norms = nn.ModuleList(nn.RMSNorm(width // n_heads) for _ in range(2))
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        x = x + self.drop(self.attend(self.before(x), turns, mask))
        fed: torch.Tensor = x + self.drop(self.feed(self.between(x)))
        return fed

    def attend(self, x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor) -> torch.Tensor:
        merged: torch.Tensor = self.merge(attend(self.qkv(x), self.n_heads, turns, mask, self.norms))
        return merged

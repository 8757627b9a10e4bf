"""The network of the series model: a transformer whose tokens are time steps, or a few of them.

Shapes: B samples, L time steps, C scaled channels, K covariates, S static numbers, D width.
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
from synthgen.models.series.cells import SeriesCells

SAVED_AS = "synthgen.models.series_denoiser"
"""This module's name in saved models, where it is part of their hash; diffusers looks it up among imported modules."""
sys.modules[SAVED_AS] = sys.modules[__name__]


class SeriesDenoiser(ModelMixin, ConfigMixin):
    """The raw output of an EDM-preconditioned denoiser for series, (B, L, C).

    A token holds `patch` steps: their noisy channels, what is known of them (observed values, covariates), and
    the real time of the first. The noise level, the class and static numbers scale and shift every block.

    Args:
        n_channels: scaled channels C.
        n_covariates: numbers K that are known at every step.
        n_static: numbers S that are known of a whole series.
        n_classes: class ids are 0 to n_classes - 1; n_classes stands for no class.
        width: D, a multiple of 2 * n_heads.
        patch: steps in a token; attention costs patch^2 times less, and times within a token count as regular.
        interval: time between two steps in the unit of `times`; the rotary embedding counts in it.
        wide: whether every channel has a small network of its own beside the tokens; models of earlier versions may
            have none.
        dropout: share of what a block adds to its tokens that is left out in training.
        level_shifts: whether it is given of which series the levels may be others than those of the training data.

    Source: Peebles & Xie 2023 (adaLN-Zero blocks); Su et al. 2021 (rotary embedding).
    """

    __module__ = SAVED_AS

    @register_to_config
    def __init__(
        self,
        n_channels: int,
        n_covariates: int = 0,
        n_static: int = 0,
        n_classes: int = 1,
        width: int = 64,
        n_blocks: int = 3,
        n_heads: int = 4,
        patch: int = 1,
        interval: float = 1.0,
        wide: bool = False,
        dropout: float = 0.0,
        level_shifts: bool = False,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(patch * (4 * n_channels + n_covariates), width)
        self.place = nn.Linear(width, width)
        self.level = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.classes = nn.Embedding(n_classes + 1, width)
        self.static = nn.Linear(2 * n_static, width) if n_static else None
        for name, n in (("covariate_units", n_covariates), ("static_units", n_static)):
            if n:
                self.register_buffer(name, torch.tensor([[0.0], [1.0]]).repeat(1, n))
        self.blocks = nn.ModuleList(Block(width, n_heads, dropout) for _ in range(n_blocks))
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.shift = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, patch * n_channels)
        self.cells = SeriesCells(n_channels, width, patch) if wide else None
        for layer in (self.shift, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        # Classes must be as loud as noise levels from the first step on, or rare ones are drawn like the common one.
        nn.init.normal_(self.classes.weight, std=1.0 if n_classes > 1 else 0.02)
        self.shifted = nn.Parameter(torch.randn(width)) if level_shifts else None

    @torch.no_grad()
    def set_units(self, covariates: torch.Tensor, static: torch.Tensor, shares: torch.Tensor | None = None) -> None:
        """Takes units from covariates (R, K) and static numbers (N, S), NaN where unknown; saved with the weights.

        Args:
            shares: of the windows of each of E entities (E,), whose columns of zeros and ones are the last of n_static.
        """
        for name, given in (("covariate_units", covariates), ("static_units", static)):
            if n := given.shape[-1]:
                rounding, numbers = 8 * torch.finfo(given.dtype).eps, given.double()
                known = ~numbers.isnan()
                count = known.sum(0).clamp_min(1)
                mean = numbers.nan_to_num().sum(0) / count
                deviation = (torch.where(known, numbers - mean, 0.0).square().sum(0) / count).sqrt()
                # Of a constant, rounding of the mean is all that is left.
                same = deviation <= rounding * mean.abs()
                getattr(self, name)[:, :n].copy_(torch.stack([mean, torch.where(same, 1.0, deviation)]))
        if shares is not None and len(shares):
            self.static_units[:, -len(shares) :].copy_(torch.stack([shares, (shares * (1 - shares)).sqrt()]))

    def forward(
        self,
        noisy: torch.Tensor,
        level: torch.Tensor,
        labels: torch.Tensor,
        times: torch.Tensor,
        known: torch.Tensor,
        absent: torch.Tensor,
        covariates: torch.Tensor | None = None,
        static: torch.Tensor | None = None,
        real: torch.Tensor | None = None,
        shifted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            noisy: preconditioned noisy channels (B, L, C).
            level: preconditioned noise level (B,).
            labels: class ids (B,).
            times: real time of each step (B, L).
            known: observed values (B, L, C), NaN where a value is to be generated.
            absent: True (B, L, C) where a value is neither known nor wanted: the loss leaves it out.
            covariates: (B, L, K); static: (B, S), NaN where unknown.
            real: True (B, L) at steps that exist, False at padding; None if all do.
            shifted: True (B,) for series whose levels may be others than those of the training data; None if none are.
        """
        is_known = ~known.isnan()
        wanted = ~(is_known | absent)
        seen = [noisy * wanted, known.nan_to_num(), is_known.to(noisy.dtype), absent.to(noisy.dtype)]
        if covariates is not None:
            seen.append(standardised(covariates, self.covariate_units))
        width, patch = int(self.config.width), int(self.config.patch)
        n_steps = noisy.shape[1]
        every_step = times / self.config.interval
        steps = every_step[:, ::patch] / patch
        x = self.embed(folded(torch.cat(seen, -1), patch)) + self.place(sinusoids(steps, width))
        condition = self.level(sinusoids(level * 250, width)) + self.classes(labels)
        if self.static is not None:
            assert static is not None
            numbers = standardised(static, self.static_units)
            unknown = numbers.isnan()
            condition = condition + self.static(torch.cat([numbers.nan_to_num(), unknown.to(numbers.dtype)], -1))
        if self.shifted is not None and shifted is not None:
            condition = condition + shifted[:, None] * self.shifted
        turns = rotations(steps, width // int(self.config.n_heads))
        mask = None if real is None else real[:, None, None, ::patch]
        condition = F.silu(condition)
        for block in self.blocks:
            x = block(x, condition, turns, mask)
        shift, scale = self.shift(condition)[:, None].chunk(2, -1)
        x = self.norm(x) * (1 + scale) + shift
        drawn: torch.Tensor = self.out(x)
        drawn = drawn.reshape(len(drawn), -1, int(self.config.n_channels))[:, :n_steps]
        if self.cells is not None:
            drawn = drawn + self.cells(noisy * wanted, known, absent, every_step, x, condition)
        return drawn


def standardised(numbers: torch.Tensor, units: torch.Tensor) -> torch.Tensor:
    """Numbers (..., K) less their mean and over their deviation, units (2, K); the mean of float64 ones in float64."""
    if numbers.dtype == torch.float64:
        return ((numbers - units[0].double()) / units[1].double()).float()
    return ((numbers.float() - units[0]) / units[1]).to(numbers.dtype)


def folded(x: torch.Tensor, patch: int) -> torch.Tensor:
    """Steps (B, L, F) in tokens (B, L / patch, patch * F); the last token is filled up with zeros."""
    if patch == 1:
        return x
    x = F.pad(x, (0, 0, 0, -x.shape[1] % patch))
    return x.reshape(len(x), x.shape[1] // patch, -1)


class Block(nn.Module):
    """Attention over time and a feed-forward layer, each scaled, shifted and gated by the condition."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.drop = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        x: torch.Tensor,
        condition: torch.Tensor,
        turns: tuple[torch.Tensor, torch.Tensor],
        mask: torch.Tensor | None,
    ) -> torch.Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation(condition)[:, None].chunk(6, -1)
        x = x + gate_a * self.drop(self.attend(self.norm(x) * (1 + scale_a) + shift_a, turns, mask))
        return x + gate_f * self.drop(self.feed(self.norm(x) * (1 + scale_f) + shift_f))

    def attend(
        self, x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor | None
    ) -> torch.Tensor:
        found: torch.Tensor = self.merge(attend(self.qkv(x), self.n_heads, turns, mask))
        return found

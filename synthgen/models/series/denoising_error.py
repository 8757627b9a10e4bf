"""How far series lie from what a model of series makes of them, cell by cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from synthgen.models.finite import finite

BATCH = 64
"""Series that go through the network together, whatever the size of a caller's batch: so memory is bounded."""


def hidden_in_turns(length: int, block: int | None) -> torch.Tensor:
    """True (turns, L) where steps are hidden, each step in just one turn.

    Two turns that hide every second block of `block` steps (half of the series if it is shorter than two blocks), or
    one turn that hides all if `block` is None.
    """
    if block is None:
        return torch.ones(1, length, dtype=torch.bool)
    owner = torch.arange(length) // min(block, -(-length // 2)) % 2
    return owner[None, :] == torch.arange(2)[:, None]


def deviations(
    pipeline: Any,
    series: torch.Tensor,
    hidden: torch.Tensor,
    sigma: Sequence[float],
    noise: torch.Tensor,
    labels: torch.Tensor,
    times: torch.Tensor,
    more: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    """What denoised estimates are off by, (N, L, C), without a unit, NaN where a value is missing.

    In every turn the hidden cells get noise of each level, and the network estimates them from themselves and from
    all that is known elsewhere. Noise comes in pairs of opposite signs, whose mean cancels most of what it does to
    the estimate. A cell's number is the mean over levels of |value - mean estimate| / min(sigma, 1), where values and
    sigma are in scaled units, in which a channel's deviation is about 1. Of a channel with a gate it is the root of
    the sum of the squares of the value's and the gate's.

    Args:
        series: (N, L, C) in units, NaN where missing.
        hidden: True (turns, L); every step in one turn.
        sigma: noise levels.
        noise: standard normal (N, draws, L, scaled channels).
        labels: class ids (N,); times: (N, L); more: `covariates` (N, L, K) and `static` (N, S), if the model has them.

    Source: Karras et al. 2022, eq. 7 (the preconditioned denoiser). The estimate less the value at one level is
    sigma^2 times the score of the noisy density (Vincent 2011, "A connection between score matching and denoising
    autoencoders"), which is large where the model holds the value for unlikely.
    """
    x = pipeline.scaler.scale(series)
    found = torch.zeros_like(x)
    for start in range(0, len(x), BATCH):
        rows = slice(start, start + BATCH)
        fixed = {"labels": labels[rows], "times": times[rows], **{name: value[rows] for name, value in more.items()}}
        for level in sigma:
            for turn in hidden[:, None, :, None]:
                off = (_mean_estimate(pipeline, x[rows], turn, level, noise[rows], fixed) - x[rows]).abs()
                found[rows] += torch.where(turn, off, 0.0) / min(level, 1.0) / len(sigma)
    return _by_channel(found, pipeline.scaler.owners, series.shape[-1])


def _mean_estimate(
    pipeline: Any, x: torch.Tensor, hidden: torch.Tensor, level: float, noise: torch.Tensor, fixed: Mapping[str, Any]
) -> torch.Tensor:
    """The denoised scaled series (B, L, S), mean over both signs of all draws."""
    n_channels = int(pipeline.scaler.config.n_channels)
    shown = pipeline.scaler.shown(~hidden.expand(*x.shape[:2], n_channels))
    known, absent, there = torch.where(shown, x, torch.nan), x.isnan(), x.nan_to_num()
    spread = float(pipeline.scheduler.config.sigma_data)
    total = math.hypot(level, spread)
    logarithm = torch.full((len(x),), math.log(level) / 4, device=x.device)
    estimates = torch.zeros_like(there)
    for draw in range(noise.shape[1]):
        for sign in (1, -1):
            noisy = there + sign * level * noise[:, draw]
            output = pipeline.denoiser(noisy / total, logarithm, known=known, absent=absent, **fixed).float()
            finite(output, "denoised numbers")
            estimates += (spread / total) ** 2 * noisy + level * spread / total * output
    return estimates / (2 * noise.shape[1])


def _by_channel(found: torch.Tensor, owners: Sequence[int], n_channels: int) -> torch.Tensor:
    """A channel's value and its gates as one number; a missing one is missing, but for a gate of the first step."""
    squares = found[..., :n_channels].square()
    for place, channel in enumerate(owners[n_channels:], n_channels):
        squares[..., channel] += found[..., place].nan_to_num().square()
    return squares.sqrt()

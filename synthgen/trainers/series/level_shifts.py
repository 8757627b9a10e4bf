"""Channels that are moved and stretched in training, so that what is completed follows levels that were never seen."""

from __future__ import annotations

import torch

WINDOWS, CHANNELS = 0.5, 0.5
"""In how many of the windows part of which is shown channels are moved, and of those how many."""

STRETCH = 0.2
"""Standard deviation of the logarithm of the factors by which they are stretched, with moves of 1."""

ENOUGH, ENOUGH_CELLS = 0.25, 4
"""A channel whose level shows has so much of its cells shown, and so many: others need what is common."""


def move(
    x: torch.Tensor,
    missing: torch.Tensor,
    shown: torch.Tensor,
    free: torch.Tensor,
    size: float,
    random: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled windows (B, L, C), some with channels that are moved and stretched as a whole; and which those are, (B,).

    A network that learns from few months what follows what also learns their levels, and in another season goes by
    those instead of by what it is shown. Channels move in windows that show enough of them, since nothing else would
    tell their level. The network sees in which windows channels may have moved, so that others keep their levels.

    Args:
        missing: true (B, L, C) where there is no value; shown: where the network sees it.
        free: true (C,) for channels without a floor or values that hold a share to themselves.
        size: standard deviation of the moves, in those of the channels; they are stretched in proportion.
    """
    n_shown, n_there = shown.sum(1), (~missing).sum(1)
    tells = (n_shown >= ENOUGH * n_there) & (n_shown >= ENOUGH_CELLS)
    windows = shown.any(1).any(1) & (torch.rand(len(x), generator=random) < WINDOWS)
    chosen = windows[:, None] & (torch.rand(tells.shape, generator=random) < CHANNELS)
    by, factor = size * torch.randn(2, *tells.shape, generator=random)
    mean = (x * ~missing).sum(1) / n_there.clamp_min(1)
    there = (tells & free & chosen)[:, None] & ~missing
    moved = (x - mean[:, None]) * (STRETCH * factor).exp()[:, None] + (mean + by)[:, None]
    return torch.where(there, moved, x), windows

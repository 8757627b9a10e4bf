"""Channels that are moved and stretched in training, so that what is completed follows levels that were never seen."""

from __future__ import annotations

import torch

SHARE = 0.5
"""Of the windows part of which is shown, in how many a channel is moved."""

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
) -> torch.Tensor:
    """Scaled windows (B, L, C), in which some channels of which enough is shown are moved and stretched as a whole.

    A network that learns from few months what follows what also learns their levels, and in another season goes by
    those instead of by what it is shown. Windows that are generated whole are left as they are: nothing else would
    tell their level.

    Args:
        missing: true (B, L, C) where there is no value; shown: where the network sees it.
        free: true (C,) for channels without a floor or values that hold a share to themselves.
        size: standard deviation of the moves, in those of the channels; they are stretched in proportion.
    """
    n_shown, n_there = shown.sum(1), (~missing).sum(1)
    tells = (n_shown >= ENOUGH * n_there) & (n_shown >= ENOUGH_CELLS)
    chosen = torch.rand(tells.shape, generator=random) < SHARE
    by, factor = size * torch.randn(2, *tells.shape, generator=random)
    mean = (x * ~missing).sum(1) / n_there.clamp_min(1)
    there = (tells & free & chosen)[:, None] & ~missing
    moved = (x - mean[:, None]) * (STRETCH * factor).exp()[:, None] + (mean + by)[:, None]
    return torch.where(there, moved, x)

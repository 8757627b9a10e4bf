"""Numbers as vectors: sines and cosines, and the rotary embedding of places in attention.

Source: Vaswani et al. 2017; Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding".
"""

from __future__ import annotations

import math

import torch


def sinusoids(x: torch.Tensor, width: int) -> torch.Tensor:
    """Sines and cosines (..., width) of numbers (...) at wavelengths from 2 pi to 20,000 pi."""
    half = width // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = x[..., None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


def rotations(steps: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines (B, 1, L, width / 2) of the rotary embedding at real-valued steps (B, L)."""
    half = width // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half, device=steps.device, dtype=torch.float32) / half)
    angles = steps[:, None, :, None].float() * frequencies
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, turns: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Pairs of (B, heads, L, width) turned by the angles."""
    cos, sin = (t.to(x.dtype) for t in turns)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

"""Exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import nn


class Ema:
    """Averaged copies of all parameters and buffers, float32.

    The decay rises with the step as (1 + step) / (10 + step) up to `decay`, so that early
    weights are forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averaged.append(self.values[name])
                current.append(value)
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def copy_to(self, model: nn.Module) -> None:
        """Puts the averages into `model`, which has the same shape as the one averaged."""
        model.load_state_dict(self.values)

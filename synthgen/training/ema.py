"""Exponential moving average of the weights that a training changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """All that a training may change: the state of `model` without its frozen parameters.

    Of a network with an adapter, these are the adapter's few weights. They share memory with the model's.
    """
    frozen = {name for name, p in model.named_parameters(remove_duplicate=False) if not p.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def put(values: dict[str, torch.Tensor], model: nn.Module) -> None:
    """Puts such weights into a model of the same shape with the same parameters frozen.

    Raises:
        KeyError: it has other weights to train.
    """
    wrong = set(values) ^ set(weights(model))
    if wrong:
        raise KeyError(f"weights of another network, such as {min(wrong)}")
    model.load_state_dict(values, strict=False)


class Ema:
    """Averaged copies of `weights(model)`, float32.

    The decay rises with the step as (1 + step) / (10 + step) up to `decay`, so that early
    weights are forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone() for name, value in weights(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = [], []
        for name, value in weights(model).items():
            if value.is_floating_point():
                averaged.append(self.values[name])
                current.append(value)
            else:
                self.values[name].copy_(value)
        torch._foreach_lerp_(averaged, current, 1 - decay)

    def copy_to(self, model: nn.Module) -> None:
        """Puts the averages into `model`, which has the same shape as the one averaged."""
        put(self.values, model)

    @contextmanager
    def inside(self, model: nn.Module) -> Iterator[None]:
        """`model` has the averages for a while: for networks too large to hold twice."""
        own = {name: value.clone() for name, value in weights(model).items()}
        self.copy_to(model)
        try:
            yield
        finally:
            put(own, model)

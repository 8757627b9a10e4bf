"""Optimisers of trainings: AdamW, or Muon for the matrices between embeddings and outputs."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import nn


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Parameters that are not frozen."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def adamw(parameters: Iterable[nn.Parameter], config: Any) -> torch.optim.AdamW:
    """AdamW with the rate and decay of a training's settings."""
    return torch.optim.AdamW(
        parameters, config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
    )


def muon(model: nn.Module, config: Any, hidden: str) -> Several:
    """Muon for the matrices whose names start with `hidden`, AdamW for everything else.

    Source: Jordan et al. 2024 (Muon: momentum whose matrices are made orthogonal); as there, embeddings, outputs,
    biases and gains are left to AdamW.
    """
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    matrices = [parameter for name, parameter in named if name.startswith(hidden) and parameter.ndim == 2]
    of_matrices = {id(parameter) for parameter in matrices}
    others = [parameter for _, parameter in named if id(parameter) not in of_matrices]
    return Several(
        torch.optim.Muon(matrices, config.muon_learning_rate, weight_decay=config.weight_decay), adamw(others, config)
    )


class Several:
    """Optimisers of different parameters as one, whose state is saved and loaded as that of one."""

    def __init__(self, *optimisers: torch.optim.Optimizer) -> None:
        self.optimisers = optimisers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return list(chain.from_iterable(one.param_groups for one in self.optimisers))

    def step(self) -> None:
        for one in self.optimisers:
            one.step()

    def zero_grad(self) -> None:
        for one in self.optimisers:
            one.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """State by the number of a parameter among those of all optimisers, as one optimiser has it."""
        state: dict[int, Any] = {}
        groups, first = [], 0
        for one in self.optimisers:
            own = one.state_dict()
            state |= {first + number: value for number, value in own["state"].items()}
            groups += [{**group, "params": [first + n for n in group["params"]]} for group in own["param_groups"]]
            first += _n_parameters(one)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        first = 0
        for one in self.optimisers:
            end = first + _n_parameters(one)
            own = {number - first: value for number, value in state_dict["state"].items() if first <= number < end}
            one.load_state_dict({"state": own, "param_groups": one.state_dict()["param_groups"]})
            first = end


Optimiser = torch.optim.Optimizer | Several


def _n_parameters(optimiser: torch.optim.Optimizer) -> int:
    return sum(len(group["params"]) for group in optimiser.param_groups)

"""The network of the discriminative and the predictive score: TensorFlow 1's GRU cell and a dense layer; how it and
other small networks are fitted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

LEARNING_RATE = 1e-3
ROWS = 4096


class Recurrent(nn.Module):
    """One GRU layer from state zero and a dense(1) on its states: (N, L, C) to logits (N, L).

    It differs from `torch.nn.GRU` as the original's cell does: the reset gate acts on the state before
    the matrix product, both gates start with bias 1, and kernels are Glorot-uniform.

    Source: TensorFlow 1.15, `rnn_cell_impl.GRUCell` and `layers.dense` with their defaults, which TimeGAN's
    and Diffusion-TS's `discriminative_metric` and `predictive_metric` build.
    """

    def __init__(self, n_in: int, hidden: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.hidden = hidden
        self.gates = glorot(n_in + hidden, 2 * hidden, rng)
        self.gates_bias = nn.Parameter(torch.ones(2 * hidden))
        self.candidate = glorot(n_in + hidden, hidden, rng)
        self.candidate_bias = nn.Parameter(torch.zeros(hidden))
        self.dense = glorot(hidden, 1, rng)
        self.dense_bias = nn.Parameter(torch.zeros(1))

    def forward(self, x_nlc: torch.Tensor) -> torch.Tensor:
        x_lnc = x_nlc.transpose(0, 1)
        n_in = x_lnc.shape[2]
        of_gates = (x_lnc @ self.gates[:n_in] + self.gates_bias).unbind(0)
        of_candidate = (x_lnc @ self.candidate[:n_in] + self.candidate_bias).unbind(0)
        to_gates, to_candidate = self.gates[n_in:], self.candidate[n_in:]
        state = x_nlc.new_zeros(len(x_nlc), self.hidden)
        states = []
        for gates, candidate in zip(of_gates, of_candidate, strict=True):
            reset, update = torch.sigmoid(torch.addmm(gates, state, to_gates)).chunk(2, dim=1)
            new = torch.tanh(torch.addmm(candidate, reset * state, to_candidate))
            state = torch.lerp(new, state, update)
            states.append(state)
        return (torch.stack(states, dim=1) @ self.dense + self.dense_bias).squeeze(2)


def glorot(n_in: int, n_out: int, rng: np.random.Generator) -> nn.Parameter:
    """Weights (n_in, n_out), uniform within sqrt(6 / (n_in + n_out)).

    Source: Glorot and Bengio 2010, eq. 16.
    """
    most = np.sqrt(6 / (n_in + n_out))
    return nn.Parameter(torch.from_numpy(rng.uniform(-most, most, (n_in, n_out)).astype(np.float32)))


def hidden_of(channels: int) -> int:
    """Units of the published network: half the channels, rounded down, but one at least."""
    return max(channels // 2, 1)


def fit(
    network: nn.Module, loss: Callable[[], torch.Tensor], iterations: int, learning_rate: float = LEARNING_RATE
) -> None:
    """Steps of Adam, but for the rate with its defaults, on what `loss` returns, a new batch at every call."""
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    for _ in range(iterations):
        optimiser.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def batch(data: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
    """`size` different rows of `data`, or all of them if there are fewer."""
    picked = rng.choice(len(data), min(size, len(data)), replace=False)
    return data[torch.from_numpy(picked).to(data.device)]


@torch.inference_mode()
def logits(network: nn.Module, data: torch.Tensor) -> torch.Tensor:
    """What a network makes of windows (N, L, C), such as logits (N, L), a few thousand at a time."""
    return torch.cat([network(rows) for rows in data.split(ROWS)])  # type: ignore[no-untyped-call]


def to_device(windows: np.ndarray, device: str) -> torch.Tensor:
    """float32 windows as a tensor on `device`."""
    return torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32)).to(device)

"""The evaluator's cell against its equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synthgen.measures.series import recurrent

RNG = np.random.default_rng(0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_the_cell_is_that_of_tensorflow_1() -> None:
    """[r, u] = sigmoid([x, h] W + b); c = tanh([x, r h] V + d); h' = u h + (1 - u) c."""
    network = recurrent.Recurrent(3, 5, RNG)
    with torch.no_grad():
        network.candidate_bias += 0.3
        network.dense_bias += 0.7
    w, v, dense = (p.detach().numpy() for p in (network.gates, network.candidate, network.dense))
    x = RNG.normal(0, 1, (2, 7, 3)).astype(np.float32)
    state = np.zeros((2, 5))
    wanted = []
    for t in range(7):
        gates = sigmoid(np.concatenate([x[:, t], state], 1) @ w + 1)
        reset, update = gates[:, :5], gates[:, 5:]
        state = update * state + (1 - update) * np.tanh(np.concatenate([x[:, t], reset * state], 1) @ v + 0.3)
        wanted.append(state @ dense[:, 0] + 0.7)
    found = recurrent.logits(network, torch.from_numpy(x)).numpy()
    assert found == pytest.approx(np.stack(wanted, 1), abs=1e-5)


def test_the_published_width() -> None:
    assert [recurrent.hidden_of(channels) for channels in (1, 2, 5, 6, 28)] == [1, 1, 2, 3, 14]


def test_a_batch_holds_no_window_twice() -> None:
    data = torch.arange(20.0)
    assert len(set(recurrent.batch(data, 12, RNG).tolist())) == 12
    assert sorted(recurrent.batch(data, 128, RNG).tolist()) == data.tolist()

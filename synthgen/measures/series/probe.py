"""The downstream probe for series: a small convolutional classifier under a fixed budget."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STEPS, BATCH_SIZE, LEARNING_RATE = 600, 64, 2e-3


def network(channels: int, n_classes: int) -> nn.Module:
    """Three stages of convolution over time, the mean over time, one linear layer; any length."""

    def stage(n_in: int, n_out: int) -> list[nn.Module]:
        return [
            nn.Conv1d(n_in, n_out, 7, padding=3, bias=False),
            nn.BatchNorm1d(n_out),
            nn.ReLU(),
            nn.MaxPool1d(2, ceil_mode=True),
        ]

    stages = [*stage(2 * channels, 32), *stage(32, 64), *stage(64, 64)]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, n_classes))


def train(windows: np.ndarray, labels: np.ndarray, n_classes: int, seed: int, steps: int = STEPS) -> nn.Module:
    """A trained probe; every batch draws each class that is there equally often, which rare classes need.

    Args:
        windows: float32 (N, L, C), scaled, NaN where missing; labels: int64 (N,).

    The learning rate follows a cosine to zero; no checkpoint is chosen, so no test data is needed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(windows.shape[2], n_classes).train()
        x, y = to_tensor(windows), torch.from_numpy(labels.astype(np.int64))
        weights = (1 / torch.bincount(y).clamp_min(1).double())[y]
        optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            picked = torch.multinomial(weights, BATCH_SIZE, replacement=True)
            loss = F.cross_entropy(model(x[picked]), y[picked])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def probabilities(model: nn.Module, windows: np.ndarray) -> np.ndarray:
    """Probabilities of the classes, float32 (N, classes)."""
    starts = range(0, len(windows), 512)
    found: np.ndarray = torch.cat([model(to_tensor(windows[i : i + 512])).softmax(1) for i in starts]).numpy()
    return found


def to_tensor(windows: np.ndarray) -> torch.Tensor:
    """(N, L, C) with NaN to (N, 2C, L): values, 0 where missing, and which of them are there."""
    x = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32)).transpose(1, 2)
    return torch.cat([x.nan_to_num(), (~x.isnan()).float()], 1)

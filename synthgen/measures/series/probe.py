"""The downstream probe for series: a small convolutional classifier under a fixed budget."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthgen.measures.averaging import averaged
from synthgen.measures.settings import Way

STEPS, BATCH_SIZE, LEARNING_RATE = 600, 64, 2e-3
NOISE, STRETCH = 0.02, 0.1
"""Deviations of what `jittered` adds to values, in units of them, and of the factor that a window is stretched by."""


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


def train(
    windows: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    seed: int,
    way: Way,
    weights: np.ndarray | None = None,
) -> nn.Module:
    """A trained probe; every batch draws each class that is there equally often, which rare classes need.

    Args:
        windows: float32 (N, L, C), scaled, NaN where missing; labels: int64 (N,).
        way: number of steps, and whether windows are changed (`jitter`) or weights `averaged`.
        weights: how likely each window is to be drawn among those of its class, (N,); None is all alike.

    The learning rate follows a cosine to zero; no checkpoint is chosen, so no test data is needed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(windows.shape[2], n_classes).train()
        x, y = to_tensor(windows), torch.from_numpy(labels.astype(np.int64))
        own = torch.ones(len(y)).double() if weights is None else torch.from_numpy(weights).double()
        chances = own / torch.bincount(y, own).clamp_min(1e-12)[y]
        optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, way.steps)
        mean = averaged(model, way.steps) if way.trick == "averaged" else None
        for _ in range(way.steps):
            picked = torch.multinomial(chances, BATCH_SIZE, replacement=True)
            seen = jittered(x[picked]) if way.trick == "jitter" else x[picked]
            loss = F.cross_entropy(model(seen), y[picked])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if mean is not None:
                mean.update_parameters(model)
    made: nn.Module = model if mean is None else mean.module
    return made.eval()


def jittered(x: torch.Tensor) -> torch.Tensor:
    """Windows (B, 2C, L) as the network sees them, each with noise and stretched by a factor; missing values stay 0.

    Source: Um et al. 2017, "Data augmentation of wearable sensor data for Parkinson's disease monitoring".
    """
    values, there = x.chunk(2, 1)
    factor = 1 + STRETCH * torch.randn(len(x), values.shape[1], 1)
    return torch.cat([(values * factor + NOISE * torch.randn_like(values)) * there, there], 1)


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

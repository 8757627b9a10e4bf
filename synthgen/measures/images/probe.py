"""The downstream probe: a small CNN trained on some images under a fixed budget, tested on real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from synthgen.measures.averaging import averaged
from synthgen.measures.images import tricks
from synthgen.measures.settings import Way

STEPS = 2000
BATCH_SIZE = 64
LEARNING_RATE = 2e-3
SHIFT_PX = 2


@dataclass(frozen=True, slots=True)
class Budget(Way):
    """What every probe gets, whatever it is trained on: equal steps, batches, augmentation, and one trick or none."""

    steps: int = STEPS
    batch_size: int = BATCH_SIZE
    learning_rate: float = LEARNING_RATE
    shift_px: int = SHIFT_PX


def network(channels: int, n_classes: int) -> nn.Module:
    """Two 3x3 convolution stages with batch normalisation, then one hidden layer; any input size."""

    def stage(n_in: int, n_out: int) -> list[nn.Module]:
        return [
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]

    return nn.Sequential(
        *stage(channels, 32),
        *stage(32, 64),
        nn.AdaptiveAvgPool2d(7),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(64 * 49, 128),
        nn.ReLU(),
        nn.Dropout(0.25),
        nn.Linear(128, n_classes),
    )


def train(
    images: np.ndarray,
    labels: np.ndarray,
    n_classes: int,
    seed: int,
    budget: Budget,
    weights: np.ndarray | None = None,
) -> nn.Module:
    """A trained probe.

    Args:
        images: uint8, (N, H, W, C).
        labels: class ids, int64 (N,), or soft labels, float (N, n_classes).
        weights: how much each image counts beside the others, (N,), from 0 on; by default all the same.
        seed: of the initial weights, the order and the shifts.

    The learning rate follows a cosine to zero; no checkpoint is chosen, so no test data is needed.
    """
    trick = budget.trick
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = network(images.shape[3], n_classes)
        x_all = to_tensor(images)
        y_all = torch.from_numpy(labels.astype(np.int64 if labels.ndim == 1 else np.float32))
        shares = y_all if labels.ndim == 2 else F.one_hot(y_all, n_classes).float()
        counts = None if weights is None else torch.from_numpy(weights / max(weights.mean(), 1e-12)).float()
        prior = tricks.log_prior(shares, counts) if trick == "adjusted" else torch.zeros(n_classes)
        rows = torch.arange(len(x_all))
        if trick == "oversampled":
            rows = torch.from_numpy(tricks.oversampled(shares.argmax(1).numpy(), seed))
        optimiser = torch.optim.AdamW(model.parameters(), lr=budget.learning_rate, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, budget.steps)
        mean = averaged(model, budget.steps) if trick == "averaged" else None
        order = rows[torch.randperm(len(rows))]
        at = 0
        model.train()
        for _ in range(budget.steps):
            if at + budget.batch_size > len(order):
                order, at = rows[torch.randperm(len(rows))], 0
            picked = order[at : at + budget.batch_size]
            at += budget.batch_size
            x, y = shifted(x_all[picked], budget.shift_px), y_all[picked]
            if trick == "cutout":
                x = tricks.cutout(x)
            elif trick == "mixup":
                x, y = tricks.mixup(x, shares[picked])
            loss = F.cross_entropy(model(x) + prior, y, reduction="none")
            loss = (loss if counts is None else loss * counts[picked]).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if mean is not None:
                mean.update_parameters(model)
    made: nn.Module = model if mean is None else mean.module
    return made.eval()


def shifted(x_bchw: torch.Tensor, most_px: int) -> torch.Tensor:
    """Each image moved by up to `most_px` pixels both ways; the edge is repeated."""
    if most_px == 0:
        return x_bchw
    n, _, height, width = x_bchw.shape
    padded = F.pad(x_bchw, [most_px] * 4, mode="replicate")
    down, right = torch.randint(0, 2 * most_px + 1, (2, n)).tolist()
    return torch.stack(
        [padded[i, :, y : y + height, x : x + width] for i, (y, x) in enumerate(zip(down, right, strict=True))]
    )


def predict(model: nn.Module, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Class ids, int64 (N,), of uint8 images (N, H, W, C)."""
    found: np.ndarray = probabilities(model, images, batch_size).argmax(1)
    return found


@torch.inference_mode()
def probabilities(model: nn.Module, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Probabilities of classes, float32 (N, K), of uint8 images (N, H, W, C)."""
    starts = range(0, max(len(images), 1), batch_size)
    return np.concatenate([model(to_tensor(images[i : i + batch_size])).softmax(1).numpy() for i in starts])


def to_tensor(images: np.ndarray) -> torch.Tensor:
    """uint8 NHWC to float32 NCHW in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)

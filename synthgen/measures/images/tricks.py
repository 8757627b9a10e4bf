"""Tricks that make more of few images, or of classes that are rare among them, without any new ones.

They are what generated images have to be better than, so each can be given to all networks that are compared.
Shapes: B images, K classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.distributions import Beta

MIXUP_ALPHA = 0.2
"""That of the source on large photos: most pairs are near one of the two."""


def cutout(x: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W) in [-1, 1], each with a square of half the side set to grey, partly outside at the border.

    Source: DeVries and Taylor 2017, "Improved regularization of convolutional neural networks with cutout".
    """
    height, width = x.shape[-2:]
    rows, columns = (torch.arange(side) - torch.randint(side, (len(x), 1)) for side in (height, width))
    inside = (rows.abs() <= height // 4)[:, None, :, None] & (columns.abs() <= width // 4)[:, None, None, :]
    return x.masked_fill(inside, 0.0)


def mixup(x: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, C, H, W) and their shares of classes (B, K), each blended with those of another image.

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization".
    """
    part = float(Beta(MIXUP_ALPHA, MIXUP_ALPHA).sample())
    others = torch.randperm(len(x))
    return part * x + (1 - part) * x[others], part * shares + (1 - part) * shares[others]


def oversampled(labels: np.ndarray, seed: int) -> np.ndarray:
    """Rows of which each class has as many as the most frequent one, its images repeated equally often."""
    random = np.random.default_rng(seed)
    rows = [random.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    most = max(map(len, rows), default=0)
    return np.concatenate([np.resize(one, most) for one in rows])


def log_prior(shares: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Logarithm of how frequent each class is, (K,), of shares of classes (N, K) and of how much each counts, (N,).

    Added to logits in the loss, it makes a network say what it would if all classes were as frequent.
    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", equation 10.
    """
    counted = shares if weights is None else shares * (weights / weights.mean())[:, None]
    return counted.mean(0).clamp_min(1e-6).log()

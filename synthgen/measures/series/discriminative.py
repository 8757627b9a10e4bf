"""Discriminative score: how well a small recurrent network tells synthetic windows from real ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional as F

from synthgen.measures.series import recurrent
from synthgen.measures.series.windows import check, some, stream

ITERATIONS = 2000
BATCH_SIZE = 128
TRAIN_SHARE = 0.8
STRONG_HIDDEN = 64


def discriminative_score(
    real: np.ndarray,
    synthetic: np.ndarray,
    seed: int,
    hidden: int | None = None,
    iterations: int = ITERATIONS,
    device: str = "cpu",
) -> float:
    """|accuracy - 1/2| of the evaluator on windows it was not trained on: 0 (cannot tell) to 0.5 (always right).

    A random 80 % of each set trains it with batches of 128 real and 128 synthetic windows; the rest tests it.
    The larger set is first cut to a random part of the smaller one's size, so that chance is 1/2.

    Args:
        real: float32, (N, L, C), scaled by the caller.
        synthetic: the same for (M, L, C).
        seed: of the split, the first weights and the batches.
        hidden: units of the evaluator; None is the published half of the channels, `STRONG_HIDDEN` a stronger one.

    Raises:
        DataError: the windows cannot be compared.

    Source: Yoon et al. 2019, "Time-series generative adversarial networks", and the code of TimeGAN
    (`metrics/discriminative_metrics.py`) and Diffusion-TS (`Utils/discriminative_metric.py`): the
    evaluator reads all L steps and decides on its last state.
    """
    check(real, synthetic)
    rng = stream(seed, "discriminative")
    n = min(len(real), len(synthetic))
    train_real, test_real = halves(recurrent.to_device(some(real, n, rng), device), rng)
    train_fake, test_fake = halves(recurrent.to_device(some(synthetic, n, rng), device), rng)
    channels = real.shape[2]
    evaluator = recurrent.Recurrent(channels, hidden or recurrent.hidden_of(channels), rng).to(device)

    def loss() -> torch.Tensor:
        a = recurrent.batch(train_real, BATCH_SIZE, rng)
        b = recurrent.batch(train_fake, BATCH_SIZE, rng)
        is_real, is_fake = evaluator(torch.cat([a, b]))[:, -1].split([len(a), len(b)])
        return F.softplus(-is_real).mean() + F.softplus(is_fake).mean()

    recurrent.fit(evaluator, loss, iterations)
    right = (recurrent.logits(evaluator, test_real)[:, -1] > 0).sum() + (
        recurrent.logits(evaluator, test_fake)[:, -1] <= 0
    ).sum()
    return abs(int(right) / (len(test_real) + len(test_fake)) - 0.5)


def halves(data: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A random 80 % of the rows for training, and the rest."""
    order = torch.from_numpy(rng.permutation(len(data))).to(data.device)
    n_train = int(len(data) * TRAIN_SHARE)
    return data[order[:n_train]], data[order[n_train:]]


def n_test(n_real: int, n_synthetic: int) -> int:
    """Windows that the evaluator is tested on, real and synthetic together."""
    n = min(n_real, n_synthetic)
    return 2 * (n - int(n * TRAIN_SHARE))


def floor(n_test: int) -> float:
    """The mean score of a perfect generator, which is not 0 because the test set is finite.

    If real and synthetic windows cannot be told apart, each of `n_test` answers is right with probability
    1/2. The accuracy is then about normal with mean 1/2 and deviation 1 / (2 sqrt(n)), and the mean of
    |N(0, s)| is s sqrt(2 / pi): together 0.399 / sqrt(n). `n_test` counts real and synthetic test windows
    together: 10,000 windows of each give 4,000 and .0063, 3,662 give 1,466 and .0104.

    It takes the answers as independent. Windows of stride 1 overlap, so scores of real against real
    windows may lie on either side of it: print both.
    """
    return 1 / math.sqrt(2 * math.pi * n_test)

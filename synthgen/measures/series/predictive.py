"""Predictive score: error on real windows of a one-step-ahead predictor trained on synthetic ones."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from synthgen.measures.series import recurrent
from synthgen.measures.series.windows import check, stream

ITERATIONS = 5000
BATCH_SIZE = 128


def predictive_score(
    real: np.ndarray, synthetic: np.ndarray, seed: int, iterations: int = ITERATIONS, device: str = "cpu"
) -> float:
    """Mean absolute error on `real` of a network trained on `synthetic`, in the windows' own units.

    It sees channels 0 to C-2 up to step t and predicts channel C-1 at step t+1, for every t, through a
    sigmoid: values must be scaled to [0, 1]. With one channel, which the original has no answer for, it
    sees that channel itself. The score saturates at that of real windows (`real` given twice): it finds
    bad generators and does not rank good ones.

    Args:
        real: float32, (N, L, C), L >= 2.
        synthetic: the same for (M, L, C).
        seed: of the first weights and the batches.

    Raises:
        DataError: the windows cannot be compared.

    Source: Yoon et al. 2019, and the code of TimeGAN (`metrics/predictive_metrics.py`) and Diffusion-TS
    (`Utils/predictive_metric.py`).
    """
    check(real, synthetic, least=1)
    rng = stream(seed, "predictive")
    channels = real.shape[2]
    train, test = recurrent.to_device(synthetic, device), recurrent.to_device(real, device)
    network = recurrent.Recurrent(max(channels - 1, 1), recurrent.hidden_of(channels), rng).to(device)

    def loss() -> torch.Tensor:
        rows = recurrent.batch(train, BATCH_SIZE, rng)
        return (torch.sigmoid(network(seen(rows))) - wanted(rows)).abs().mean()

    recurrent.fit(network, loss, iterations)
    predicted = torch.sigmoid(recurrent.logits(network, seen(test)))
    return float(nn.functional.l1_loss(predicted.double(), wanted(test).double()))


def seen(x_nlc: torch.Tensor) -> torch.Tensor:
    """What the predictor reads: all steps but the last, all channels but the last."""
    return x_nlc[:, :-1, : max(x_nlc.shape[2] - 1, 1)]


def wanted(x_nlc: torch.Tensor) -> torch.Tensor:
    """What it predicts, (N, L-1): the last channel, one step later."""
    return x_nlc[:, 1:, -1]

"""TS2Vec: a dilated convolution encoder of windows, fitted by contrast without labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from synthgen.errors import DataError
from synthgen.measures.series import recurrent
from synthgen.measures.series.windows import stream, torch_seed

HIDDEN = 64
OUTPUT = 320
DEPTH = 10
BATCH_SIZE = 8
LEARNING_RATE = 1e-3
KEPT = 0.5
DROPOUT = 0.1
MOST_STEPS = 3000
ROWS = 256


class DilatedConv(nn.Conv1d):
    """A convolution of three taps, `dilation` steps apart, that keeps the length; (B, C, L) to (B, D, L)."""

    def __init__(self, n_in: int, n_out: int, dilation: int) -> None:
        super().__init__(n_in, n_out, 3, padding=dilation, dilation=dilation)

    def forward(self, x_bcl: torch.Tensor) -> torch.Tensor:
        if self.dilation[0] < x_bcl.shape[2]:
            return super().forward(x_bcl)
        return F.conv1d(x_bcl, self.weight[:, :, 1:2], self.bias)  # the outer taps would see the padding alone


class Block(nn.Module):
    """Two dilated convolutions beside a residual path, (B, C, L) to (B, D, L)."""

    def __init__(self, n_in: int, n_out: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.first = DilatedConv(n_in, n_out, dilation)
        self.second = DilatedConv(n_out, n_out, dilation)
        self.residual = nn.Conv1d(n_in, n_out, 1) if last or n_in != n_out else nn.Identity()

    def forward(self, x_bcl: torch.Tensor) -> torch.Tensor:
        return self.second(F.gelu(self.first(F.gelu(x_bcl)))) + self.residual(x_bcl)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """One vector a step, windows (B, L, C) to (B, L, 320); in training half of the steps are hidden from it.

    Source: Yue et al. 2022, "TS2Vec: towards universal representation of time series", section 3.2, and
    the authors' code for the sizes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [HIDDEN] * (DEPTH + 1) + [OUTPUT]
        self.project = nn.Linear(channels, HIDDEN)
        self.blocks = nn.Sequential(
            *[Block(a, b, 2**i, last=i == DEPTH) for i, (a, b) in enumerate(pairwise(widths))], nn.Dropout(DROPOUT)
        )

    def forward(self, x_blc: torch.Tensor, kept_bl: torch.Tensor | None = None) -> torch.Tensor:
        h_blc = self.project(x_blc)
        if kept_bl is not None:
            h_blc = h_blc * kept_bl.unsqueeze(2)
        return self.blocks(h_blc.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


def fit(windows: np.ndarray, seed: int, iterations: int | None = None, device: str = "cpu") -> nn.Module:
    """An encoder fitted to `windows` (N, L, C): the mean of the weights over all iterations, for `encode`.

    600 iterations, or 200 if the array holds 100,000 numbers or fewer, of 8 windows each. Global random
    state is left as it was.

    Raises:
        DataError: windows of fewer than 2 steps or more than 3,000, which the original cuts up.

    Source: TS2Vec's code as Diffusion-TS uses it (`Models/ts2vec/ts2vec.py`, `Utils/context_fid.py`).
    """
    n, length, channels = windows.shape
    if not 2 <= length <= MOST_STEPS:
        raise DataError(f"windows of {length} steps; Context-FID is defined for 2 to {MOST_STEPS}")
    if iterations is None:
        iterations = 200 if windows.size <= 100_000 else 600
    rng = stream(seed, "ts2vec")
    data = recurrent.to_device(windows, device)
    size = min(BATCH_SIZE, n)
    with torch.random.fork_rng(devices=[device] if device.startswith("cuda") else []):
        torch.manual_seed(torch_seed(seed, "ts2vec"))
        encoder = Encoder(channels).to(device)
        mean = AveragedModel(encoder)
        mean.update_parameters(encoder)
        optimiser = torch.optim.AdamW(encoder.parameters(), lr=LEARNING_RATE)
        order: list[int] = []
        for _ in range(iterations):
            if len(order) < size:
                order = rng.permutation(n).tolist()
            picked, order = order[:size], order[size:]
            loss = contrast(encoder, data[picked], rng)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            mean.update_parameters(encoder)
    return mean.eval()


def contrast(encoder: nn.Module, x_blc: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The loss of one batch: two overlapping random crops, compared where they overlap.

    The overlap has the same length in all windows and another place in each.

    Source: Yue et al. 2022, section 3.2 (random cropping, timestamp masking).
    """
    n, length, _ = x_blc.shape
    overlap = int(rng.integers(2, length + 1))
    left = int(rng.integers(length - overlap + 1))
    right = left + overlap
    outer_left = int(rng.integers(left + 1))
    outer_right = int(rng.integers(right, length + 1))
    shift = rng.integers(-outer_left, length - outer_right + 1, size=n)

    def encoded(start: int, end: int) -> torch.Tensor:
        steps = torch.from_numpy(shift[:, None] + np.arange(start, end)).to(x_blc.device)
        kept = torch.from_numpy(rng.random(steps.shape) < KEPT).to(x_blc.device)
        found: torch.Tensor = encoder(x_blc[torch.arange(n, device=x_blc.device)[:, None], steps], kept)
        return found

    return hierarchical_loss(encoded(outer_left, right)[:, -overlap:], encoded(left, outer_right)[:, :overlap])


def hierarchical_loss(a_blc: torch.Tensor, b_blc: torch.Tensor) -> torch.Tensor:
    """Half instance and half temporal contrast, averaged over scales: steps are max-pooled in pairs until one is left.

    Source: Yue et al. 2022, algorithm 1 and eq. 3.
    """
    losses = []
    while True:
        losses.append((pair_loss(a_blc.transpose(0, 1), b_blc.transpose(0, 1)) + pair_loss(a_blc, b_blc)) / 2)
        if a_blc.shape[1] == 1:
            return torch.stack(losses).mean()
        a_blc, b_blc = (F.max_pool1d(z.transpose(1, 2), 2).transpose(1, 2) for z in (a_blc, b_blc))


def pair_loss(a_gkd: torch.Tensor, b_gkd: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of finding a vector's partner in the other view among all of both views; 0 if K is 1.

    Windows in the place of K give the temporal contrast over steps, steps in the place of G the
    instance contrast over windows.

    Source: Yue et al. 2022, eqs. 1 and 2.
    """
    groups, k, _ = a_gkd.shape
    z = torch.cat([a_gkd, b_gkd], dim=1)
    itself = torch.eye(2 * k, dtype=torch.bool, device=z.device)
    alike = (z @ z.transpose(1, 2)).masked_fill(itself, -torch.inf)
    partner = (torch.arange(2 * k, device=z.device) + k) % (2 * k)
    return F.cross_entropy(alike.flatten(0, 1), partner.repeat(groups))


@torch.inference_mode()
def encode(encoder: nn.Module, windows: np.ndarray) -> np.ndarray:
    """One float32 vector a window, (N, 320): the largest value over all steps, nothing masked ("full_series")."""
    device = next(encoder.parameters()).device
    rows = recurrent.to_device(windows, str(device)).split(ROWS)  # type: ignore[no-untyped-call]
    return torch.cat([encoder(x).amax(1) for x in rows]).cpu().numpy()

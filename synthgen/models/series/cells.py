"""What a series model has for each channel: a small network, which sees single cells.

Tokens carry what cells have in common, and no cell's own value exactly: least of all where they are narrower than a
few times the channels. So these networks look at the cell itself and at what is known around it, and get the rest from
the cell's token.

Shapes: B samples, L time steps, C scaled channels, D width of the tokens.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

N_SEEN = 6
"""Numbers of a cell: noisy value, absent or not, and the four of `around`."""


class SeriesCells(nn.Module):
    """For each cell a number that is added to the denoiser's output, 0 before training.

    Args:
        n_channels: scaled channels C, each of which has weights of its own.
        width: width D of tokens and condition; patch: steps in a token.
        hidden: width of the small networks.
        n_told: numbers that a token tells each of its cells.
    """

    def __init__(self, n_channels: int, width: int, patch: int, hidden: int = 32, n_told: int = 8) -> None:
        super().__init__()
        n_inputs = N_SEEN + n_told
        self.n_told = n_told
        self.tell = nn.Linear(width, patch * n_channels * n_told)
        self.level = nn.Linear(width, n_channels * hidden)
        self.first = nn.Parameter(torch.randn(n_channels, n_inputs, hidden) / n_inputs**0.5)
        self.last = nn.Parameter(torch.zeros(n_channels, hidden))

    def forward(
        self,
        noisy: torch.Tensor,
        known: torch.Tensor,
        absent: torch.Tensor,
        steps: torch.Tensor,
        tokens: torch.Tensor,
        condition: torch.Tensor,
    ) -> torch.Tensor:
        """(B, L, C).

        Args:
            noisy: preconditioned noisy values (B, L, C), 0 where none is wanted; known, absent: as the denoiser's.
            steps: times (B, L), counted in the interval between two.
            tokens: what the transformer made of the series (B, L / patch, D).
            condition: of level, class and static numbers (B, D).
        """
        b, n_steps, n_channels = noisy.shape
        told = self.tell(tokens).reshape(b, -1, n_channels, self.n_told)[:, :n_steps]
        seen = torch.stack([noisy, absent.to(noisy.dtype), *around(known, steps)], -1)
        x = torch.einsum("blcf,cfk->blck", torch.cat([seen, told.to(seen.dtype)], -1), self.first)
        x = F.gelu(x + self.level(condition).view(b, 1, n_channels, -1), approximate="tanh")
        return torch.einsum("blck,ck->blc", x, self.last)


def around(known: torch.Tensor, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is known of a cell's channel, four arrays (B, L, C): mean, value between, closeness before and after.

    The value lies on the line between the last known one before a step and the first one after it, or is that of the
    only one. Closeness is 1 / (1 + distance in steps): 1 where a cell itself is known. All are 0 if nothing is known.

    Source: Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values", which gives
    a network the last value, the mean and the time since.
    """
    is_known, length = ~known.isnan(), known.shape[1]
    values, when = known.nan_to_num(), steps.to(known.dtype)[..., None].expand_as(known)
    mean = values.sum(1, keepdim=True) / is_known.sum(1, keepdim=True).clamp_min(1)
    index = torch.arange(length, device=known.device)[:, None]
    before = torch.where(is_known, index, -1).cummax(1).values
    after = torch.where(is_known, index, length).flip(1).cummin(1).values.flip(1)
    has_left, has_right = before >= 0, after < length
    left, right = before.clamp_min(0), after.clamp_max(length - 1)
    to_left, to_right = when - when.gather(1, left), when.gather(1, right) - when
    share = torch.where(has_left & has_right, to_left / (to_left + to_right).clamp_min(1e-6), has_right.to(known.dtype))
    between = torch.lerp(values.gather(1, left), values.gather(1, right), share)
    between = torch.where(has_left | has_right, between, 0.0)
    return mean.expand_as(known), between, has_left / (1 + to_left), has_right / (1 + to_right)

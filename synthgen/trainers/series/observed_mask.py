"""Which cells of a series are shown to a model that learns to draw the others."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator

from synthgen.base.settings import Settings


class Shown(Settings):
    """How often each part of a window is known in training; the rest of the windows is generated whole."""

    cells: float = Field(default=0.3, ge=0, le=1, description="Single cells, any share of them: for imputation.")
    gap: float = Field(default=0.15, ge=0, le=1, description="All but a span of time, in some or all channels.")
    start: float = Field(default=0.15, ge=0, le=1, description="The beginning: for forecasts and long series.")

    @model_validator(mode="after")
    def _shares(self) -> Shown:
        if self.cells + self.gap + self.start > 1:
            raise ValueError("`cells`, `gap` and `start` are shares of the windows and add up to more than 1")
        return self


def draw(shown: Shown, shape: tuple[int, int, int], random: torch.Generator) -> torch.Tensor:
    """True (B, L, C) where a cell is known; each window by chance in one of the ways of `shown`.

    Source: the mixture of masks of Tashiro et al. 2021 (CSDI, section 4.2), with beginnings for continuation.
    """
    b, length, n_channels = shape
    ways = torch.rand(b, generator=random)
    cells = torch.rand(shape, generator=random) < torch.rand(b, 1, 1, generator=random)
    first = (torch.rand(b, 1, 1, generator=random) * length).long()
    span = 1 + (torch.rand(b, 1, 1, generator=random) * max(1, length // 2)).long()
    step = torch.arange(length)[None, :, None]
    channels = torch.rand(b, 1, n_channels, generator=random) < torch.rand(b, 1, 1, generator=random).clamp_min(0.5)
    gap = ~((step >= first) & (step < first + span) & channels)
    start = (step < first).expand(shape)
    bounds = torch.tensor([shown.cells, shown.cells + shown.gap, shown.cells + shown.gap + shown.start])
    way = torch.bucketize(ways, bounds, right=True)[:, None, None]
    return torch.where(way == 0, cells, torch.where(way == 1, gap, start & (way == 2)))

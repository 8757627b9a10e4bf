"""Batches of two sources: the last part of each comes from elsewhere, drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from synthgen.trainers.images.diffusion import Batch, Source
from synthgen.training.batches import part_of

Others = Callable[[int, torch.Generator], Batch]
"""Makes a batch of so many."""


class Mixed:
    """Batches of a source, the last `share` of which `others` makes.

    Conditions of others are never hidden by chance beyond what `source.hide` does; where others say nothing of which
    errors count, all do.

    Args:
        held_out: batches for validation, by default those of the source.
    """

    def __init__(self, source: Source, others: Others, share: float, held_out: Sequence[Batch] | None = None) -> None:
        self.source, self.others, self.share, self._held_out = source, others, share, held_out

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch:
        n = part_of(len(rows), self.share)
        own = self.source.batch(rows[: len(rows) - n], random)
        other = self.others(n, random)
        layout = None
        if own.layout is not None and other.layout is not None:
            layout = torch.cat([own.layout, other.layout])
        known = None
        if own.known is not None:
            known = torch.cat([own.known, torch.ones(n, 1, *own.x.shape[2:], dtype=torch.bool)])
        return Batch(torch.cat([own.x, other.x]), torch.cat([own.labels, other.labels]), layout, known)

    def hide(self, batch: Batch, random: torch.Generator) -> Batch:
        return self.source.hide(batch, random)

    def held_out(self) -> Sequence[Batch]:
        return self.source.held_out() if self._held_out is None else self._held_out

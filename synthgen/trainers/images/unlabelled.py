"""Images without labels, mixed into the batches of labelled ones under "no class"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from synthgen.models.images.classifier import to_tensor
from synthgen.readers.images.unlabelled import UnlabelledImages
from synthgen.trainers.images.classifier import mirrored
from synthgen.trainers.images.diffusion import Batch, Source


class WithUnlabelled:
    """Batches of a labelled source, of which the last part are images without labels, drawn at random.

    The network learns from them under the condition "no class", which guidance subtracts and from which classes differ
    by their embeddings alone: so they teach it what images look like, and labelled ones what is particular to a class.

    Args:
        null: the id of "no class".
        share: part of every batch that is without labels.
        flip: mirror images at random.
    """

    def __init__(self, source: Source, unlabelled: UnlabelledImages, null: int, share: float, flip: bool) -> None:
        self.source, self.images, self.null = source, unlabelled.images, null
        self.share, self.flip = share, flip

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch:
        n = without_labels(len(rows), self.share)
        own = self.source.batch(rows[: len(rows) - n], random)
        chosen = torch.randint(len(self.images), (n,), generator=random)
        x = to_tensor(np.ascontiguousarray(self.images[chosen.numpy()]))
        labels = torch.full((n,), self.null)
        return Batch(torch.cat([own.x, mirrored(x, random) if self.flip else x]), torch.cat([own.labels, labels]))

    def hide(self, batch: Batch, random: torch.Generator) -> Batch:
        return self.source.hide(batch, random)

    def held_out(self) -> Sequence[Batch]:
        return self.source.held_out()


def without_labels(batch_size: int, share: float) -> int:
    """How many of a batch have no label."""
    return min(batch_size - 1, max(1, round(share * batch_size)))

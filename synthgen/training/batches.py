"""Batches: which rows of the data each step learns from, and their random numbers; several processes share them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import torch

from synthgen.seeds import seed_of


@dataclass(frozen=True, slots=True)
class Batches:
    """Rows and random numbers of every step, which follow from (seed, step) alone.

    Attributes:
        n: rows of the data; every epoch is a new permutation of them.
        batch_size: rows a step, of all processes together.
        rank: number of this process among `world`, each of which takes its share of the same batch.
    """

    n: int
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1

    def rows(self, step: int) -> torch.Tensor:
        """Row numbers of this process's share of batch `step`, int64."""
        first, missing = step * self.batch_size, self.batch_size
        pieces: list[torch.Tensor] = []
        while missing > 0:
            epoch, at = divmod(first, self.n)
            piece = permutation(self.n, self.seed, epoch)[at : at + missing]
            pieces.append(piece)
            first, missing = first + len(piece), missing - len(piece)
        return torch.cat(pieces).tensor_split(self.world)[self.rank]

    def generator(self, stream: str, step: int) -> torch.Generator:
        """The random numbers of `step`, which are others in every process."""
        return step_generator(self.seed, f"{stream}:{self.rank}" if self.rank else stream, step)


def class_weights(labels: torch.Tensor, balance: float) -> torch.Tensor:
    """How likely each sample is to be drawn, float64 (N,): n^-balance for a class of n, so that 1 is all alike."""
    counts = torch.bincount(labels).clamp_min(1)
    return counts.double().pow(-balance)[labels]


class Batch:
    """Base of dataclasses of which every field has one entry for each of B samples, or is None."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(next(value for value in self._fields().values() if value is not None))

    def parts(self, n: int) -> Sequence[Self]:
        """The batch in up to `n` parts of nearly equal size."""
        size = len(self)
        n = min(n, size)
        edges = [i * (size // n) + min(i, size % n) for i in range(n + 1)]
        fields = self._fields()
        return [
            type(self)(**{name: None if value is None else value[low:high] for name, value in fields.items()})
            for low, high in itertools.pairwise(edges)
        ]

    def to(self, device: str) -> Self:
        """The batch with its tensors on `device`."""
        fields = self._fields()
        return type(self)(
            **{name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in fields.items()}
        )

    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]


@lru_cache(maxsize=4)
def permutation(n: int, seed: int, epoch: int) -> torch.Tensor:
    """A permutation of 0 .. n - 1; the last ones are remembered."""
    return torch.randperm(n, generator=step_generator(seed, "epoch", epoch))


def step_generator(seed: int, stream: str, step: int) -> torch.Generator:
    """A CPU generator that depends on (seed, stream, step) alone: resume needs no saved generator state."""
    return torch.Generator().manual_seed(seed_of(seed, f"train:{stream}", step) % (1 << 63))


def part_of(batch_size: int, share: float) -> int:
    """How many of a batch come from elsewhere: at least one, and not all."""
    return min(batch_size - 1, max(1, round(share * batch_size)))

"""Streaming: samples read shard by shard, split over ranks and DataLoader workers."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping

from synthgen.dataset.view import Sample, View
from synthgen.fields import Field


class Stream:
    """Samples read shard by shard: each exactly once an epoch over all ranks and DataLoader workers together.

    Ranks and workers get equal shares, to within one sample. Call `set_epoch` for another order.
    `len()` is the number of samples of this rank. Attributes as of `Dataset`.
    """

    def __init__(self, view: View, seed: int | None, buffer: int, shard: tuple[int, int]) -> None:
        self._view = view
        self._seed = seed
        self._buffer = max(buffer, 1)
        self._shard = shard
        self._epoch = 0
        self.classes, self.objects = view.classes, view.objects
        self.fields: Mapping[str, Field] = view.schema
        self.manifest = view.manifest

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass; all ranks must use the same number."""
        self._epoch = epoch

    def __len__(self) -> int:
        start, stop = self._share(*self._shard)
        return stop - start

    def __getitem__(self, i: int) -> Sample:
        raise TypeError(
            "a stream has no random access. If a DataLoader asked for it: import torch before "
            "synthgen.load(..., streaming=True), so that it is known as an IterableDataset"
        )

    def __iter__(self) -> Iterator[Sample]:
        rank, world = self._shard
        worker, n_workers = _torch_worker()
        consumer = rank * n_workers + worker
        start, stop = self._share(consumer, world * n_workers)
        samples = self._between(start, stop)
        if self._seed is None:
            return samples
        return shuffled(samples, self._buffer, random.Random(f"{self._seed}:{self._epoch}:{consumer}"))

    def __repr__(self) -> str:
        return f"<synthgen stream {self._view.place}: {len(self)} samples, fields {', '.join(self.fields)}>"

    def _share(self, part: int, n_parts: int) -> tuple[int, int]:
        total = sum(file.n_samples for file in self._view.files)
        return part * total // n_parts, (part + 1) * total // n_parts

    def _between(self, start: int, stop: int) -> Iterator[Sample]:
        """Samples `start` to `stop` of the epoch's order of files, which is the same for every consumer."""
        files = list(self._view.files)
        if self._seed is not None:
            random.Random(f"{self._seed}:{self._epoch}").shuffle(files)
        position = 0
        for file in files:
            first, last = max(start - position, 0), min(stop - position, file.n_samples)
            if first < last:
                yield from self._view.read(file, first, last - first)
            position += file.n_samples


def shuffled(samples: Iterator[Sample], size: int, generator: random.Random) -> Iterator[Sample]:
    """The same samples in an order that is random within a window of `size`."""
    window: list[Sample] = []
    for sample in samples:
        if len(window) < size:
            window.append(sample)
            continue
        i = generator.randrange(size)
        yield window[i]
        window[i] = sample
    generator.shuffle(window)
    yield from window


def _torch_worker() -> tuple[int, int]:
    """Number of this DataLoader worker and how many there are; (0, 1) outside of one."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data else None
    return (info.id, info.num_workers) if info else (0, 1)

"""Samples of any dataset, decoded, for exporters that need no more than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthgen.dataset import ledger
from synthgen.dataset.view import Sample, View
from synthgen.exporters.scene import empty_splits


class Samples:
    """The samples of a dataset in stored order, in constant memory.

    Attributes:
        fields: the stored fields by name.
        splits: those with samples.
        lack: what is missing of an incomplete dataset, empty if nothing is.
        empty: splits without samples.
        notes: what else the user must know; an exporter may add to them.

    Raises:
        StoreError: the dataset is incomplete, without `allow_incomplete`.
    """

    def __init__(self, folder: str | Path, split: str | None = None, allow_incomplete: bool = False) -> None:
        book = ledger.read(folder)
        if not allow_incomplete:
            book.require_complete()
        self.fields, self.lack = book.fields, book.lack
        self._view = View(book, split, None, None)
        self.splits = list(dict.fromkeys(file.split for file in self._view.files))
        self.empty = empty_splits(book.identity["splits"], self._view)
        self.notes: list[str] = []

    def __len__(self) -> int:
        return sum(file.n_samples for file in self._view.files)

    def __iter__(self) -> Iterator[Sample]:
        for file in self._view.files:
            yield from self._view.read(file)

"""Samples of any dataset, decoded, for exporters that need no more than that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthgen.dataset import ledger
from synthgen.dataset.view import Sample, View


class Selected:
    """A dataset, or one split of it, that is to be exported.

    Attributes:
        fields: the stored fields by name.
        view: reads the samples.
        splits: those with files.
        lack: what is missing of an incomplete dataset, empty if nothing is.
        empty: splits without samples.

    Raises:
        StoreError: the dataset is incomplete, without `allow_incomplete`.
    """

    def __init__(self, folder: str | Path, split: str | None = None, allow_incomplete: bool = False) -> None:
        self.book = ledger.read(folder)
        if not allow_incomplete:
            self.book.require_complete()
        self.fields, self.lack, self.name = self.book.fields, self.book.lack, self.book.name
        self.view = View(self.book, split, None, None)
        self.splits = list(dict.fromkeys(file.split for file in self.view.files))
        filled = {file.split for file in self.view.files if file.n_samples}
        self.empty = [name for name in self.book.identity["splits"] if split in (None, name) and name not in filled]

    def __len__(self) -> int:
        return sum(file.n_samples for file in self.view.files)


class Samples(Selected):
    """The samples of a dataset in stored order, in constant memory.

    Attributes:
        notes: what else the user must know; an exporter may add to them.
    """

    def __init__(self, folder: str | Path, split: str | None = None, allow_incomplete: bool = False) -> None:
        super().__init__(folder, split, allow_incomplete)
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[Sample]:
        for file in self.view.files:
            yield from self.view.read(file)

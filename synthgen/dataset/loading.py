"""Loading: a rendered dataset as a Python sequence or stream that torch's DataLoader takes as it is."""

from __future__ import annotations

import bisect
import itertools
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from synthgen.dataset import ledger
from synthgen.dataset.streaming import Stream
from synthgen.dataset.view import UNREADABLE, Sample, Transform, View, unusable
from synthgen.errors import UsageError
from synthgen.fields import Field
from synthgen.parts.protocols import Record
from synthgen.parts.registry import Plugins

N_CACHED = 8


@overload
def load(
    folder: str | Path,
    split: str | None = None,
    fields: Iterable[str] | None = None,
    streaming: Literal[False] = False,
    *,
    transform: Transform | None = None,
    allow_incomplete: bool = False,
    selection: str | None = None,
    plugins: Iterable[str | Path] = (),
) -> Dataset: ...


@overload
def load(
    folder: str | Path,
    split: str | None = None,
    fields: Iterable[str] | None = None,
    *,
    streaming: Literal[True],
    transform: Transform | None = None,
    allow_incomplete: bool = False,
    selection: str | None = None,
    plugins: Iterable[str | Path] = (),
    seed: int | None = None,
    buffer: int = 1000,
    shard: tuple[int, int] = (0, 1),
) -> Stream: ...


def load(
    folder: str | Path,
    split: str | None = None,
    fields: Iterable[str] | None = None,
    streaming: bool = False,
    *,
    transform: Transform | None = None,
    allow_incomplete: bool = False,
    selection: str | None = None,
    plugins: Iterable[str | Path] = (),
    seed: int | None = None,
    buffer: int = 1000,
    shard: tuple[int, int] = (0, 1),
) -> Dataset | Stream:
    """Opens a dataset that `synthgen run` made.

    A sample is a dict: `key` (str), `split` (str), every stored field by name (`image` is a
    uint8 array of shape (height, width, channels), `label` an int, scores are floats), and `meta`
    (the slot's index, the try, the seed and the condition). `label` indexes `.classes`. Printed, a sample shows the
    shapes of its arrays; `synthgen.collate` makes batches of samples.

    Args:
        split: one split such as "train"; None for all.
        fields: names of the fields to decode; None for all.
        streaming: False gives a sequence with random access, True a stream that reads shard by shard.
        transform: called with each decoded image; what it returns stands in its place.
        allow_incomplete: opens a dataset that is short or was never sealed, with the samples it has.
        selection: leaves out the samples that `selections/<name>.json` names, such as `unique`, which
            `synthgen duplicates` writes.
        plugins: Python files with the fields and writers of one's own that the dataset was made with.
        seed: of a stream: shuffles shards, and samples through `buffer`; None keeps the stored order.
        buffer: of a stream: samples held in memory for shuffling.
        shard: of a stream: (rank, world size); each rank gets its share of the samples.

    Raises:
        UsageError: no such folder, split, field or selection.
        StoreError: the dataset is incomplete (without `allow_incomplete`) or damaged, or the selection belongs to
            another dataset, or to this one before it grew.
    """
    Plugins(map(str, plugins))
    book = ledger.read(folder)
    for name, reason in book.damage.items():
        warnings.warn(f"{book.place}/{name} {reason}; `synthgen run` writes it again", stacklevel=2)
    if not allow_incomplete:
        book.require_complete()
    view = View(book, split, None if fields is None else tuple(fields), transform, selection)
    if not streaming:
        return Dataset(view)
    if not 0 <= shard[0] < shard[1]:
        raise UsageError(f"shard must be (rank, world size) with 0 <= rank < world size (got {shard})")
    if "torch" in sys.modules:  # a DataLoader iterates only over what counts as its own kind of stream
        sys.modules["torch"].utils.data.IterableDataset.register(Stream)
    return Stream(view, seed, buffer, shard)


def collate(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A batch of samples, for `torch.utils.data.DataLoader(dataset, batch_size=8, collate_fn=synthgen.collate)`.

    Numbers become a tensor (B,), and arrays or tensors of one shape a tensor (B, ...) of their dtype. What has another
    length in each sample, such as boxes, becomes a list of B tensors, also where the lengths happen to be equal. Keys,
    texts, events and `meta` are lists.
    """
    ragged: frozenset[str] = getattr(samples[0], "ragged", frozenset())
    return {name: _batch([sample[name] for sample in samples], name in ragged) for name in samples[0]}


def _batch(values: list[Any], ragged: bool) -> Any:
    import torch

    if all(isinstance(value, np.ndarray | torch.Tensor) for value in values):
        tensors = [torch.as_tensor(value) for value in values]
        alike = len({(tensor.shape, tensor.dtype) for tensor in tensors}) == 1
        return torch.stack(tensors) if alike and not ragged else tensors
    if all(isinstance(value, int | float | np.number) for value in values):
        return torch.tensor(values)
    return values


class Dataset:
    """A sequence of samples with random access, in the order of their shards; safe in forked and spawned workers.

    Attributes:
        classes: names of the classes, by label id.
        objects: names of the classes of objects, by class id less one (boxes and class maps count from 1), of spans of
            texts, by id, or of the kinds of events; empty if samples hold none.
        fields: the stored fields by name, with their types.
        manifest: the content of manifest.json; None if the dataset was never sealed.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._ends = list(itertools.accumulate(file.n_samples for file in view.files))
        self._cache: OrderedDict[int, Any] = OrderedDict()
        self.classes, self.objects = view.classes, view.objects
        self.fields: Mapping[str, Field] = view.schema
        self.manifest = view.manifest

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, i: int) -> Sample:
        """Sample `i`, counted from the end if negative.

        Raises:
            IndexError: there is no such sample.
        """
        if not -len(self) <= i < len(self):
            raise IndexError(f"sample {i} of {len(self)}")
        i %= len(self)
        n = bisect.bisect_right(self._ends, i)
        file = self._view.files[n]
        row = file.row(i - self._ends[n] + file.n_samples)
        try:
            record = self._one(n, row) if hasattr(self._view.writer, "record") else self._rows(n)[row]
        except UNREADABLE as error:
            raise unusable(file.storage, file.name, error) from None
        return self._view.decode(record, file.split)

    def __iter__(self) -> Iterator[Sample]:
        """All samples in order; faster than indexing, because every file is read once."""
        for file in self._view.files:
            yield from self._view.read(file)

    def __repr__(self) -> str:
        split = f" split {self._view.split}," if self._view.split else ""
        return f"<synthgen dataset {self._view.place}:{split} {len(self)} samples, fields {', '.join(self.fields)}>"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cache": OrderedDict()}

    def tries(self) -> Any:
        """A pyarrow table with one row a try, accepted or not: key, condition, seed, scores, rule that rejected it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._view.indexes:
            return pa.table({})
        table = pa.concat_tables([pa.table(self._view.index_table(shard)) for shard in self._view.indexes])
        return table if self._view.split is None else table.filter(pc.equal(table["split"], self._view.split))

    def rejected(self) -> Any:
        """The rows of `tries()` that a keep rule rejected."""
        import pyarrow.compute as pc

        table = self.tries()
        return table.filter(pc.invert(table["accepted"])) if table.num_columns else table

    def _one(self, n: int, row: int) -> Record:
        """The sample in a row of file `n`, of which nothing else is read."""
        writer: Any = self._view.writer
        offset, length = self._cached(n, self._read_places)[row]
        with self._view.files[n].reader() as raw:
            raw.seek(offset)
            found: Record = writer.record(raw.read(length), self._view.schema)
        return found

    def _rows(self, n: int) -> list[Record]:
        def read(n: int) -> Any:
            with self._view.files[n].reader() as raw:
                return list(self._view.writer.records(raw, self._view.schema))

        rows: list[Record] = self._cached(n, read)
        return rows

    def _read_places(self, n: int) -> list[tuple[int, int]]:
        """First byte and length of every sample of file `n`, from the shard's index."""
        file = self._view.files[n]
        kind = self._view.writer.suffix
        rows = self._view.index(file.shard, ["split", "accepted", f"{kind}_offset", f"{kind}_length"])
        found = [
            (offset, length)
            for split, accepted, offset, length in zip(*rows.values(), strict=True)
            if accepted and split == file.split
        ]
        return sorted(found)

    def _cached(self, n: int, read: Callable[[int], Any]) -> Any:
        """What `read` makes of file `n`; the last few are kept."""
        if n not in self._cache:
            self._cache[n] = read(n)
            while len(self._cache) > N_CACHED:
                self._cache.popitem(last=False)
        self._cache.move_to_end(n)
        return self._cache[n]

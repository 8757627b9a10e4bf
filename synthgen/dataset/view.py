"""A view: the files of one split of a dataset, and how a stored sample becomes a dict."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader
from typing import Any

from synthgen.dataset import ledger, selections
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Whereabouts
from synthgen.errors import DataError, StoreError, UsageError
from synthgen.parts.protocols import Record, Writer
from synthgen.parts.registry import Plugins, of_process, unknown

Transform = Callable[[Any], Any]
UNREADABLE = (OSError, ValueError, LookupError, TypeError, RuntimeError, DataError)
"""What reading a damaged file raises; every error of pyarrow is one of them."""
SHOWN = 200  # characters of a value that is printed


class Sample(dict[str, Any]):
    """One sample, by name of field. Printed, it shows dtypes and shapes of arrays instead of their values."""

    ragged: frozenset[str] = frozenset()  # fields whose arrays have another length in each sample

    def __repr__(self) -> str:
        return "{" + ",\n ".join(f"{name!r}: {_short(value)}" for name, value in self.items()) + "}"


def _short(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype} {tuple(value.shape)}" if value.shape else repr(value.item())
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@dataclass(frozen=True, slots=True)
class File:
    """One data file: its shard, its split, how many of its samples are read, and their rows, None for all."""

    storage: Storage
    where: Whereabouts
    shard: int
    split: str
    n_samples: int
    rows: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        return self.where.name(self.storage)

    def reader(self) -> BufferedReader:
        return self.where.reader(self.storage)

    def row(self, i: int) -> int:
        """Where in the file the i-th of its samples that are read stands."""
        return i if self.rows is None else self.rows[i]


class View:
    """The files of one split of a dataset, and how a stored sample becomes a dict."""

    def __init__(
        self,
        book: ledger.Ledger,
        split: str | None,
        names: tuple[str, ...] | None,
        transform: Transform | None,
        selection: str | None = None,
    ) -> None:
        self.plugins: Plugins = of_process()  # before the schema: what unpickles this needs its plug-in files first
        self.place = book.place
        self.storage = book.store.storage
        self.manifest = book.manifest
        self.schema = book.fields
        self.classes, self.objects = book.classes, book.objects
        self.transform = transform
        self.ragged = frozenset(name for name, kind in self.schema.items() if kind.ragged)
        self.split = split
        splits = sorted(book.identity["splits"])
        if split is not None and split not in splits:
            raise UsageError(f"{book.place}: {unknown(split, splits, 'split')}")
        for name in names or ():
            if name not in self.schema:
                raise UsageError(f"{book.place}: {unknown(name, self.schema, 'field')}")
        self.wanted = tuple(self.schema) if names is None else names
        self.files, self.writer, self.indexes = _files(book, split)
        if selection is not None:
            left_out = selections.read(book, selection).left_out
            self.files = [self._without(file, set(left_out.get(file.shard, ()))) for file in self.files]

    def decode(self, record: Record, split: str) -> Sample:
        sample = Sample(key=record["key"], split=split)
        sample.ragged = self.ragged
        for name in self.wanted:
            kind = self.schema[name]
            value = kind.decode(record[name])
            sample[name] = self.transform(value) if self.transform and kind.transformed else value
        sample["meta"] = record["meta"]
        return sample

    def stored(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[Record]:
        """Samples of a file in order, in stored form."""
        try:
            with file.reader() as raw:
                if file.rows is None:
                    yield from self.writer.records(raw, self.schema, skip, count)
                elif rows := file.rows[skip : None if count is None else skip + count]:
                    wanted = set(rows)
                    found = self.writer.records(raw, self.schema, rows[0], rows[-1] - rows[0] + 1)
                    yield from (record for row, record in enumerate(found, rows[0]) if row in wanted)
        except UNREADABLE as error:
            raise unusable(self.storage, file.name, error) from None

    def read(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[Sample]:
        """Samples of a file in order, decoded."""
        return (self.decode(record, file.split) for record in self.stored(file, skip, count))

    def index(self, shard: int, columns: Sequence[str]) -> dict[str, list[Any]]:
        """Columns of the list of every try of a shard.

        Raises:
            StoreError: the list is missing or damaged.
        """
        return {name: values.to_pylist() for name, values in self.index_table(shard, columns).items()}

    def index_table(self, shard: int, columns: Sequence[str] | None = None) -> dict[str, Any]:
        """The same as pyarrow's columns, by name; all of them without `columns`."""
        return index_table(self.storage, self.indexes[shard], columns)

    def _without(self, file: File, keys: set[str]) -> File:
        """The file without some samples; the index of its shard, which has the file's order, says where they stand."""
        if not keys:
            return file
        columns = self.index(file.shard, ["key", "split", "accepted"])
        there = [
            key for key, split, accepted in zip(*columns.values(), strict=True) if accepted and split == file.split
        ]
        rows = tuple(row for row, key in enumerate(there) if key not in keys)
        return dataclasses.replace(file, n_samples=len(rows), rows=rows)


def index_table(storage: Storage, where: Whereabouts, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Columns of the index of a shard, as pyarrow has them; all of them without `columns`.

    Raises:
        StoreError: the file is missing or damaged.
    """
    import pyarrow.parquet as pq

    try:
        # read_table takes ten times as long for a small file
        with where.reader(storage) as raw, pq.ParquetFile(raw) as file:
            table = file.read(columns)
        return {name: table[name] for name in columns or table.column_names}
    except UNREADABLE as error:
        raise unusable(storage, where.name(storage), error) from None


def _files(book: ledger.Ledger, split: str | None) -> tuple[list[File], type[Writer], dict[int, Whereabouts]]:
    """Data files in shard order, the writer that reads them, and the index of every shard.

    The manifest decides, never a glob. Shards that are to be rendered again are left out.
    """
    storage = book.store.storage
    found: list[tuple[str, File]] = []
    if book.manifest is not None:
        for entry in book.manifest["shards"]:
            n = entry["shard"]
            if n not in book.handed_back:
                files = entry["files"]
                found += [
                    (f["kind"], File(storage, book.where_sealed(n, f), n, f["split"], f["samples"])) for f in files
                ]
    else:
        for n, record in sorted(book.commits.items()):
            if all(map(book.holds, record.files)):
                found += [(f.kind, File(storage, book.where(f), n, f.split, f.samples)) for f in record.files]
    writer = _chosen(book)
    chosen = [file for kind, file in found if kind == writer.suffix and split in (None, file.split)]
    return chosen, writer, {file.shard: file.where for named, file in found if named == "index"}


def _chosen(book: ledger.Ledger) -> type[Writer]:
    """The first writer that reads single samples, else the first: all of them wrote the same samples."""
    plugins = of_process()
    writers: list[Any] = [plugins.find("writers", entry["use"]) for entry in book.identity["writers"]]
    found: type[Writer] = next((writer for writer in writers if hasattr(writer, "record")), writers[0])
    return found


def unusable(storage: Storage, name: str, error: Exception) -> StoreError:
    """What a user can do about a file that is missing or cannot be read."""
    what = "missing" if isinstance(error, FileNotFoundError) else f"damaged ({type(error).__name__}: {error})"
    check = f"synthgen verify {shlex.quote(storage.place)}"
    return StoreError(
        f"{storage.place}/{name} is {what}; `{check}` marks it, and the next `synthgen run` renders it again"
    )

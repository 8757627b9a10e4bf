"""A view: the files of one split of a dataset, and how a stored sample becomes a dict."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen import ledger, records, selections
from synthgen.errors import StoreError, UsageError
from synthgen.fields import RAGGED, Image
from synthgen.plugins import unknown
from synthgen.store import file_size

Transform = Callable[[Any], Any]

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

    path: Path
    shard: int
    split: str
    n_samples: int
    rows: tuple[int, ...] | None = None

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
        self.root = book.root
        self.manifest = book.manifest
        self.schema = book.fields
        self.classes, self.objects = book.classes, book.objects
        self.transform = transform
        self.ragged = frozenset(name for name, kind in self.schema.items() if isinstance(kind, RAGGED))
        self.split = split
        splits = sorted(book.identity["splits"])
        if split is not None and split not in splits:
            raise UsageError(f"{book.root}: {unknown(split, splits, 'split')}")
        for name in names or ():
            if name not in self.schema:
                raise UsageError(f"{book.root}: {unknown(name, self.schema, 'field')}")
        self.wanted = tuple(self.schema) if names is None else names
        self.files, self.kind, self.indexes = _files(book, split)
        if selection is not None:
            left_out = selections.read(book, selection).left_out
            self.files = [self._without(file, set(left_out.get(file.shard, ()))) for file in self.files]

    def decode(self, record: records.Record, split: str) -> Sample:
        sample = Sample(key=record["key"], split=split)
        sample.ragged = self.ragged
        for name in self.wanted:
            kind = self.schema[name]
            value = kind.decode(record[name])
            sample[name] = self.transform(value) if self.transform and isinstance(kind, Image) else value
        sample["meta"] = record["meta"]
        return sample

    def stored(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[records.Record]:
        """Samples of a file in order, in stored form."""
        reader = records.tar_records if self.kind == "tar" else records.parquet_records
        try:
            if file.rows is None:
                yield from reader(file.path, self.schema, skip, count)
            elif rows := file.rows[skip : None if count is None else skip + count]:
                wanted = set(rows)
                found = reader(file.path, self.schema, rows[0], rows[-1] - rows[0] + 1)
                yield from (record for row, record in enumerate(found, rows[0]) if row in wanted)
        except FileNotFoundError:
            raise missing(file.path, self.root) from None

    def read(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[Sample]:
        """Samples of a file in order, decoded."""
        return (self.decode(record, file.split) for record in self.stored(file, skip, count))

    def index_of(self, file: File) -> Path:
        """The list of every try of a file's shard."""
        return next(path for path in self.indexes if path.name.endswith(f"shard-{file.shard:05d}.parquet"))

    def _without(self, file: File, keys: set[str]) -> File:
        """The file without some samples; the index of its shard, which has the file's order, says where they stand."""
        import pyarrow.parquet as pq

        if not keys:
            return file
        columns = ["key", "split", "accepted"]
        tries = pq.read_table(self.index_of(file), columns=columns).to_pydict()
        there = [
            key
            for key, split, accepted in zip(*(tries[name] for name in columns), strict=True)
            if accepted and split == file.split
        ]
        rows = tuple(row for row, key in enumerate(there) if key not in keys)
        return dataclasses.replace(file, n_samples=len(rows), rows=rows)


def _files(book: ledger.Ledger, split: str | None) -> tuple[list[File], str, list[Path]]:
    """Data files in shard order, their kind, and the index of every shard; the manifest decides, never a glob.

    Shards that `synthgen verify` found damaged and handed back are left out.
    """
    found: list[tuple[int, list[tuple[str, str, int, Path]]]] = []
    if book.manifest is not None:
        for shard in book.manifest["shards"]:
            if shard["shard"] in book.handed_back:
                continue
            entries = [(f["kind"], f["split"], f["samples"], book.root / f["path"]) for f in shard["files"]]
            found.append((shard["shard"], entries))
    else:
        for number, record in sorted(book.commits.items()):
            if all(file_size(book.where(f)) == f.bytes for f in record.files):
                found.append((number, [(f.kind, f.split, f.samples, book.where(f)) for f in record.files]))
    kinds = {kind for _, entries in found for kind, named, _, _ in entries if named}
    kind = "tar" if "tar" in kinds or not kinds else min(kinds)
    files = [
        File(path, number, named, n)
        for number, entries in found
        for entry_kind, named, n, path in entries
        if entry_kind == kind and split in (None, named)
    ]
    return files, kind, [path for _, entries in found for entry_kind, _, _, path in entries if entry_kind == "index"]


def missing(path: Path, root: Path) -> StoreError:
    check = f"synthgen verify {shlex.quote(str(root))}"
    return StoreError(f"{path} is missing; `{check}` marks it, and the next `synthgen run` renders it again")

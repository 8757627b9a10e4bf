"""A view: the files of one split of a dataset, and how a stored sample becomes a dict."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen import ledger, records
from synthgen.errors import StoreError, UsageError
from synthgen.fields import Image
from synthgen.plugins import unknown
from synthgen.store import file_size

Transform = Callable[[Any], Any]
Sample = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """One data file: its shard, its split, how many samples stand in it."""

    path: Path
    shard: int
    split: str
    n_samples: int


class View:
    """The files of one split of a dataset, and how a stored sample becomes a dict."""

    def __init__(
        self, book: ledger.Ledger, split: str | None, names: tuple[str, ...] | None, transform: Transform | None
    ) -> None:
        self.root = book.root
        self.manifest = book.manifest
        self.schema = book.fields
        self.classes = book.classes
        self.transform = transform
        self.split = split
        splits = sorted(book.identity["splits"])
        if split is not None and split not in splits:
            raise UsageError(f"{book.root}: {unknown(split, splits, 'split')}")
        for name in names or ():
            if name not in self.schema:
                raise UsageError(f"{book.root}: {unknown(name, self.schema, 'field')}")
        self.wanted = tuple(self.schema) if names is None else names
        self.files, self.kind, self.indexes = _files(book, split)

    def decode(self, record: records.Record, split: str) -> Sample:
        sample: Sample = {"key": record["key"], "split": split}
        for name in self.wanted:
            kind = self.schema[name]
            value = kind.decode(record[name])
            sample[name] = self.transform(value) if self.transform and isinstance(kind, Image) else value
        return sample | {"meta": record["meta"]}

    def stored(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[records.Record]:
        """Samples of a file in order, in stored form."""
        reader = records.tar_records if self.kind == "tar" else records.parquet_records
        try:
            yield from reader(file.path, self.schema, skip, count)
        except FileNotFoundError:
            raise missing(file.path, self.root) from None

    def read(self, file: File, skip: int = 0, count: int | None = None) -> Iterator[Sample]:
        """Samples of a file in order, decoded."""
        return (self.decode(record, file.split) for record in self.stored(file, skip, count))


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

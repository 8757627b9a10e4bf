"""Selections: which samples of a dataset are left out when it is read. Data files are never rewritten."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synthgen.base.json_files import canonical
from synthgen.dataset import records
from synthgen.dataset.layout import SELECTIONS
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.manifest import identity_digest
from synthgen.errors import RecordError, StoreError, UsageError

FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Selection:
    """Samples to leave out.

    `left_out` maps, by the number of its shard, the key of each to the key of the sample that stands for it. `how`
    says, in JSON values, how they were found.
    """

    name: str
    left_out: Mapping[int, Mapping[str, str]]
    how: Mapping[str, Any]

    def __len__(self) -> int:
        """How many samples are left out."""
        return sum(map(len, self.left_out.values()))


def write(book: Ledger, selection: Selection, n_samples: int) -> str:
    """Writes `selections/<name>.json` in one step, bound to the dataset as it is now; returns the file for people.

    Raises:
        StoreError: the disk refuses.
    """
    name = _file_name(selection.name)
    content = {
        "format": FORMAT,
        "name": selection.name,
        "digest": digest(book),
        "contents": contents_sha256(book),
        "samples": n_samples,
        "kept": n_samples - len(selection),
        "how": dict(selection.how),
        "left_out": {str(shard): dict(keys) for shard, keys in sorted(selection.left_out.items())},
    }
    book.store.write(name, (json.dumps(content, indent=1) + "\n").encode())
    return book.store.show(name)


def read(book: Ledger, name: str) -> Selection:
    """The selection that `write` wrote.

    Raises:
        UsageError: there is none of this name; lists those that exist.
        StoreError: it cannot be read, or belongs to another dataset, or the dataset has changed since.
    """
    path = book.store.show(file := _file_name(name))
    again = f"`synthgen duplicates {shlex.quote(book.place)}` writes `unique` again"
    try:
        found = book.store.load(file, records.Selection)
    except RecordError as error:
        raise StoreError(f"{path} cannot be read as a selection: it {error}; {again}") from None
    if found is None:
        names = [other.rpartition("/")[2] for other in book.store.storage.list(SELECTIONS)]
        there = ", ".join(other.removesuffix(".json") for other in names if other.endswith(".json")) or "none"
        raise UsageError(f"{book.place}: has no selection `{name}`; there are: {there}; {again}") from None
    if found.format != FORMAT:
        raise StoreError(f"{path} has the format {found.format}, and this synthgen reads {FORMAT}; {again}")
    if found.digest != digest(book):
        raise StoreError(f"{path} belongs to another dataset ({found.digest[:8]}, not {digest(book)[:8]}); {again}")
    if found.contents != contents_sha256(book):
        raise StoreError(f"{path} was made before the dataset grew or was mended; {again}")
    return Selection(name, {int(shard): keys for shard, keys in found.left_out.items()}, found.how)


def digest(book: Ledger) -> str:
    """What the dataset was made from, sealed or not."""
    return identity_digest(book.identity)


def contents_sha256(book: Ledger) -> str:
    """sha256 over the names and hashes of all data files: the samples that are there."""
    if book.manifest is not None:
        named = [(f["path"], f["split"], f["sha256"]) for shard in book.manifest["shards"] for f in shard["files"]]
    else:
        named = [(f.path, f.split, f.sha256) for record in book.commits.values() for f in record.files]
    return hashlib.sha256(
        canonical(sorted([path, sha256] for path, split, sha256 in named if split)).encode()
    ).hexdigest()


def _file_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a selection; small letters, digits, `-` and `_` are accepted")
    return f"{SELECTIONS}/{name}.json"

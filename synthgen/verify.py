"""Verification: every file of a dataset against its recorded hash; what is damaged is given back to the next run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from synthgen import ledger
from synthgen.ledger import Ledger
from synthgen.lock import driver_lock
from synthgen.plan import canonical
from synthgen.store import ShardFile, Store, file_sha256

Problem = Literal["missing", "damaged", "unreadable"]
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not what its record says, and the shard that must be rendered again."""

    shard: int
    path: str
    problem: Problem


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        damaged: files that are missing or have another hash.
        set_aside: shards whose record was moved away, so that the next run renders them again.
        unexpected: files under data/ and index/ that no record names, relative to the folder.
        manifest: where manifest.json disagrees with the records; the next run writes it again.
        sealed: whether there is a manifest at all.
    """

    n_shards: int
    sealed: bool
    n_files: int = 0
    bytes: int = 0
    damaged: list[Finding] = field(default_factory=list)
    set_aside: list[int] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    manifest: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.damaged or self.unexpected or self.manifest)


def verify(folder: str | Path, tick: Tick | None = None, n_threads: int | None = None) -> Report:
    """Hashes every file of every record and moves the records of damaged shards aside.

    A whole dataset is only read: no lock is taken and nothing is written.

    Args:
        tick: called with the size in bytes of each file that has been hashed.
        n_threads: files that are hashed at the same time; by default one a core.

    Raises:
        UsageError: the folder holds no dataset.
        StoreError: something is damaged and another synthgen is writing to the folder.
    """
    found = _data_files(Path(folder))  # before the records: a file that a run publishes now has its record first
    book = ledger.read(folder)
    report = Report(n_shards=len(book.commits), sealed=book.manifest is not None)
    report.damaged += [Finding(n, _relative(book.store, n), "unreadable") for n in book.unreadable]
    with ThreadPoolExecutor(n_threads or os.cpu_count() or 1, thread_name_prefix="hash") as pool:
        jobs = [(shard, file) for shard, record in book.commits.items() for file in record.files]
        for problem, (shard, file) in zip(pool.map(lambda job: _check(book, job[1]), jobs), jobs, strict=True):
            report.n_files += 1
            report.bytes += file.bytes
            if problem:
                report.damaged.append(Finding(shard, file.path, problem))
            if tick:
                tick(file.bytes)
    named = {file.path for record in book.commits.values() for file in record.files}
    report.unexpected = sorted(found - named - {path for paths in book.unrecorded.values() for path in paths})
    report.manifest = list(_manifest_problems(book))
    if report.damaged:
        report.set_aside = _set_aside(book, sorted({finding.shard for finding in report.damaged}))
    return report


def total_bytes(folder: str | Path) -> int:
    """How much `verify` will read."""
    return sum(file.bytes for record in ledger.read(folder).commits.values() for file in record.files)


def _check(book: Ledger, file: ShardFile) -> Problem | None:
    try:
        return None if file_sha256(book.where(file)) == file.sha256 else "damaged"
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"


def _data_files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for folder in ("data", "index")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def _manifest_problems(book: Ledger) -> Iterator[str]:
    """Where the manifest, which defines the dataset, disagrees with the records that it was made from."""
    manifest = book.manifest
    if manifest is None:
        return
    if hashlib.sha256(canonical(manifest["identity"]).encode()).hexdigest() != manifest["digest"]:
        yield "its identity does not have the digest that it states"
    if book.unrecorded:
        yield f"names shards that have no record: {', '.join(map(str, book.unrecorded))}"
    for entry in manifest["shards"]:
        record = book.commits.get(entry["shard"])
        if record is None:
            continue
        if record.digest != manifest["digest"]:
            yield f"shard {entry['shard']} belongs to another dataset ({record.digest[:8]})"
        if {file["path"]: file["sha256"] for file in entry["files"]} != {f.path: f.sha256 for f in record.files}:
            yield f"shard {entry['shard']} has other files than its record names"


def _set_aside(book: Ledger, shards: list[int]) -> list[int]:
    """Moves records away, unless a run has replaced them since they were read."""
    moved = []
    with driver_lock(book.store.private):
        for shard in shards:
            record = book.store.read_commit(shard)
            if record == book.commits.get(shard) and book.store.commit_path(shard).exists():
                book.store.set_aside(shard)
                moved.append(shard)
    return moved


def _relative(store: Store, shard: int) -> str:
    return store.commit_path(shard).relative_to(store.root).as_posix()

"""Verification: records, indexes and files of a dataset against each other; what is damaged is left to the next run."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any, Literal

from synthgen.base import json_files
from synthgen.dataset import contents, ledger
from synthgen.dataset.layout import MANIFEST, PRIVATE, RECIPE, SEALED, commit_path
from synthgen.dataset.ledger import Ledger, Totals
from synthgen.dataset.manifest import identity_digest
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Store
from synthgen.errors import RecordError

Problem = Literal["missing", "damaged", "unreadable", "foreign", "wrong"]
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not what it should be, how, and the shard that must be rendered again."""

    shard: int
    path: str
    problem: Problem
    detail: str = ""


@dataclass
class Report:
    """What `verify` found.

    Attributes:
        damaged: records that are no records of their shard, and files that are missing, or are not what the record and
            the index say.
        set_aside: shards whose record was moved to `.synthgen/damaged`, so that the next run renders them again.
        unexpected: files under data/ and index/ that no record names, relative to the folder; moved there too.
        manifest: where manifest.json is damaged or disagrees with the records; the next run writes it again.
        papers: files made from the manifest, and the identity, that are not as they were made; likewise.
        sealed: whether there is a manifest at all.
        growing: whether a run is making a complete dataset larger.
    """

    n_shards: int
    sealed: bool
    growing: bool = False
    n_files: int = 0
    bytes: int = 0
    damaged: list[Finding] = field(default_factory=list)
    set_aside: list[int] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    manifest: list[str] = field(default_factory=list)
    papers: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (self.damaged or self.unexpected or self.manifest or self.papers)


def verify(place: str | Path | Storage, tick: Tick | None = None, n_threads: int | None = None) -> Report:
    """Hashes every file of every record, compares what they hold, and moves the records of damaged shards aside.

    A whole dataset is only read: no lock is taken and nothing is written.

    Args:
        tick: called with the size in bytes of each file that has been hashed.
        n_threads: files that are hashed at the same time; by default one a core.

    Raises:
        UsageError: the folder holds no dataset.
        StoreError: something is damaged and another synthgen is writing to the folder.
    """
    # before the records: a file that a run publishes now has a record already
    there = _data_files(Store(place).storage.sizes(""))
    book = ledger.read(place)
    sealed = book.manifest is not None or MANIFEST in book.damage
    report = Report(n_shards=len(book.commits), sealed=sealed, growing=book.growing)
    report.damaged += [
        Finding(n, commit_path(n), "unreadable", reason) for n, reason in sorted(book.unreadable.items())
    ]
    report.damaged += _foreign(book)
    with ThreadPoolExecutor(n_threads or os.cpu_count() or 1, thread_name_prefix="hash") as pool:
        jobs = [(shard, file) for shard, record in book.commits.items() for file in record.files]
        for problem, (shard, file) in zip(pool.map(lambda job: _check(book, job[1]), jobs), jobs, strict=True):
            report.n_files += 1
            report.bytes += file.bytes
            if problem:
                report.damaged.append(Finding(shard, file.path, problem))
            if tick:
                tick(file.bytes)
    bad = {finding.shard for finding in report.damaged}
    for shard, record in book.commits.items():
        if shard not in bad and (wrong := contents.first_problem(book, record)):
            report.damaged.append(Finding(shard, wrong[0], "wrong", wrong[1]))
    report.manifest = list(_manifest_problems(book))
    report.papers = list(_paper_problems(book))
    handed_back = sorted({finding.shard for finding in report.damaged})
    report.unexpected = sorted(
        there - set(_named(book, there, {f.shard for f in report.damaged if f.problem == "foreign"}))
    )
    if report.damaged or report.unexpected:
        report.set_aside = _set_aside(book, handed_back, report.unexpected)
    return report


def total_bytes(place: str | Path | Storage) -> int:
    """How much `verify` will read."""
    return sum(file.bytes for record in ledger.read(place).commits.values() for file in record.files)


def _foreign(book: Ledger) -> Iterator[Finding]:
    """Valid records that are not of this dataset: of another digest, or beyond its last shard."""
    digest = identity_digest(book.identity)
    size = int(book.identity["shard_size"])
    for shard, record in book.commits.items():
        if record.digest != digest:
            yield Finding(shard, commit_path(shard), "foreign", f"is of another dataset ({record.digest[:8]})")
        elif record.n_slots > size:
            yield Finding(shard, commit_path(shard), "foreign", f"has more slots than a shard of {size}")
        elif "samples" in book.asked and shard >= (book.n_shards or 0):
            detail = f"is beyond the last of the {book.n_shards} shards that were asked for"
            yield Finding(shard, commit_path(shard), "foreign", detail)


def _check(book: Ledger, file: ShardFile) -> Problem | None:
    if all(book.size(name) < 0 for name in book.where(file).names):
        return "missing"
    try:
        return None if _sha256(book.reader(file)) == file.sha256 else "damaged"
    except OSError:
        return "unreadable"


def _sha256(raw: BufferedReader) -> str:
    """In hex, of all that is there to read. Raises OSError."""
    with raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def _data_files(names: Iterable[str]) -> set[str]:
    """Files where shards are published: all in `data` and `index`, and those in folders such as `parquet` by suffix."""
    shard = re.compile(rf"(?:data|index)/.*|(?!{re.escape(PRIVATE)}/)([^/]+)/[^/]+/shard-[^/]*\.\1", re.DOTALL)
    return {name for name in names if shard.fullmatch(name)}


def _named(book: Ledger, there: set[str], foreign: set[int]) -> Iterator[str]:
    """Files that a record or the manifest names, or that a record which cannot be read may have named."""
    for shard, record in book.commits.items():
        if shard not in foreign:
            yield from (file.path for file in record.files)
    for entry in book.manifest["shards"] if book.manifest else ():
        if entry["shard"] not in foreign:
            yield from (file["path"] for file in entry["files"])
    unreadable = {shard for shard in book.unreadable if shard < (book.n_shards or shard + 1)}
    yield from (path for path in there if _shard_of(path) in unreadable)


def _shard_of(path: str) -> int:
    """The number in the name of a shard's file, -1 if it has none."""
    number = path.rpartition("/")[2].removeprefix("shard-").partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() else -1


def _manifest_problems(book: Ledger) -> Iterator[str]:
    """Where the manifest, which defines the dataset, disagrees with the records that it was made from."""
    if reason := book.damage.get(MANIFEST):
        yield reason
    manifest = book.manifest
    if manifest is None or not book.has_records:
        return
    if book.unrecorded:
        yield f"names shards that have no record: {', '.join(map(str, book.unrecorded))}"
    for entry in manifest["shards"]:
        if entry["shard"] in book.unrecorded:
            continue
        if entry["shard"] in book.handed_back:
            yield f"shard {entry['shard']} has other files than its record names"
        for file in entry["files"]:
            kept = f"{SEALED}/{file['sha256']}"
            if file["sha256"] in book.sealed and _sha256(book.store.storage.reader(kept)) != file["sha256"]:
                yield f"shard {entry['shard']}: {file['path']}, kept until the larger dataset is whole, is damaged"
    if not book.growing and not book.handed_back:
        yield from _total_problems(manifest, book.totals())


def _total_problems(manifest: Mapping[str, Any], totals: Totals) -> Iterator[str]:
    """Sums over all records that the manifest does not state."""
    counts = {"rejected": totals.rejected, "classes": totals.classes, "splits": totals.splits}
    sums = {"samples": totals.accepted, "tries": totals.tries, **{name: dict(n) for name, n in counts.items()}}
    for key, found in sums.items():
        if _without_zeros(manifest[key]) != _without_zeros(found):
            yield f"`{key}` is {manifest[key]}, and the records add up to {_without_zeros(found)}"
    if manifest["short"]["count"] != totals.n_short:
        yield "counts other short slots than the records"
    whole = manifest["samples"] == manifest["planned"] and not manifest["n_missing_shards"]
    if manifest["complete"] != whole:
        yield f"says that the dataset is {'' if manifest['complete'] else 'in'}complete, and it is not"


def _without_zeros(value: Any) -> Any:
    return {name: n for name, n in value.items() if n} if isinstance(value, dict) else value


def _paper_problems(book: Ledger) -> Iterator[str]:
    """README.md, croissant.json and recipe.yaml, which are made with the manifest, and the private identity."""
    yield from (f"{name} {reason}" for name, reason in book.damage.items() if name != MANIFEST)
    manifest = book.manifest
    if manifest is None:
        return
    if not book.damage:
        damage: dict[str, str] = {}
        ledger.load_identity(book.store, manifest["digest"], damage)
        yield from (f"{name} {reason}" for name, reason in damage.items())
    if manifest["format"] < 2:  # which did not keep their hashes
        return
    names = [*manifest.get("papers", ()), RECIPE]
    for name in names:
        try:
            raw = book.store.storage.read(name)
        except RecordError as error:
            yield f"{name} {error}"
            continue
        if raw is None:
            yield f"{name} is missing"
        elif name == RECIPE:
            reason = json_files.headed_problem(raw, manifest["digest"])
            yield from [f"{name} {reason}"] * bool(reason)
        elif hashlib.sha256(raw).hexdigest() != manifest["papers"][name]:
            yield f"{name} was changed since it was written"


def _set_aside(book: Ledger, shards: list[int], strays: list[str]) -> list[int]:
    """Moves records and files that no record names away, unless a run has replaced them since they were read."""
    moved = []
    with book.store.storage.lease() as held:
        store = Store(held)
        for shard in shards:
            name = commit_path(shard)
            if store.sound_commit(shard) == book.commits.get(shard) and held.token(name) is not None:
                store.set_aside(name)
                moved.append(shard)
        named = {f.path for _, found in store.load_commits() if isinstance(found, Commit) for f in found.files}
        store.set_aside(*set(strays) - named)
    return moved

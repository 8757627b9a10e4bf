"""The ledger: what a dataset's place holds, read without changing it, sealed or not."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import Any

from synthgen.base import json_files
from synthgen.base.places import name_of
from synthgen.dataset import layout, records
from synthgen.dataset.layout import COMMITS, HANDED_BACK, IDENTITY, MANIFEST, SEALED, STAGING
from synthgen.dataset.manifest import check_identity, identity_digest, load_manifest
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Sizes, Store, Whereabouts
from synthgen.errors import RecordError, StoreError, UsageError
from synthgen.fields import Field, classes_of
from synthgen.fields.objects import countable_names, object_names, region_names
from synthgen.parts.fields import schema_of


@dataclass(frozen=True)
class Ledger:
    """An output folder as it stood when it was read. Only valid records are in it.

    Attributes:
        identity: what the dataset is made from; a copy stands in every sealed manifest.
        manifest: the content of manifest.json, None if the dataset was never sealed or the manifest cannot be used.
        damage: why manifest.json or .synthgen/identity.json cannot be used, by name.
        sufficient: whether the manifest is all that readers of samples need, so that records are read only by those who
            ask for them.
    """

    store: Store
    identity: Mapping[str, Any]
    manifest: Mapping[str, Any] | None
    damage: Mapping[str, str] = field(default_factory=dict)
    sufficient: bool = False
    known: Records | None = None

    @cached_property
    def records(self) -> Records:
        return self.known or read_records(self.store)

    @property
    def commits(self) -> Mapping[int, Commit]:
        """The records of all finished shards, by number."""
        return self.records.commits

    @property
    def unreadable(self) -> Mapping[int, str]:
        """What is wrong with the record of a shard, by number."""
        return self.records.unreadable

    @property
    def sealed(self) -> frozenset[str]:
        """Hashes of the files that the manifest names and that are in `.synthgen/sealed`.

        A run that makes the dataset larger has replaced them.
        """
        return self.records.sealed

    @cached_property
    def asked(self) -> Mapping[str, Any]:
        """What the last run was asked for: `samples`, `tries`, `command`, and the `folder` that it was given in.

        Empty if unknown.
        """
        lines = self.store.load_lines(layout.RUNS, records.Asked)
        return lines[-1].model_dump() if lines else {}

    @property
    def place(self) -> str:
        """The folder or the address, as people give it."""
        return self.store.place

    @property
    def name(self) -> str:
        return str(self.manifest["name"]) if self.manifest else str(self.asked.get("name") or name_of(self.place))

    @cached_property
    def size(self) -> Sizes:
        """What tells the size of a file, -1 if there is none; of a listing, after the records were read."""
        return self.store.sizes()

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The stored fields by name, in the order of the schema."""
        return schema_of(self.identity["fields"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes of samples in id order; empty if no stored field gives any."""
        return classes_of(self.fields)

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the classes of objects in samples, by class id less one; empty if there are none."""
        return object_names(self.fields)

    @property
    def planned(self) -> int | None:
        """Samples that the last run was asked for, None if nothing says so. A dataset only grows."""
        known = [int(found[key]) for found, key in ((self.asked, "samples"), (self.manifest, "planned")) if found]
        return max(known, default=None)

    @property
    def n_shards(self) -> int | None:
        """Shards of the dataset at its planned size."""
        return None if self.planned is None else -(-self.planned // int(self.identity["shard_size"]))

    @property
    def complete(self) -> bool:
        """Sealed, with every sample that the last run was asked for, and every file in place."""
        sound = self.seal_holds and not self.growing
        return sound and not self.handed_back and not self.unrecorded and not self.broken()

    @property
    def seal_holds(self) -> bool:
        """Whether a complete dataset was sealed, whatever is being added to it."""
        return bool(self.manifest and self.manifest["complete"])

    @property
    def growing(self) -> bool:
        """Whether a complete dataset was sealed, and a larger one was begun."""
        return bool(self.seal_holds and self.manifest and (self.planned or 0) > self.manifest["planned"])

    @property
    def lack(self) -> str:
        """What a reader of the samples must know of an incomplete dataset, in a few words; empty if it is complete."""
        if self.manifest is None:
            if reason := self.damage.get(MANIFEST):
                return "" if self._whole_by_records else f"has a manifest.json that {reason}"
            return "was never sealed: the run that writes it has not ended"
        if not self.manifest["complete"]:
            return f"is incomplete: it has {self.manifest['samples']} of {self.manifest['planned']} samples"
        if self.handed_back:
            return "is incomplete: damaged shards were handed back to be rendered again"
        return ""

    @cached_property
    def handed_back(self) -> set[int]:
        """Shards that the manifest names and that are not there as it names them; a copy without records has none.

        Their records were taken away because they were damaged, or a run has rendered them again since.
        """
        if self.manifest is None or self.sufficient or not self.has_records:
            return set()
        return {entry["shard"] for entry in self.manifest["shards"] if not self._holds(entry)}

    @cached_property
    def has_records(self) -> bool:
        """Whether there is a ledger at all, which a copy of the data alone lacks."""
        return bool(self.commits or self.unreadable) or f"{COMMITS}/" in self.store.storage.list("")

    def _holds(self, entry: Mapping[str, Any]) -> bool:
        record = self.commits.get(entry["shard"])
        there = {(file.path, file.sha256) for file in record.files} if record else set()
        return all(f["sha256"] in self.sealed or (f["path"], f["sha256"]) in there for f in entry["files"])

    @cached_property
    def _whole_by_records(self) -> bool:
        """Whether the records alone prove that every sample that was asked for is there."""
        totals = self.totals()
        asked = self.asked.get("samples")
        return totals.accepted == totals.slots == asked and set(self.commits) == set(range(self.n_shards or 0))

    def require_complete(self) -> None:
        """Raises StoreError, which says how to go on, if the dataset is incomplete."""
        if self.lack:
            raise StoreError(
                f"{self.place} {self.lack}. Finish it with the same `synthgen run` command, or pass "
                "allow_incomplete=True (--allow-incomplete) to take what is there"
            )

    @property
    def unrecorded(self) -> dict[int, list[str]]:
        """Shards that the manifest names and that have no record any more, with their files."""
        shards = self.manifest["shards"] if self.manifest else []
        return {s["shard"]: [f["path"] for f in s["files"]] for s in shards if s["shard"] not in self.commits}

    def where(self, file: ShardFile) -> Whereabouts:
        """Where a file is: at its final name or, before a run has published it, at the staged one."""
        staged = f"{STAGING}/{file.staged}"
        unpublished = self.size(file.path) != file.bytes == self.size(staged)
        return Whereabouts((staged, file.path) if unpublished else (file.path,))

    def reader(self, file: ShardFile) -> BufferedReader:
        """A file to read, wherever it is. Raises FileNotFoundError if it is missing."""
        return self.where(file).reader(self.store.storage)

    def holds(self, file: ShardFile) -> bool:
        """Whether a file is there, published or not, with the size that its record states."""
        return any(self.size(name) == file.bytes for name in self.where(file).names)

    def where_sealed(self, shard: int, file: Mapping[str, Any]) -> Whereabouts:
        """Where a file is that the manifest names."""
        record = None if self.sufficient else self.commits.get(shard)
        same = [f for f in record.files if f.sha256 == file["sha256"]] if record else []
        names = self.where(same[0]).names if same else (file["path"],)
        return Whereabouts(names, kept=f"{SEALED}/{file['sha256']}")

    def broken(self) -> list[int]:
        """Shards of which a file is missing or has the wrong size, or whose record cannot be read."""
        wrong = [shard for shard, record in self.commits.items() if not all(map(self.holds, record.files))]
        return sorted([*wrong, *self.unreadable])

    def totals(self) -> Totals:
        """Sums over all commits, whether or not they are sealed."""
        totals = Totals.of(self.fields)
        totals.splits.update(dict.fromkeys(self.identity["splits"], 0))
        totals.classes.update(dict.fromkeys(self.classes, 0))
        for record in self.commits.values():
            totals.add(record)
        return totals


@dataclass
class Totals:
    """Sums over commits; `splits` of samples, `short` lists the first `most_named` slots that ran out of tries.

    `pixels` are those of the classes of regions, `images` the samples that have any.
    """

    accepted: int = 0
    tries: int = 0
    bytes: int = 0
    slots: int = 0
    n_short: int = 0
    splits: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    objects: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    environments: set[str] = field(default_factory=set)
    short: list[Mapping[str, Any]] = field(default_factory=list)
    most_named: int = sys.maxsize

    @classmethod
    def of(cls, fields: Mapping[str, Field], most_named: int = sys.maxsize) -> Totals:
        """Sums over no commits yet, with the names of everything that is counted in such fields."""
        regions = dict.fromkeys(region_names(fields), 0)
        objects = Counter(dict.fromkeys(countable_names(fields), 0))
        return cls(objects=objects, pixels=Counter(regions), images=Counter(regions), most_named=most_named)

    @property
    def regions(self) -> dict[str, dict[str, int]]:
        """`pixels` and `images` of each class of regions; empty if there are none, or if they were not counted."""
        counted = self.pixels if self.pixels.total() else ()
        return {name: {"pixels": self.pixels[name], "images": self.images[name]} for name in counted}

    def add(self, record: Commit) -> None:
        self.accepted += record.accepted
        self.tries += record.tries
        self.slots += record.n_slots
        self.bytes += sum(file.bytes for file in record.files)
        self.classes.update(record.classes)
        self.objects.update(record.objects)
        for name, region in record.regions.items():
            self.pixels[name] += region.pixels
            self.images[name] += region.images
        self.rejected.update(record.rejected)
        self.environments.add(record.environment)
        self.n_short += len(record.short)
        self.short += record.short[: max(0, self.most_named - len(self.short))]
        first = next((file.kind for file in record.files if file.split), "")
        for file in record.files:
            if file.split and file.kind == first:
                self.splits[file.split] += file.samples


def read(place: str | Path | Storage) -> Ledger:
    """Reads a dataset's folder, or any storage; takes no lease and changes nothing.

    Raises:
        UsageError: there is no such folder, or it holds no synthgen dataset.
        StoreError: nothing that can be used says what the dataset is made from.
    """
    store = Store(place)
    store.storage.check()
    while True:
        token = store.storage.token(MANIFEST)
        book = _read(store)
        # else a run has sealed it meanwhile, and what was read is of two datasets
        if store.storage.token(MANIFEST) == token:
            return book


@dataclass(frozen=True)
class Records:
    """What `Ledger` says of `commits`, `unreadable` and `sealed`."""

    commits: Mapping[int, Commit]
    unreadable: Mapping[int, str]
    sealed: frozenset[str]


def read_records(store: Store) -> Records:
    """Every record of a dataset."""
    commits: dict[int, Commit] = {}
    unreadable: dict[int, str] = {}
    for shard, record in store.load_commits():
        if isinstance(record, RecordError):
            unreadable[shard] = str(record)
        elif record:
            commits[shard] = record
    sealed = frozenset(name.removeprefix(f"{SEALED}/") for name in store.storage.list(SEALED))
    return Records(commits, unreadable, sealed)


def _read(store: Store) -> Ledger:
    damage: dict[str, str] = {}
    if store.storage.remote and store.storage.size(HANDED_BACK) < 0:
        manifest = _manifest(store, "", damage)
        if manifest is not None and manifest["complete"]:
            return Ledger(store, manifest["identity"], manifest, sufficient=True)
        damage.clear()
    known = read_records(store)
    commits, unreadable = known.commits, known.unreadable
    digest = next(iter(Counter(record.digest for record in commits.values()).most_common(1)), ("", 0))[0]
    manifest = _manifest(store, digest, damage)
    identity = manifest["identity"] if manifest else load_identity(store, digest, damage)
    if identity is None and not damage and not commits and not unreadable:
        raise UsageError(
            f"{store.place}: is not a synthgen dataset (it has neither manifest.json nor .synthgen/identity.json); "
            "name the folder that `synthgen run` printed"
        )
    if identity is None:
        reasons = "; ".join(f"{name} {reason}" for name, reason in damage.items()) or "both are missing"
        raise StoreError(
            f"{store.place}: neither manifest.json nor .synthgen/identity.json says what this dataset is made from "
            f"({reasons}). The same `synthgen run` command writes them again"
        )
    return Ledger(store, identity, manifest, damage, known=known)


def _manifest(store: Store, digest: str, damage: dict[str, str]) -> dict[str, Any] | None:
    try:
        manifest = load_manifest(store.storage)
    except RecordError as error:
        damage[MANIFEST] = str(error)
        return None
    if manifest and digest and manifest["digest"] != digest:
        damage[MANIFEST] = f"is of another dataset ({manifest['digest'][:8]}; the records are of {digest[:8]})"
        return None
    return manifest


def load_identity(store: Store, digest: str, damage: dict[str, str]) -> dict[str, Any] | None:
    """What `.synthgen/identity.json` says the dataset is made from; None if there is none, or if it is damaged.

    Args:
        digest: that of the records, empty if there are none: the identity must have it.
        damage: is filled with what is wrong with the file.
    """
    try:
        raw = store.storage.read(IDENTITY)
        identity = None if raw is None else json_files.parse(raw)
        if identity is not None and digest and identity_digest(identity) != digest:
            raise RecordError(f"is not that of the records, which are of {digest[:8]}")
        identity = None if identity is None else check_identity(identity)
    except RecordError as error:
        damage[IDENTITY] = str(error)
        return None
    return identity

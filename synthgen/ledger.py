"""The ledger: what an output folder holds, read without changing it, sealed or not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synthgen.errors import StoreError, UsageError
from synthgen.fields import Field, Label, from_description
from synthgen.objects import object_names
from synthgen.store import FENCED, Commit, ShardFile, Store, file_size

RUNS = "runs.jsonl"


@dataclass(frozen=True)
class Ledger:
    """An output folder as it stood when it was read.

    Attributes:
        identity: what the dataset is made from; a copy stands in every sealed manifest.
        manifest: the content of manifest.json, None if the dataset was never sealed.
        commits: the records of all finished shards, by number.
        unreadable: numbers of the shards whose record cannot be read.
        asked: what the last run was asked for (`samples`, `tries`, `command` and the `folder` that it was given in);
            empty if unknown.
    """

    store: Store
    identity: Mapping[str, Any]
    manifest: Mapping[str, Any] | None
    commits: Mapping[int, Commit]
    unreadable: tuple[int, ...]
    asked: Mapping[str, Any]

    @property
    def root(self) -> Path:
        return self.store.root

    @property
    def name(self) -> str:
        return str(self.manifest["name"]) if self.manifest else str(self.asked.get("name", self.root.name))

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The stored fields by name, in the order of the schema."""
        return {
            entry["name"]: from_description({k: v for k, v in entry.items() if k != "name"})
            for entry in self.identity["fields"]
        }

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the first stored label's classes in id order; empty if there is no label."""
        return next((field.classes for field in self.fields.values() if isinstance(field, Label)), ())

    @property
    def objects(self) -> tuple[str, ...]:
        """Names of the classes of objects in samples, by class id less one; empty if there are none."""
        return object_names(self.fields)

    @property
    def planned(self) -> int | None:
        """Samples that the last run was asked for, None if nothing tells."""
        if "samples" in self.asked:
            return int(self.asked["samples"])
        return int(self.manifest["planned"]) if self.manifest else None

    @property
    def n_shards(self) -> int | None:
        """Shards of the dataset at its planned size."""
        return None if self.planned is None else -(-self.planned // int(self.identity["shard_size"]))

    @property
    def complete(self) -> bool:
        """Sealed, with every sample that the last run was asked for, and every file in place."""
        manifest = self.manifest
        asked = self.planned or 0
        sound = bool(manifest and manifest["complete"] and manifest["planned"] >= asked)
        return sound and not self.unrecorded and not self.broken()

    @property
    def lack(self) -> str:
        """What a reader of the samples must know of an incomplete dataset, in a few words; empty if it is complete."""
        if self.manifest is None:
            return "was never sealed: the run that writes it has not ended"
        if not self.manifest["complete"]:
            return f"is incomplete: it has {self.manifest['samples']} of {self.manifest['planned']} samples"
        if self.handed_back:
            return "is incomplete: damaged shards were handed back by `synthgen verify`"
        return ""

    @property
    def handed_back(self) -> set[int]:
        """Shards that the manifest names and whose records were taken away; a copy without records has none."""
        return set(self.unrecorded) if self.store.commits.is_dir() else set()

    def require_complete(self) -> None:
        """Raises StoreError, which says how to go on, if the dataset is incomplete."""
        if self.lack:
            raise StoreError(
                f"{self.root} {self.lack}. Finish it with the same `synthgen run` command, or pass "
                "allow_incomplete=True (--allow-incomplete) to take what is there"
            )

    @property
    def unrecorded(self) -> dict[int, list[str]]:
        """Shards that the manifest names and that have no record any more, with their files."""
        shards = self.manifest["shards"] if self.manifest else []
        return {s["shard"]: [f["path"] for f in s["files"]] for s in shards if s["shard"] not in self.commits}

    def where(self, file: ShardFile) -> Path:
        """Where a file stands: its final place or, if a crash interrupted the publication, its staged one."""
        final = self.root / file.path
        staging = self.store.all_staging
        places = (final, staging / file.staged, staging / (FENCED + file.staged))
        return next((path for path in places if path.exists()), final)

    def broken(self) -> list[int]:
        """Shards of which a file is missing or has the wrong size, or whose record cannot be read."""
        wrong = [
            shard
            for shard, record in self.commits.items()
            if any(file_size(self.where(file)) != file.bytes for file in record.files)
        ]
        return sorted([*wrong, *self.unreadable])

    def totals(self) -> Totals:
        """Sums over all commits, whether or not they are sealed."""
        totals = Totals(splits=Counter(dict.fromkeys(self.identity["splits"], 0)))
        totals.classes.update(dict.fromkeys(self.classes, 0))
        totals.objects.update(dict.fromkeys(self.objects, 0))
        for record in self.commits.values():
            totals.add(record)
        return totals


@dataclass
class Totals:
    """Sums over commits."""

    splits: Counter[str]
    accepted: int = 0
    tries: int = 0
    bytes: int = 0
    slots: int = 0

    def __post_init__(self) -> None:
        self.classes: Counter[str] = Counter()
        self.objects: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.short: list[Mapping[str, Any]] = []

    def add(self, record: Commit) -> None:
        self.accepted += record.accepted
        self.tries += record.tries
        self.slots += record.n_slots
        self.bytes += sum(file.bytes for file in record.files)
        self.classes.update(record.classes)
        self.objects.update(record.objects)
        self.rejected.update(record.rejected)
        self.short += record.short
        first = next((file.kind for file in record.files if file.split), "")
        for file in record.files:
            if file.split and file.kind == first:
                self.splits[file.split] += file.samples


def read(folder: str | Path) -> Ledger:
    """Reads an output folder; takes no lock and changes nothing.

    Raises:
        UsageError: there is no such folder, or it holds no synthgen dataset.
        StoreError: its manifest or identity is damaged.
    """
    store = Store(folder)
    if not store.root.is_dir():
        raise UsageError(f"{folder}: no such folder")
    manifest = _json(store.manifest)
    identity = (manifest or {}).get("identity") or _json(store.identity)
    if identity is None:
        raise UsageError(
            f"{folder}: is not a synthgen dataset (it has neither manifest.json nor .synthgen/identity.json); "
            "name the folder that `synthgen run` printed"
        )
    commits: dict[int, Commit] = {}
    unreadable = []
    for shard in store.committed():
        try:
            commits[shard] = Commit.from_json(store.commit_path(shard).read_bytes())
        except (OSError, ValueError, KeyError, TypeError):
            unreadable.append(shard)
    return Ledger(store, identity, manifest, commits, tuple(unreadable), _last_run(store))


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); the same `synthgen run` command writes it again") from None
    return found if isinstance(found, dict) else None


def _last_run(store: Store) -> dict[str, Any]:
    """The last whole line of log/runs.jsonl: what the last run was asked for."""
    try:
        lines = (store.log / RUNS).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            return dict(json.loads(line))
        except ValueError:
            continue
    return {}

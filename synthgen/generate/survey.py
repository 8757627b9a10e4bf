"""The survey: what an output folder holds of a plan, and what is left to render; another dataset is refused."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from synthgen.base import json_files
from synthgen.dataset import ledger
from synthgen.dataset.layout import IDENTITY, commit_path
from synthgen.dataset.ledger import Totals
from synthgen.dataset.manifest import load_manifest
from synthgen.dataset.records import Commit
from synthgen.dataset.store import Sizes, Store
from synthgen.errors import RecordError, StoreError
from synthgen.generate import plan as plans
from synthgen.generate.plan import Plan


@dataclass(frozen=True)
class Pending(Collection[int]):
    """The shards that are left to render, in order; they are counted and not listed."""

    n_shards: int
    done: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.n_shards - len(self.done)

    def __iter__(self) -> Iterator[int]:
        return (shard for shard in range(self.n_shards) if shard not in self.done)

    def __contains__(self, shard: object) -> bool:
        return isinstance(shard, int) and 0 <= shard < self.n_shards and shard not in self.done


@dataclass
class Survey(Totals):
    """What the output folder holds of a plan: shards to render, and totals over those that are done.

    `environments` are those of all shards, also of those that are rendered again. `size` tells the size of a file as it
    was before anything is rendered.
    """

    pending: Pending = Pending(0)
    repair: set[int] = field(default_factory=set)
    n_done: int = 0
    size: Sizes | None = None


def check_identity(store: Store, plan: Plan) -> None:
    """Refuses to mix two datasets in one folder; an empty folder is claimed for this one.

    A damaged identity.json is written again if the manifest or the records are of this dataset.

    Raises:
        StoreError: with every key in which the two differ.
    """
    text = (json_files.canonical(plan.identity) + "\n").encode()
    with contextlib.suppress(RecordError):
        if store.storage.read(IDENTITY) == text:
            return
    digest = known_digest(store)
    found, ours = ledger.load_identity(store, digest, {}), json.loads(text)
    if found is not None and found != ours:
        lines = "\n".join(f"  {line}" for line in plans.differences(found, ours))
        raise StoreError(
            f"{store.place} holds another dataset; it differs from this recipe in\n{lines}\n"
            "Undo the change, or name another folder with -o DIR"
        )
    if found is None and digest not in ("", plan.digest):
        raise StoreError(f"{store.place} holds another dataset ({digest[:8]}, not {plan.digest[:8]}); use -o DIR")
    store.write(IDENTITY, text)


def known_digest(store: Store) -> str:
    """The digest that most records of the folder have; without records, that of the manifest; empty if nothing says."""
    records = Counter(record.digest for _, record in store.load_commits() if isinstance(record, Commit))
    if records:
        return records.most_common(1)[0][0]
    try:
        manifest = load_manifest(store.storage)
    except RecordError:
        return ""
    return str(manifest["digest"]) if manifest else ""


def survey_store(store: Store, plan: Plan) -> Survey:
    """Reads every commit, finishes publications that a crash interrupted, lists what is left to render.

    A shard is rendered (again) if it has no record, if files of it are missing or have another
    size, if it covers fewer slots than the plan now asks for, or if it was short and the recipe
    now allows more tries.

    Raises:
        StoreError: a shard belongs to another dataset, or to a larger one.
    """
    survey = Survey(pending=Pending(plan.n_shards))
    done: set[int] = set()
    end = 0
    survey.size = store.sizes()
    for shard, record in store.load_commits():
        if isinstance(record, Commit):
            check_record(store, plan, shard, record)
            sound = record.n_slots <= plan.recipe.shard_size and not store.publish(record, survey.size)
        if not isinstance(record, Commit) or not sound:
            store.set_aside(commit_path(shard))
            survey.repair.add(shard)
            continue
        end = max(end, shard * plan.recipe.shard_size + record.n_slots)
        survey.environments.add(record.environment)
        if record.is_final(len(plan.shard_range(shard)), plan.recipe.tries):
            done.add(shard)
            survey.add(record)
    if end > plan.n_samples:
        raise StoreError(
            f"{store.place} holds a dataset of {end} samples, more than the {plan.n_samples} that were asked for, "
            f"and a dataset only grows. Ask for more with --samples, or name another folder with -o DIR; "
            f"`synthgen verify {shlex.quote(store.place)}` takes away records that are not of this dataset"
        )
    survey.pending = Pending(plan.n_shards, frozenset(done))
    survey.n_done = len(done)
    return survey


def check_record(store: Store, plan: Plan, shard: int, record: Commit) -> None:
    """Refuses a committed shard of another dataset."""
    if record.digest != plan.digest:
        raise StoreError(
            f"{store.show(commit_path(shard))} belongs to another dataset ({record.digest[:8]}, not "
            f"{plan.digest[:8]}); `synthgen verify {shlex.quote(store.place)}` takes it away, or name another folder "
            "with -o DIR"
        )


def bytes_per_sample(plan: Plan, survey: Survey) -> float:
    """Disk space of a sample: measured on what is committed, else an upper bound from raw images and tar blocks."""
    if survey.accepted:
        return survey.bytes / survey.accepted
    raw = sum(f.raw_bytes for f in plan.schema.values())
    n_members = 1 + sum(1 for f in plan.schema.values() if f.suffix)
    return (raw + 1024 * n_members) * len(plan.parts.writers) + 256


def check_free_disk(store: Store, plan: Plan, survey: Survey) -> None:
    """Raises StoreError if what is pending will not fit."""
    n_left = min(len(survey.pending) * plan.recipe.shard_size, plan.n_samples)
    need = n_left * bytes_per_sample(plan, survey)
    free = store.storage.free_bytes()
    if free is not None and need > free:
        raise StoreError(
            f"{store.place} has {free / 1e6:.0f} MB free and the {n_left} samples to render need about "
            f"{need / 1e6:.0f} MB; make room or name another folder with -o"
        )

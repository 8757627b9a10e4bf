"""The worker: holds the models of one dataset and renders shards; the same in every executor."""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthgen.base import environment
from synthgen.dataset.layout import LOGS, commit_path
from synthgen.dataset.records import Commit
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Store
from synthgen.errors import DataError, StoreError
from synthgen.generate import batching
from synthgen.generate.executors.pooled import Pooled, with_pools
from synthgen.generate.loop import N_ENCODERS, Rendered, Try, render_shard
from synthgen.generate.pack import pack
from synthgen.generate.plan import Plan, build
from synthgen.parts.registry import Plugins
from synthgen.recipe.recipe import DatasetRecipe

LOG = logging.getLogger(__name__)
HEARD_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know, as plain values that travel to any process or node."""

    recipe: Mapping[str, Any]
    digest: str
    device: str
    plugin_files: tuple[str, ...] = ()
    folder: str = "."
    storage: Storage | None = None  # held by the driver, which adds it
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # names of Ray actors by the part that they hold


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What the driver hears of a committed shard; `seconds` by stage, never part of the data."""

    shard: int
    accepted: int
    tries: int
    rejected: Mapping[str, int]
    classes: Mapping[str, int]
    n_short: int
    bytes: int
    seconds: Mapping[str, float]
    worker: str
    environment: str
    notes: tuple[str, ...] = ()
    device: str = "cpu"
    pools_gpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far a shard is that is being rendered: totals over its batches so far. Nothing of it is committed yet."""

    shard: int
    accepted: int
    tries: int
    rejected: Mapping[str, int]


Listen = Callable[[ShardProgress], None]


class Worker:
    """Builds the plan from the job, loads the models once, then renders any shard that it is given."""

    def __init__(self, job: Job, plan: Plan | None = None) -> None:
        environment.use_one_thread()
        self.plan = plan = with_pools(load_plan(job, plan), job.pools)
        self._pooled = [part for _, part in plan.parts.annotators if isinstance(part, Pooled)]
        assert job.storage is not None
        self.store = Store(job.storage)
        self.store.check_lease()
        self.device = environment.choose_device(job.device)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._fingerprint = environment.fingerprint(self.device)
        self._environment = note_environment(self.store, self._fingerprint)
        self._pool = ThreadPoolExecutor(N_ENCODERS, thread_name_prefix="encode")
        self._pool.submit(import_codecs)
        self._heard_at = -math.inf
        # a CPU has no time left for drawing ahead, unless it waits for others to annotate
        self._ahead = ThreadPoolExecutor(1, "draw") if self.device.startswith("cuda") or self._pooled else None
        started = time.perf_counter()
        plan.parts.setup(self.device)
        self.batch_size, self._notes = batching.settle(plan, self.store)
        self.setup_s = time.perf_counter() - started
        LOG.info("models loaded on %s in %.1f s; batches of %d", self.device, self.setup_s, self.batch_size)

    def render(self, shard: int, listen: Listen = lambda progress: None) -> ShardReport:
        """Renders, writes, commits and publishes one shard; a shard that is finished already is only reported.

        `listen` hears of its batches, at most every `HEARD_EVERY_S`.

        Raises:
            StoreError: the disk refuses, or another driver has taken over.
            DataError: a part returned something else than it declares.
        """
        started = time.perf_counter()
        before = self.store.sound_commit(shard)
        if before and before.is_final(len(self.plan.shard_range(shard)), self.plan.recipe.tries):
            if not self.store.publish(before):
                return self._report(before, {})
        for part in self._pooled:
            part.environments, part.gpu_s = set(), 0.0
        rendered = self._rendered(shard, listen)
        packing = time.perf_counter()
        record = pack(self.plan, rendered, self.store, self._environment_of_shard())
        if self.store.commit(record, before):
            bad = self.store.publish_new(record)
            if bad:
                raise StoreError(f"{', '.join(bad)} did not reach its place in {self.store.place}")
            self.store.remove_stale(before, record)
        else:
            record = self._winner(shard)
        done = time.perf_counter()
        return self._report(record, {**rendered.seconds, "write": done - packing, "total": done - started})

    def _rendered(self, shard: int, listen: Listen) -> Rendered:
        """The shard; with `batch_size: auto`, at half the batch size as often as it does not fit into memory."""
        while True:
            self.batch_size = batching.pinned(self.store) or self.batch_size
            after_batch = self._tally(shard, listen)
            try:
                return render_shard(self.plan, shard, self._pool, self.batch_size, self._ahead, after_batch)
            except Exception as error:
                if not batching.out_of_memory(error):
                    raise
                used, self.batch_size = self.batch_size, batching.halved(self.plan, self.store, self.batch_size, error)
                self._notes.append(f"a batch of {used} did not fit into memory; going on with {self.batch_size}")

    def _tally(self, shard: int, listen: Listen) -> Callable[[Sequence[Try]], None]:
        """What adds up the tries of a shard's batches and lets `listen` hear of them."""
        rejected: Counter[str] = Counter()
        n_tries = 0

        def add(tries: Sequence[Try]) -> None:
            nonlocal n_tries
            n_tries += len(tries)
            rejected.update(each.rejected_by for each in tries if each.rejected_by is not None)
            if time.monotonic() - self._heard_at >= HEARD_EVERY_S:
                self._heard_at = time.monotonic()
                listen(ShardProgress(shard, n_tries - rejected.total(), n_tries, dict(rejected)))

        return add

    def _winner(self, shard: int) -> Commit:
        """The record of the worker that was first; if its files are gone, it is moved aside for another attempt."""
        record = self.store.sound_commit(shard)
        if record is None or self.store.publish(record):
            self.store.set_aside(commit_path(shard))
            raise DataError(f"shard {shard} was committed by another worker, but without its files")
        return record

    def _report(self, record: Commit, seconds: Mapping[str, float]) -> ShardReport:
        notes, self._notes = tuple(self._notes), []
        return ShardReport(
            shard=record.shard,
            accepted=record.accepted,
            tries=record.tries,
            rejected=record.rejected,
            classes=record.classes,
            n_short=len(record.short),
            bytes=sum(file.bytes for file in record.files),
            seconds=seconds,
            worker=self.name,
            environment=record.environment,
            notes=notes,
            device=self.device,
            pools_gpu_s=sum(part.gpu_s for part in self._pooled) if seconds else 0.0,
        )

    def _environment_of_shard(self) -> str:
        """This worker's environment, or one that names those of parts with actors of their own where they differ."""
        others = {part.stream: sorted(part.environments - {self._environment}) for part in self._pooled}
        others = {stream: found for stream, found in others.items() if found}
        return note_environment(self.store, self._fingerprint | others) if others else self._environment

    def close(self) -> None:
        for pool in filter(None, (self._pool, self._ahead)):
            pool.shutdown(wait=False, cancel_futures=True)


def load_plan(job: Job, plan: Plan | None = None) -> Plan:
    """The plan of a job, if it is the driver's; `plan` is one that was made in this process.

    Raises:
        StoreError: this process sees other models, plug-ins or another version than the driver.
    """
    if plan is None:
        enter(job.folder)
        plan = build(DatasetRecipe.model_validate(dict(job.recipe)), Plugins(job.plugin_files))
    if plan.digest != job.digest:
        raise StoreError(
            f"the worker on {socket.gethostname()} sees another dataset (digest {plan.digest[:8]}) than the driver "
            f"({job.digest[:8]}): its models, plug-ins or synthgen version differ"
        )
    return plan


def with_files(job: Job, files: dict[str, bytes], folder: Path) -> Job:
    """The job with its plug-in files written under a folder of this node."""
    paths = []
    for i, (path, content) in enumerate(files.items()):
        target = folder / str(i) / Path(path).name
        target.parent.mkdir()
        target.write_bytes(content)
        paths.append(str(target))
    return replace(job, plugin_files=tuple(paths))


def note_environment(store: Store, fingerprint: dict[str, Any]) -> str:
    """The fingerprint's id; the fingerprint itself is written beside the log, once."""
    name = environment.fingerprint_id(fingerprint)
    path = f"{LOGS}/environment-{name}.json"
    if store.storage.size(path) < 0:
        store.put(path, (json.dumps(fingerprint, indent=1) + "\n").encode())
    return name


def import_codecs() -> None:
    """Imports what the first shard's files need, while its first batch is generated; pa.array also imports pandas."""
    import PIL.PngImagePlugin  # noqa: F401
    import pyarrow as pa
    import pyarrow.parquet

    pa.array([0])


def enter(folder: str) -> None:
    """Makes relative paths of the recipe mean what they mean to the driver."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise StoreError(
            f"the worker on {socket.gethostname()} cannot enter {folder}, the folder that synthgen was called in "
            f"({error.strerror}); every node must see it at the same path"
        ) from None

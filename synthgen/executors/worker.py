"""The worker: holds the models of one dataset and renders shards; the same in every executor."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from synthgen import environment
from synthgen.errors import StoreError
from synthgen.pack import pack
from synthgen.plan import Plan, build
from synthgen.plugins import Plugins
from synthgen.recipe import DatasetRecipe
from synthgen.render import N_ENCODERS, render_shard
from synthgen.store import Store


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker needs to know, as plain values that travel to any process or node."""

    recipe: Mapping[str, Any]
    out: str
    digest: str
    device: str
    plugin_files: tuple[str, ...] = ()
    folder: str = "."


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


class Worker:
    """Builds the plan from the job, loads the models once, then renders any shard that it is given."""

    def __init__(self, job: Job, plan: Plan | None = None) -> None:
        use_one_thread()
        if plan is None:
            os.chdir(job.folder)
            plan = build(DatasetRecipe.model_validate(dict(job.recipe)), Plugins(job.plugin_files))
        if plan.digest != job.digest:
            raise StoreError(
                f"the worker on {socket.gethostname()} sees another dataset (digest {plan.digest[:8]}) than the driver "
                f"({job.digest[:8]}): its models, plug-ins or synthgen version differ"
            )
        self.plan = plan
        self.store = Store(job.out)
        self.device = environment.choose_device(job.device)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.fingerprint = environment.fingerprint(self.device)
        self._pool = ThreadPoolExecutor(N_ENCODERS, thread_name_prefix="encode")
        started = time.perf_counter()
        plan.parts.setup(self.device)
        self.setup_s = time.perf_counter() - started

    def render(self, shard: int) -> ShardReport:
        """Renders, writes, commits and publishes one shard.

        Raises:
            StoreError: the disk refuses, or the published files are not what was written.
        """
        started = time.perf_counter()
        replaces = self.store.read_commit(shard)
        rendered = render_shard(self.plan, shard, self._pool)
        packing = time.perf_counter()
        record = pack(self.plan, rendered, self.store, environment.fingerprint_id(self.fingerprint))
        if not self.store.commit(record, replaces):
            winner = self.store.read_commit(shard)
            record = winner or record
        bad = self.store.publish(record)
        if bad:
            raise StoreError(f"{', '.join(bad)} did not reach its place in {self.store.root}")
        done = time.perf_counter()
        seconds = {**rendered.seconds, "write": done - packing, "total": done - started}
        return ShardReport(
            shard=shard,
            accepted=record.accepted,
            tries=record.tries,
            rejected=record.rejected,
            classes=record.classes,
            n_short=len(record.short),
            bytes=sum(file.bytes for file in record.files),
            seconds=seconds,
            worker=self.name,
        )

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def use_one_thread() -> None:
    """One compute thread a worker: results are bit-equal only at equal thread counts, and cores go to workers.

    The variables work only if they are set before torch is imported; the call works at any time.
    """
    import sys

    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)

"""The driver: finds what is missing, hands it to an executor, retries, quarantines, seals."""

from __future__ import annotations

import contextlib
import dataclasses
import heapq
import json
import logging
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from synthgen.base.places import place_of
from synthgen.dataset.layout import FAILURES, LOGS, RUNS, SHARDS, failure_path
from synthgen.dataset.storage import Storage
from synthgen.dataset.store import Store
from synthgen.errors import ClusterError, Interrupted, StoreError, SynthgenError, TerminatedError
from synthgen.generate import seal
from synthgen.generate.executors.outcome import Executor, Failure
from synthgen.generate.executors.worker import Job, Listen, ShardProgress, ShardReport
from synthgen.generate.plan import Plan
from synthgen.generate.survey import Survey, check_free_disk, check_identity, survey_store

LOG = logging.getLogger(__name__)
CODE_ATTEMPTS = 2
SYSTEM_ATTEMPTS = 5
FRUITLESS = 5
PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LOG_EVERY_S = 1.0
PACK_EVERY = 1000
LISTED_AT_ONCE = 1000
"""Names on a page of a listing, which costs an object store about as much as the size of one object."""


class Observer(Protocol):
    """Receives what happens, in order; prints it or not."""

    def note(self, text: str) -> None: ...
    def begin(self, plan: Plan, survey: Survey, executor: Executor) -> None: ...
    def batch_done(self, progress: ShardProgress) -> None: ...
    def shard_done(self, report: ShardReport) -> None: ...
    def shard_failed(self, failure: Failure, again: bool) -> None: ...
    def end(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. `complete` is False if slots are short or shards have failed.

    `out` is the path of a folder, or the text of an address. `evaluation` is how the dataset compares with real data,
    None if the recipe does not ask. `sealed` is the size of the complete dataset that stays as it was because a larger
    one did not become whole.
    """

    out: str | Path
    complete: bool
    manifest: dict[str, Any]
    n_rendered: int
    seconds: float
    evaluation: dict[str, Any] | None = None
    sealed: int | None = None


StartExecutor = Callable[[Job, Plan, int, Listen], Executor]


def run(
    plan: Plan, out: str | Path | Storage, start: StartExecutor, job: Job, observer: Observer, resume_command: str = ""
) -> Result:
    """Renders what `out` lacks of the plan and seals the dataset.

    Args:
        out: a folder, an address, or any other storage.
        start: makes an executor from the job, the plan, the number of pending shards and who hears of batches.
        resume_command: shown when the run is interrupted.

    Raises:
        StoreError: the folder is locked, holds another dataset, or cannot be written.
        Interrupted: on SIGINT or SIGTERM; finished shards are kept.
        ClusterError: the cluster that the run was on is gone; finished shards are kept.
    """
    try:
        return _run(plan, out, start, job, observer, resume_command)
    except (KeyboardInterrupt, ClusterError) as error:
        kept = "finished shards are kept." + (f" Go on with: {resume_command}" if resume_command else "")
        if isinstance(error, ClusterError):
            raise ClusterError(f"{error}. All {kept}") from None
        raise Interrupted(f"interrupted; {kept}", 143 if isinstance(error, TerminatedError) else 130) from None


def _run(
    plan: Plan, out: str | Path | Storage, start: StartExecutor, job: Job, observer: Observer, command: str
) -> Result:
    started = time.perf_counter()
    storage = Store(out).storage
    storage.create()
    with storage.lease() as held:
        store, job = Store(held), dataclasses.replace(job, storage=held)
        check_identity(store, plan)
        survey = survey_store(store, plan)
        n_orphans = store.collect_orphans()
        if n_orphans:
            observer.note(f"removed {n_orphans} unfinished files of an earlier run")
        check_free_disk(store, plan, survey)
        _log_run(store, plan, command)
        LOG.info(
            "%s: digest %s, %d shards done, %d to render",
            storage.place,
            plan.digest,
            survey.n_done,
            len(survey.pending),
        )
        n_rendered, changed = 0, set[int]()
        if survey.pending:
            n_rendered, changed = _render_pending(plan, store, survey, start, job, observer)
        few = n_rendered * LISTED_AT_ONCE <= plan.n_shards
        manifest = seal.seal(store, plan, survey.size if few else None, changed)
        sealed = None if manifest["complete"] else seal.sealed_before(store, plan)
        if manifest["complete"]:
            store.forget_staged()
    return Result(
        place_of(storage.place),
        manifest["complete"],
        manifest,
        n_rendered,
        time.perf_counter() - started,
        sealed=sealed,
    )


def _log_run(store: Store, plan: Plan, command: str) -> None:
    """Notes what this run was asked for: an unsealed folder tells nothing else about its size."""
    facts = {"time": timestamp(), "driver": driver_name(), "name": plan.recipe.name, "samples": plan.n_samples}
    facts |= {"tries": plan.recipe.tries, "command": command, "folder": str(Path.cwd())}
    store.log(RUNS, json.dumps(facts))


def _render_pending(
    plan: Plan,
    store: Store,
    survey: Survey,
    start: StartExecutor,
    job: Job,
    observer: Observer,
) -> tuple[int, set[int]]:
    """How many shards were rendered, and whose records may have changed since all were read."""
    executor: Executor | None = None
    try:
        executor = start(job, plan, len(survey.pending), observer.batch_done)
        observer.begin(plan, survey, executor)
        loop = _Loop(plan, store, executor, observer, survey.environments)
        n_rendered = loop.run(survey.pending)
        seconds = {stage: round(s, 3) for stage, s in sorted(loop.seconds.items())}
        facts = {"ended": timestamp(), "driver": driver_name(), "shards": n_rendered, "seconds": seconds}
        store.log(RUNS, json.dumps(facts | {"lost_workers": executor.n_lost}))
        return n_rendered, loop.changed
    finally:
        try:
            observer.end()
        finally:
            if executor is not None:
                executor.close()


class _Loop:
    """Keeps the executor full; counts attempts; quarantines shards that keep failing."""

    def __init__(
        self, plan: Plan, store: Store, executor: Executor, observer: Observer, environments: Iterable[str]
    ) -> None:
        self.plan = plan
        self.store = store
        self.executor = executor
        self.observer = observer
        self.environments = set(environments)
        self.attempts: Counter[tuple[int, str]] = Counter()
        self.later: list[tuple[float, int]] = []
        self.seconds: Counter[str] = Counter()
        self.n_rendered = 0
        self.n_failed = 0
        self.changed: set[int] = set()
        self.filed = set(store.storage.list(FAILURES))
        self.lines: list[str] = []
        self.logged_at = -math.inf

    def run(self, pending: Iterable[int]) -> int:
        try:
            n_rendered = self._run(iter(pending))
        except BaseException:
            with contextlib.suppress(StoreError):
                self._log()
            raise
        self._log()
        return n_rendered

    def _run(self, queue: Iterator[int]) -> int:
        n_flying = 0
        while True:
            while self._pause_left_s() <= 0:
                self.executor.submit(heapq.heappop(self.later)[1])
                n_flying += 1
            while n_flying < self.executor.capacity and (shard := next(queue, None)) is not None:
                self.executor.submit(shard)
                n_flying += 1
            if not n_flying and not self.later:
                return self.n_rendered
            if not n_flying:
                time.sleep(self._pause_left_s())
                continue
            outcome = self.executor.wait(self._pause_left_s())
            if outcome is None:
                continue
            n_flying -= 1
            self.changed.add(outcome.shard)
            line = self._log_line(outcome)
            self.lines.append(line)
            if time.monotonic() - self.logged_at >= LOG_EVERY_S:
                self._log()
            LOG.info("%s", line)
            if isinstance(outcome, ShardReport):
                self._done(outcome)
            elif self._again(outcome):
                heapq.heappush(self.later, (time.monotonic() + self._pause_s(outcome), outcome.shard))

    def _done(self, report: ShardReport) -> None:
        self.n_rendered += 1
        for stage, s in report.seconds.items():
            self.seconds[stage] += s  # type: ignore[assignment]
        if len(self.changed) >= PACK_EVERY:
            self.store.pack(self.changed)
            self.changed.clear()
        for note in report.notes:
            self.observer.note(note)
        self._compare_environment(report.environment)
        self.observer.shard_done(report)
        if (filed := failure_path(report.shard)) in self.filed:
            self.store.storage.delete(filed)

    def _pause_left_s(self) -> float:
        """Until the next shard is to be tried again; infinite if none is."""
        return max(0.0, self.later[0][0] - time.monotonic()) if self.later else math.inf

    def _pause_s(self, failure: Failure) -> float:
        """Twice as long after each system failure that a shard may be to blame for, none after the first."""
        n = self.attempts[failure.shard, failure.cause] if failure.cause == "system" and failure.counts else 0
        return min(PAUSE_S * 2.0 ** (n - 2), LONGEST_PAUSE_S) if n > 1 else 0.0

    def _compare_environment(self, environment: str) -> None:
        """Says once that the folder's shards come from different environments."""
        if self.environments and environment not in self.environments:
            self.observer.note(
                "warning: other versions or hardware than for the shards before, so equal bytes are not promised "
                f"between them; compare {self.store.show(LOGS)}/environment-*.json"
            )
        self.environments.add(environment)

    def _again(self, failure: Failure) -> bool:
        """Whether to render the shard once more; if not, its failure is filed and the run goes on.

        Raises:
            StoreError: no shard can be rendered, or nothing but failures has been seen.
        """
        if failure.cause == "fatal":
            raise StoreError(failure.message)
        self.attempts[failure.shard, failure.cause] += failure.counts
        limit = CODE_ATTEMPTS if failure.cause == "code" else SYSTEM_ATTEMPTS
        again = self.attempts[failure.shard, failure.cause] < limit
        self.observer.shard_failed(failure, again)
        if failure.details:
            LOG.info("%s", failure.details)
        if not again:
            self.n_failed += 1
            self._quarantine(failure)
            if self.n_failed >= FRUITLESS and not self.n_rendered:
                raise SynthgenError(
                    f"the first {self.n_failed} shards all failed, so the run was stopped; the last error: "
                    f"{failure.message}\nTracebacks are in {self.store.show(FAILURES)}"
                )
        return again

    def _quarantine(self, failure: Failure) -> None:
        content = {
            "shard": failure.shard,
            "cause": failure.cause,
            "message": failure.message,
            "traceback": failure.details.splitlines(),
        }
        self.store.write(name := failure_path(failure.shard), (json.dumps(content, indent=1) + "\n").encode())
        self.filed.add(name)

    def _log(self) -> None:
        """Writes what is to be logged: of many shards a second not one by one."""
        if self.lines:
            self.store.log(SHARDS, "\n".join(self.lines))
            self.lines.clear()
        self.logged_at = time.monotonic()

    def _log_line(self, outcome: ShardReport | Failure) -> str:
        facts: dict[str, Any] = {"time": timestamp(), "driver": driver_name()}
        if isinstance(outcome, ShardReport):
            seconds = {stage: round(s, 4) for stage, s in outcome.seconds.items()}
            facts |= {"shard": outcome.shard, "worker": outcome.worker, "tries": outcome.tries, "seconds": seconds}
        else:
            facts |= {"shard": outcome.shard, "failed": outcome.cause, "message": outcome.message}
        return json.dumps(facts)


def timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def driver_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"

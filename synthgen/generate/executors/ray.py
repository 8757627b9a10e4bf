"""`ray`: shards on a pool of actors."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import time
import traceback
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthgen.errors import ClusterError, SynthgenError
from synthgen.generate.executors.cluster import Watch, connect, import_ray, named
from synthgen.generate.executors.outcome import Failure, Outcome, outcome_of
from synthgen.generate.executors.worker import Job, Listen, ShardProgress, ShardReport, Worker

IN_FLIGHT = 2
DEAD_STARTS = 10
PATIENCE_S = 60.0
ASK_EVERY_S = 1.0
PROGRESS = "progress"


class RayPool:
    """Actors that hold the models, one CPU (or one GPU) each; restarted by Ray when they die.

    Without an address, and outside a cluster, Ray is started on this machine and stopped at the
    end. Only shard numbers and small reports travel; actors read models from, and write shards
    to, paths that every node must see. Shards go to actors that have answered, so a cluster
    with fewer free CPUs than actors were asked for, or one that is still growing, works too.
    """

    def __init__(
        self,
        job: Job,
        n_workers: int | None,
        n_pending: int,
        address: str | None,
        own_cluster: bool,
        listen: Listen,
    ) -> None:
        self._listen = listen
        self._ray = ray = import_ray()
        self._started_here = not ray.is_initialized()
        if self._started_here:
            connect(ray, n_workers, address, own_cluster)
        self._watch = Watch(ray, own_cluster)
        resources = {key: int(value) for key, value in ray.cluster_resources().items() if key in ("CPU", "GPU")}
        gpu = job.device.startswith("cuda") or (job.device == "auto" and resources.get("GPU", 0) > 0)
        available = resources.get("GPU" if gpu else "CPU", 0)
        if not available:
            raise SynthgenError(
                f"the Ray cluster has no {'GPU' if gpu else 'CPU'} to offer; it has {resources or 'no resources'}. "
                "Start nodes, or choose another --device"
            )
        self.n_workers = count = min(n_workers or available, n_pending)
        self._actor = ray.remote(
            num_cpus=1,
            num_gpus=1 if gpu else 0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1,
            concurrency_groups={PROGRESS: 1},  # a thread that answers while another renders
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}},
        )(Actor)
        plugin_files = {path: Path(path).read_bytes() for path in job.plugin_files}
        self._arguments = (replace(job, folder=folder_of_actors(ray, job)), plugin_files)
        self._actors: list[Any] = []
        self._queue: deque[int] = deque()
        self._free: deque[_Life] = deque()
        self._starting: dict[Any, _Life] = {}
        self._pending: dict[Any, tuple[int, _Life]] = {}
        self._asked: dict[Any, _Life] = {}
        self._asked_at = self._heard_at = time.monotonic()
        self._n_dead_starts = 0
        for _ in range(count):
            self._start()
        self.capacity = count * IN_FLIGHT
        where = "a cluster started on this machine" if own_cluster else f"the cluster at {named(address)}"
        self.description = f"on {count} Ray actors of {where}"

    def submit(self, shard: int) -> None:
        self._queue.append(shard)
        self._hand_out()

    def wait(self) -> Outcome:
        while True:
            try:
                outcome = self._next()
            except (ConnectionError, self._ray.exceptions.RaySystemError) as error:
                raise ClusterError(f"the connection to the Ray cluster is lost: {str(error).strip()}") from None
            if outcome is not None:
                return outcome

    def _next(self) -> Outcome | None:
        """A shard's outcome, or None after anything else has happened, or nothing for a while."""
        self._watch.check()
        self._ask()
        references = [*self._starting, *self._pending, *self._asked]
        done, _ = self._ray.wait(references, num_returns=1, timeout=ASK_EVERY_S)
        if not done:
            self._complain()
        elif done[0] in self._asked:
            self._hear_progress(done[0])
        else:
            self._heard_at = time.monotonic()
            if done[0] in self._pending:
                return self._hear(done[0])
            self._hear_start(done[0])
        return None

    def _ask(self) -> None:
        """Asks every actor that renders how far it is, unless it was asked just now or has not answered yet."""
        if time.monotonic() - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = time.monotonic()
        silent = {id(life) for life in self._asked.values()}
        for life in {id(life): life for _, life in self._pending.values()}.values():
            if id(life) not in silent and not life.ended:
                self._asked[life.actor.progress.options(concurrency_group=PROGRESS).remote()] = life

    def _hear_progress(self, reference: Any) -> None:
        """An answer may be late, or not come because the actor died: `_hear` sees that."""
        del self._asked[reference]
        with contextlib.suppress(self._ray.exceptions.RayError):
            progress: ShardProgress | None = self._ray.get(reference)
            if progress is not None and any(shard == progress.shard for shard, _ in self._pending.values()):
                self._listen(progress)

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor, no_restart=True)
        if self._started_here:
            self._ray.shutdown()

    def _start(self) -> None:
        actor = self._actor.remote(*self._arguments)
        self._actors.append(actor)
        self._await(actor)

    def _await(self, actor: Any) -> None:
        """Shards go to an actor, new or restarted, once it has answered."""
        self._starting[actor.ready.remote()] = _Life(actor)

    def _hand_out(self) -> None:
        while self._queue and self._free:
            life, shard = self._free.popleft(), self._queue.popleft()
            reference = life.actor.render.remote(shard)
            life.in_flight.append(reference)
            self._pending[reference] = (shard, life)

    def _hear_start(self, reference: Any) -> None:
        """An actor has loaded its models and takes shards, or has died again."""
        life = self._starting.pop(reference)
        errors = self._ray.exceptions
        try:
            self._ray.get(reference)
        except errors.RayError as error:
            self._n_dead_starts += 1
            if self._n_dead_starts >= DEAD_STARTS or "creation task" in str(error):
                raise SynthgenError(f"the Ray actors cannot start: {str(error).strip()}") from None
            if isinstance(error, errors.ActorDiedError):  # for good: Ray does not restart it
                self._start()
            else:
                self._await(life.actor)
        else:
            self._n_dead_starts = 0
            self._free += [life] * IN_FLIGHT
            self._hand_out()

    def _hear(self, reference: Any) -> Outcome:
        """A shard's outcome. Of the shards in flight on an actor that died, only the first was being rendered."""
        shard, life = self._pending.pop(reference)
        try:
            outcome: Outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            if not life.ended:
                life.ended = True
                self._free = deque(other for other in self._free if other is not life)
                self._await(life.actor)
            counts = life.in_flight[0] == reference and not getattr(error, "preempted", False)
            return Failure(shard, "system", f"the Ray actor died: {type(error).__name__}", str(error), counts)
        life.in_flight.remove(reference)
        self._free.append(life)
        self._hand_out()
        return outcome

    def _complain(self) -> None:
        if not self._pending and time.monotonic() - self._heard_at > PATIENCE_S:
            self._heard_at = time.monotonic()
            logging.getLogger(__name__).warning(
                "waiting for Ray to start an actor; the cluster has %s, of which are free %s",
                self._ray.cluster_resources(),
                self._ray.available_resources(),
            )


@dataclass
class _Life:
    """An actor from one start to its death, with the shards that it was given, oldest first."""

    actor: Any
    in_flight: list[Any] = field(default_factory=list)
    ended: bool = False


class Actor:
    """A worker as a Ray actor. Failures to start are kept and reported with the first shard."""

    def __init__(self, job: Job, plugin_files: dict[str, bytes]) -> None:
        self._worker: Worker | None = None
        self._error = ""
        self._progress: ShardProgress | None = None
        try:
            with tempfile.TemporaryDirectory(prefix="synthgen-plugins-") as folder:
                self._worker = Worker(with_files(job, plugin_files, Path(folder)))
        except SynthgenError as error:
            self._error = str(error)
        except Exception:  # reported to the driver, which knows what to do about it
            self._error = f"a worker cannot start: {traceback.format_exc()}"

    def ready(self) -> bool:
        return self._worker is not None

    def progress(self) -> ShardProgress | None:
        """How far the shard is that is being rendered; called while it is."""
        return self._progress

    def render(self, shard: int) -> ShardReport | Failure:
        if self._worker is None:
            return Failure(shard, "fatal", self._error)
        return outcome_of(self._worker, shard, self._note)

    def _note(self, progress: ShardProgress) -> None:
        self._progress = progress


def folder_of_actors(ray: Any, job: Job) -> str:
    """The driver's folder, or `.` if that is the copy of a Ray job's working directory: actors start in their own."""
    package = Path(ray.get_runtime_context().runtime_env.get("working_dir", "")).stem
    return "." if package and Path(job.folder).name == package else job.folder


def with_files(job: Job, files: dict[str, bytes], folder: Path) -> Job:
    """The job with its plug-in files written under a folder of this node."""
    paths = []
    for i, (path, content) in enumerate(files.items()):
        target = folder / str(i) / Path(path).name
        target.parent.mkdir()
        target.write_bytes(content)
        paths.append(str(target))
    return replace(job, plugin_files=tuple(paths))

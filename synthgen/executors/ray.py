"""`ray`: shards on a pool of actors; the only file that imports ray."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
import traceback
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synthgen.errors import PluginError, SynthgenError
from synthgen.executors.outcome import Failure, Outcome, failure_of
from synthgen.executors.worker import Job, ShardReport, Worker

IN_FLIGHT = 2
DEAD_STARTS = 10
PATIENCE_S = 60.0
KNOCK_S = 10.0
OBJECT_STORE_BYTES = 100_000_000  # pixels never pass through it


class RayPool:
    """Actors that hold the models, one CPU (or one GPU) each; restarted by Ray when they die.

    Without an address, and outside a cluster, Ray is started on this machine and stopped at the
    end. Only shard numbers and small reports travel; actors read models from, and write shards
    to, paths that every node must see. Shards go to actors that have answered, so a cluster
    with fewer free CPUs than actors were asked for, or one that is still growing, works too.
    """

    def __init__(self, job: Job, n_workers: int | None, n_pending: int, address: str | None, own_cluster: bool) -> None:
        self._ray = ray = import_ray()
        self._started_here = not ray.is_initialized()
        if self._started_here:
            connect(ray, n_workers, address, own_cluster)
        resources = {key: int(value) for key, value in ray.cluster_resources().items() if key in ("CPU", "GPU")}
        gpu = job.device.startswith("cuda") or (job.device == "auto" and resources.get("GPU", 0) > 0)
        available = resources.get("GPU" if gpu else "CPU", 0)
        if not available:
            raise SynthgenError(
                f"the Ray cluster has no {'GPU' if gpu else 'CPU'} to offer; it has {resources or 'no resources'}. "
                "Start nodes, or choose another --device"
            )
        count = min(n_workers or available, n_pending)
        self._actor = ray.remote(Actor).options(
            num_cpus=1,
            num_gpus=1 if gpu else 0,
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=1,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}},
        )
        self._arguments = (job, {path: Path(path).read_bytes() for path in job.plugin_files})
        self._actors: list[Any] = []
        self._queue: deque[int] = deque()
        self._free: deque[_Life] = deque()
        self._starting: dict[Any, _Life] = {}
        self._pending: dict[Any, tuple[int, _Life]] = {}
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
            done, _ = self._ray.wait([*self._starting, *self._pending], num_returns=1, timeout=PATIENCE_S)
            if not done:
                self._complain()
            elif done[0] in self._starting:
                self._hear_start(done[0])
            else:
                return self._hear(done[0])

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
        if not self._pending:
            logging.getLogger("synthgen").warning(
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


def connect(ray: Any, n_workers: int | None, address: str | None, own_cluster: bool) -> None:
    """Starts Ray on this machine, or joins the cluster that was named.

    Raises:
        SynthgenError: there is none at that address.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    place = named(address)
    if own_cluster:
        options |= {"include_dashboard": False, "num_cpus": n_workers, "object_store_memory": OBJECT_STORE_BYTES}
    else:
        options |= {"address": place}
    try:
        if not own_cluster:
            knock(place)
        ray.init(**options)
    except (OSError, ValueError, RuntimeError) as error:
        why = str(error).rstrip(".")
        raise SynthgenError(
            f"cannot reach a Ray cluster at {place}: {why}. If the cluster asks for a token, which Ray does by "
            "default since 2.59, set RAY_AUTH_MODE=token here as well"
        ) from None


def named(address: str | None) -> str:
    """The address that was given or, if none was, what Ray itself would look for."""
    return address or os.environ.get("RAY_ADDRESS") or "auto"


def knock(address: str) -> None:
    """Raises OSError if nobody listens at `host:port`; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


class Actor:
    """A worker as a Ray actor. Failures to start are kept and told with the first shard."""

    def __init__(self, job: Job, plugin_files: dict[str, bytes]) -> None:
        self._worker: Worker | None = None
        self._error = ""
        try:
            with tempfile.TemporaryDirectory(prefix="synthgen-plugins-") as folder:
                self._worker = Worker(with_files(job, plugin_files, Path(folder)))
        except SynthgenError as error:
            self._error = str(error)
        except Exception:  # told to the driver, which knows what to do about it
            self._error = f"a worker cannot start: {traceback.format_exc()}"

    def ready(self) -> bool:
        return self._worker is not None

    def render(self, shard: int) -> ShardReport | Failure:
        if self._worker is None:
            return Failure(shard, "fatal", self._error)
        try:
            return self._worker.render(shard)
        except Exception as error:  # a shard's failure is the driver's to judge
            return failure_of(shard, error)


def with_files(job: Job, files: dict[str, bytes], folder: Path) -> Job:
    """The job with its plug-in files written under a folder of this node."""
    paths = []
    for i, (path, content) in enumerate(files.items()):
        target = folder / str(i) / Path(path).name
        target.parent.mkdir()
        target.write_bytes(content)
        paths.append(str(target))
    return replace(job, plugin_files=tuple(paths))


def import_ray() -> Any:
    """ray, told not to rebuild the project's environment for every worker.

    Under `uv run` Ray would start its workers through uv again, which is slow and fails offline;
    the variable is read when ray is imported.
    """
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        import ray
    except ModuleNotFoundError:
        raise PluginError(f"the `ray` executor needs ray: {sys.executable} -m pip install ray") from None
    return ray

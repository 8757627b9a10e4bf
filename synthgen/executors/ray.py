"""`ray`: shards on a pool of actors; the only file that imports ray."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

from synthgen.errors import PluginError, SynthgenError
from synthgen.executors.outcome import Failure, Outcome, failure_of
from synthgen.executors.worker import Job, ShardReport, Worker

IN_FLIGHT = 2


class RayPool:
    """`n_workers` actors, one CPU (or one GPU) each, restarted by Ray when they die.

    Without an address, and outside a cluster, Ray is started on this machine and stopped at the
    end. Only shard numbers and small reports travel; actors read models from, and write shards
    to, paths that every node must see.
    """

    def __init__(self, job: Job, n_workers: int | None, address: str | None, own_cluster: bool) -> None:
        self._ray = ray = import_ray()
        self._started_here = not ray.is_initialized()
        if self._started_here:
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            if own_cluster:
                options |= {"include_dashboard": False, "num_cpus": n_workers}
            else:
                options |= {"address": address or "auto"}
            try:
                ray.init(**options)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise SynthgenError(f"cannot reach a Ray cluster at {address or 'auto'}: {error}") from None
        resources = {key: int(value) for key, value in ray.cluster_resources().items() if key in ("CPU", "GPU")}
        gpu = job.device.startswith("cuda") or (job.device == "auto" and resources.get("GPU", 0) > 0)
        count = n_workers or max(1, resources.get("GPU" if gpu else "CPU", 1))
        actor = ray.remote(Actor).options(
            num_cpus=1, num_gpus=1 if gpu else 0, max_restarts=-1, max_task_retries=0, max_concurrency=1
        )
        files = {path: Path(path).read_bytes() for path in job.plugin_files}
        environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._actors = [
            actor.options(runtime_env={"env_vars": environment}).remote(job, files) for _ in range(count)
        ]
        self._free: deque[Any] = deque(a for _ in range(IN_FLIGHT) for a in self._actors)
        self._pending: dict[Any, tuple[int, Any]] = {}
        self.capacity = count * IN_FLIGHT
        where = "a cluster started on this machine" if own_cluster else f"the cluster at {address or 'auto'}"
        self.description = f"on {count} Ray actors of {where}"

    def submit(self, shard: int) -> None:
        actor = self._free.popleft()
        self._pending[actor.render.remote(shard)] = (shard, actor)

    def wait(self) -> Outcome:
        done, _ = self._ray.wait(list(self._pending), num_returns=1)
        shard, actor = self._pending.pop(done[0])
        self._free.append(actor)
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(done[0])
        except errors.RayActorError as error:
            if "__init__" in str(error) and isinstance(error, errors.ActorDiedError):
                raise SynthgenError(f"a Ray actor could not start: {error}") from None
            preempted = bool(getattr(error, "preempted", False))
            return Failure(shard, "system", f"the Ray actor died: {type(error).__name__}", str(error), not preempted)
        except errors.RayError as error:
            return Failure(shard, "system", f"Ray lost the task: {type(error).__name__}", str(error))
        return outcome

    def close(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor, no_restart=True)
        if self._started_here:
            self._ray.shutdown()


class Actor:
    """A worker as a Ray actor. Failures to start are kept and told with the first shard."""

    def __init__(self, job: Job, plugin_files: dict[str, bytes]) -> None:
        self._worker: Worker | None = None
        self._error: BaseException | None = None
        try:
            self._worker = Worker(with_files(job, plugin_files))
        except SynthgenError as error:
            self._error = error

    def render(self, shard: int) -> ShardReport | Failure:
        if self._worker is None:
            assert self._error is not None
            return Failure(shard, "fatal", str(self._error))
        try:
            return self._worker.render(shard)
        except Exception as error:  # a shard's failure is the driver's to judge
            return failure_of(shard, error)


def with_files(job: Job, files: dict[str, bytes]) -> Job:
    """The job with its plug-in files at paths of this node."""
    if not files:
        return job
    folder = Path(tempfile.mkdtemp(prefix="synthgen-plugins-"))
    paths = []
    for i, (path, content) in enumerate(files.items()):
        target = folder / str(i) / Path(path).name
        target.parent.mkdir()
        target.write_bytes(content)
        paths.append(str(target))
    return Job(job.recipe, job.out, job.digest, job.device, tuple(paths), job.folder)


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


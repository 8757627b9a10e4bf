"""Jobs: runs that the job server of a Ray cluster keeps, with their logs, whether or not somebody follows them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shlex
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen import __version__
from synthgen.errors import ClusterError, PluginError, UsageError
from synthgen.generate.executors.cluster import import_ray
from synthgen.parts.registry import unknown
from synthgen.stages.shipping import Shipment

LOG = logging.getLogger(__name__)
INSTALL = "pip install '.[cluster]'"
GRACE_S = 60
"""How long a stopped run may take to end by itself before Ray kills it."""
POLL_S = 1.0
SILENT_S = 30.0
AWAY_S = 300.0
"""How long the job server may be away, as while its head is started again."""
LOCK_S = 65.0
"""After this, the lock of a driver that is gone without a word is taken over, by whatever machine."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One job as the server knows it. Times are Unix timestamps in s; `exit_code` is that of the run.

    `lost`: it did not end by itself: its driver was killed, or what kept the driver is gone.
    """

    id: str
    status: str
    message: str
    started: float | None
    ended: float | None
    exit_code: int | None
    lost: bool
    about: Mapping[str, str]

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in ("SUCCEEDED", "FAILED", "STOPPED", "LOST")

    @property
    def cause(self) -> str:
        """Why it was lost, in a few words."""
        if self.exit_code is None:
            return self.message.strip().partition("\n")[0].rstrip(".") or "Ray does not say why"
        number = -self.exit_code if self.exit_code < 0 else self.exit_code - 128
        return f"its driver was killed by {signal.Signals(number).name}, often because memory ran out"


@dataclass(frozen=True)
class Request:
    """What is submitted.

    Attributes:
        name: what the job's id begins with.
        words: those of `synthgen run` behind `run`.
        about: what the job is listed with; everybody on the cluster can read it.
        variables: of the run's environment; the same holds for them.
    """

    name: str
    words: Sequence[str]
    shipment: Shipment
    about: Mapping[str, str]
    variables: Mapping[str, str]

    @property
    def entrypoint(self) -> str:
        """A shell line. `exec`, so that signals reach the run itself and its exit code is the job's."""
        enter = f"cd {shlex.quote(str(self.shipment.folder))} && " if self.shipment.folder else ""
        return f"{enter}exec {shlex.join(['synthgen', 'run', *self.words])}"


class Server:
    """The job server of a cluster's head.

    Raises:
        PluginError: ray's own packages for jobs are missing here.
        ClusterError: nobody answers at the address, or asks for a token.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        ray = import_ray()
        try:
            import aiohttp
            import requests
        except ModuleNotFoundError as error:
            raise PluginError(f"jobs need ray[default] ({error.name} is missing): {INSTALL}") from None
        from ray.job_submission import JobSubmissionClient

        self._lost = (OSError, RuntimeError, aiohttp.ClientError, requests.RequestException)
        for name in ("dashboard_sdk", "job.sdk"):  # they say what they send
            logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
        for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):  # Ray would take them instead of the address
            os.environ.pop(name, None)
        try:
            self._client = JobSubmissionClient(self.address)
        except ray.exceptions.AuthenticationError:
            raise ClusterError(
                f"the job server at {self.address} asks for a token and did not get the right one: set "
                "RAY_AUTH_MODE=token, and put the cluster's token into ~/.ray/auth_token or RAY_AUTH_TOKEN"
            ) from None
        except (*self._lost, ValueError, AssertionError) as error:
            why = str(error).strip().rstrip(".")
            raise ClusterError(
                f"no job server of Ray answers at {self.address}: {why}. It runs on a cluster's head, usually at port "
                "8265, if ray[default] is installed there"
            ) from None

    def submit(self, request: Request, attempt: int = 1, first: str = "") -> str:
        """The id of the new job; `first` is that of its first attempt.

        Raises:
            ClusterError: the server refuses it.
        """
        job = f"{first}-{attempt}" if first else f"{request.name}-{secrets.token_hex(3)}"
        variables = {"RAY_JOB_STOP_WAIT_TIME_S": str(GRACE_S)}
        environment: dict[str, Any] = {"env_vars": {**request.variables, **variables}}
        about = {**request.about, "synthgen": __version__, "attempt": str(attempt)}
        with tempfile.TemporaryDirectory(prefix="synthgen-job-") as folder:
            if request.shipment.folder is None:
                request.shipment.write(archive := Path(folder) / "job.zip")
                environment["working_dir"] = str(archive)
            try:
                return str(
                    self._client.submit_job(
                        entrypoint=request.entrypoint, submission_id=job, runtime_env=environment, metadata=about
                    )
                )
            except self._lost as error:
                raise ClusterError(f"the job server at {self.address} did not take the job: {error}") from None

    def jobs(self) -> list[Job]:
        """Every job that `synthgen submit` gave to this cluster, the oldest first."""
        try:
            found = [_job(each) for each in self._client.list_jobs() if "synthgen" in (each.metadata or {})]
        except self._lost as error:
            raise ClusterError(f"the job server at {self.address} does not answer: {error}") from None
        return sorted(found, key=lambda job: job.started or 0.0)

    def find(self, name: str) -> Job:
        """Raises UsageError if there is no such job."""
        jobs = {job.id: job for job in self.jobs()}
        if name not in jobs:
            raise UsageError(unknown(name, jobs, "job"))
        return jobs[name]

    def log(self, name: str) -> str:
        """All that a job has said so far."""
        self.find(name)
        try:
            return str(self._client.get_job_logs(name))
        except self._lost as error:
            raise ClusterError(f"the log of {name} cannot be read: {error}") from None

    def stop(self, name: str) -> Job:
        """Ends a job as Ctrl-C ends a run, and waits until it has ended."""
        if not (job := self.find(name)).over:
            try:
                self._client.stop_job(name)
            except self._lost as error:
                raise ClusterError(f"{name} could not be stopped: {error}") from None
            job = self.wait(name)
        return job

    def wait(self, name: str, say: Say | None = None) -> Job:
        """The job once it has ended. `say` gets its log, in pieces that may end within a line.

        A job that the server does not know any more, because the head was started again, is lost.

        Raises:
            ClusterError: the server has been away for too long.
        """
        said, answered = [0], time.monotonic()
        about: Mapping[str, str] = {}
        while True:
            try:
                if say:
                    asyncio.run(self._tail(name, said, say))
                jobs = {job.id: job for job in self.jobs()}
            except (*self._lost, ClusterError) as error:
                if time.monotonic() - answered > AWAY_S:
                    raise ClusterError(f"{self.address} has not answered for {AWAY_S:.0f} s: {error}") from None
                LOG.info("the job server does not answer: %s", error)
            else:
                answered = time.monotonic()
                if name not in jobs:
                    return Job(name, "LOST", "the cluster does not know it any more", None, None, None, True, about)
                about = jobs[name].about
                if jobs[name].over:
                    return jobs[name]
            time.sleep(POLL_S)

    async def _tail(self, name: str, said: list[int], say: Say) -> None:
        """Passes on what is new in a job's log until it ends, or is silent for a while; `said` counts characters."""
        n = 0
        lines = self._client.tail_job_logs(name)
        try:
            while True:
                piece = await asyncio.wait_for(anext(lines), SILENT_S)
                if new := piece[max(0, said[0] - n) :]:
                    say(new)
                n += len(piece)
                said[0] = max(said[0], n)
        except (StopAsyncIteration, TimeoutError):
            return

    def run_to_end(self, request: Request, name: str, retries: int, note: Say, say: Say | None = None) -> Job:
        """Waits for a job, and submits it again up to `retries` times if it is lost; the run goes on where it was.

        Raises:
            ClusterError: as `wait` and `submit`.
        """
        first, attempt = name, 1
        while True:
            job = self.wait(name, say)
            if not job.lost or attempt > retries:
                return job
            attempt += 1
            killed = job.exit_code is not None  # on the head, which then sees that the lock's holder is gone
            pause = 0.0 if killed else LOCK_S
            when = f" in {pause:.0f} s" if pause else ""
            note(f"{name} was lost: {job.cause}. Submitting it again{when}, {attempt - 1} of {retries}")
            time.sleep(pause)
            name = self.submit(request, attempt, first)
            note(f"job      {name}")


def _job(found: Any) -> Job:
    """A job of ours from what Ray says of it. -9 is SIGKILL, which no run ends itself with; shells call it 137."""
    status, code = str(found.status.value), found.driver_exit_code
    error = str(getattr(found.error_type, "value", found.error_type) or "")
    killed = code is not None and (code < 0 or code > 128) and code not in (130, 143)
    gone = code is None and error.startswith("JOB_SUPERVISOR_ACTOR_") and not error.endswith("UNSCHEDULABLE")
    return Job(
        id=str(found.submission_id),
        status=status,
        message=str(found.message or ""),
        started=found.start_time / 1000 if found.start_time else None,
        ended=found.end_time / 1000 if found.end_time else None,
        exit_code=code,
        lost=status == "FAILED" and (killed or gone),
        about=found.metadata or {},
    )

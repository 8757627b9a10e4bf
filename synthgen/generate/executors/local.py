"""`local`: shards in this process, or in several processes of this machine."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import math
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, ClassVar

from synthgen.base import logs
from synthgen.base.environment import choose_device, use_one_thread
from synthgen.errors import SynthgenError
from synthgen.generate.executors.outcome import Failure, Outcome, outcome_of
from synthgen.generate.executors.patience import Patience
from synthgen.generate.executors.worker import Job, Listen, ShardProgress, ShardReport, Worker
from synthgen.generate.plan import Plan

READY = "ready"
DEAD_STARTS = 5
LOOK_EVERY_S = 1.0


class InProcess:
    """One worker, here. No process to start, nothing to send."""

    capacity = n_workers = n_alive = 1
    n_lost = 0
    description = "in this process"

    def __init__(self, job: Job, plan: Plan, listen: Listen) -> None:
        self._worker = Worker(job, plan)
        self._listen = listen
        self._queue: deque[int] = deque()

    def submit(self, shard: int) -> None:
        self._queue.append(shard)

    def wait(self, longest_s: float = math.inf) -> Outcome:
        return outcome_of(self._worker, self._queue.popleft(), self._listen)

    def close(self) -> None:
        self._worker.close()


class ProcessPool:
    """`n_workers` spawned processes, one thread each; one that dies is replaced.

    A worker that cannot even start (missing weights, broken plug-in) ends the run.
    """

    start_method: ClassVar[str] = "spawn"

    def __init__(self, job: Job, n_workers: int, listen: Listen) -> None:
        self._job = job
        self._listen = listen
        self._context: Any = multiprocessing.get_context(self.start_method)
        self._queue: deque[int] = deque()
        self._ready: deque[Outcome] = deque()
        self._workers: dict[Connection, _Child] = {}
        self._n_dead_starts = 0
        self._patience = Patience()
        self.n_lost = 0
        self.capacity = self.n_workers = n_workers
        self.description = f"in {n_workers} processes of this machine"
        try:
            for number in range(n_workers):
                self._start(number)
        except BaseException:
            self.close()
            raise

    @property
    def n_alive(self) -> int:
        return sum(child.ready for child in self._workers.values())

    def submit(self, shard: int) -> None:
        self._queue.append(shard)
        self._hand_out()

    def wait(self, longest_s: float = math.inf) -> Outcome | None:
        end = time.monotonic() + longest_s
        while not self._ready:
            if time.monotonic() > end:
                return None
            for connection in wait(list(self._workers), min(longest_s, LOOK_EVERY_S)):
                assert isinstance(connection, Connection)
                self._hear(connection)
            self._give_up_stuck()
            self._hand_out()
        return self._ready.popleft()

    def _give_up_stuck(self) -> None:
        """Kills workers that nothing comes of; `_hear` then notices their death."""
        for child in self._workers.values():
            if child.shard is None or child.stuck:
                continue
            child.stuck = self._patience.worn_out(time.monotonic() - child.heard_at)
            if child.stuck:
                child.process.kill()

    def close(self) -> None:
        for child in self._workers.values():
            child.process.kill()
        for connection, child in self._workers.items():
            child.process.join()
            connection.close()
        self._workers.clear()

    def _start(self, number: int) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._job, number, theirs, os.getpid()), daemon=True)
        use_one_thread()  # inherited: it must be set before the child imports torch
        with _quiet_start():
            process.start()
        theirs.close()
        self._workers[ours] = _Child(process, number)

    def _hand_out(self) -> None:
        for connection, child in self._workers.items():
            if child.ready and child.shard is None and self._queue:
                child.shard, child.heard_at = self._queue.popleft(), time.monotonic()
                with contextlib.suppress(OSError):  # it died while idle: `_hear` sees that and hands the shard back
                    connection.send(child.shard)

    def _hear(self, connection: Connection) -> None:
        """Takes one message of a worker, or notices its death."""
        child = self._workers[connection]
        try:
            message = connection.recv()
        except (EOFError, OSError):
            self._bury(connection)
            return
        child.heard_at = time.monotonic()
        if isinstance(message, SynthgenError):
            raise message
        if message == READY:
            child.ready = True
            self._n_dead_starts = 0
        elif isinstance(message, ShardProgress):
            self._listen(message)
        else:
            child.shard = None
            if isinstance(message, ShardReport) and message.seconds:
                self._patience.learn(message.seconds["total"])
            self._ready.append(message)

    def _bury(self, connection: Connection) -> None:
        """Replaces a dead worker and hands its shard back; gives up if workers die before they can do anything."""
        child = self._workers.pop(connection)
        child.process.join()
        connection.close()
        code = child.process.exitcode
        how = f"the worker process ended with code {code}" + signal_name(code)
        if child.stuck:
            how = f"the worker process was stuck and given up: {child.stuck}"
        if child.ready:
            self.n_lost += 1
        else:
            self._n_dead_starts += 1
            if (code or 0) >= 0 or self._n_dead_starts >= DEAD_STARTS:
                raise SynthgenError(f"{how} before it could render anything; see the messages above")
        if child.shard is not None:
            self._ready.append(Failure(child.shard, "system", how))
        self._start(child.number)


@dataclass
class _Child:
    """A worker process: its number, whether it has loaded its models, what it renders, and when it was heard of.

    `stuck` is why it was given up.
    """

    process: BaseProcess
    number: int
    ready: bool = False
    shard: int | None = None
    heard_at: float = 0.0
    stuck: str = ""


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Children start with SIGINT blocked, and do not import the caller's script.

    Ctrl-C goes to every process of the terminal, also to one that is still importing. And a
    script that calls `synthgen.run` without a `__main__` guard would be run again by each child.
    The first start of a child would start multiprocessing's resource tracker, which unblocks SIGINT
    when it is done (CPython, `ResourceTracker.ensure_running`): so it is started before.
    """
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def signal_name(exit_code: int | None) -> str:
    """` (SIGKILL; often the system's answer to too little memory)` for -9, and so on."""
    if exit_code is None or exit_code >= 0:
        return ""
    name = signal.Signals(-exit_code).name
    return f" ({name}; often the system's answer to too little memory)" if name == "SIGKILL" else f" ({name})"


def _serve(job: Job, number: int, connection: Connection, parent: int) -> None:
    """A worker process: say ready, then render whatever number arrives, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logs.show_as_asked()
    die_with_parent(parent)
    try:
        worker = Worker(dataclasses.replace(job, device=device_of(job.device, number)))
    except SynthgenError as error:
        connection.send(error)
        return
    connection.send(READY)
    while True:
        try:
            shard = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(outcome_of(worker, shard, connection.send))


def device_of(device: str, number: int) -> str:
    """The GPU of worker `number` on a machine with several; else the device as it was named."""
    wanted = choose_device(device)
    if wanted != "cuda":
        return wanted
    import torch

    return f"cuda:{number % torch.cuda.device_count()}" if torch.cuda.device_count() > 1 else wanted


def die_with_parent(parent: int) -> None:
    """Ends this process when its driver dies, so that a killed driver leaves nobody writing (Linux only).

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

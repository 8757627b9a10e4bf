"""`local`: shards in this process, or in several processes of this machine."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections import deque
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from synthgen.errors import SynthgenError
from synthgen.executors.outcome import Failure, Outcome, failure_of
from synthgen.executors.worker import Job, Worker
from synthgen.plan import Plan

READY = -1


class InProcess:
    """One worker, here. No process to start, nothing to send."""

    capacity = 1
    description = "in this process"

    def __init__(self, job: Job, plan: Plan) -> None:
        self._worker = Worker(job, plan)
        self._queue: deque[int] = deque()

    def submit(self, shard: int) -> None:
        self._queue.append(shard)

    def wait(self) -> Outcome:
        shard = self._queue.popleft()
        try:
            return self._worker.render(shard)
        except Exception as error:  # a shard's failure is the driver's to judge
            return failure_of(shard, error)

    def close(self) -> None:
        self._worker.close()


class ProcessPool:
    """`n_workers` spawned processes, one thread each; one that dies is replaced.

    A worker that cannot even start (missing weights, broken plug-in) ends the run.
    """

    def __init__(self, job: Job, n_workers: int) -> None:
        self._job = job
        self._context = multiprocessing.get_context("spawn")
        self._queue: deque[int] = deque()
        self._ready: deque[Outcome] = deque()
        self._shard: dict[Connection, int | None] = {}
        self._process: dict[Connection, BaseProcess] = {}
        self.capacity = n_workers
        self.description = f"in {n_workers} processes of this machine"
        for _ in range(n_workers):
            self._start()

    def submit(self, shard: int) -> None:
        self._queue.append(shard)
        self._hand_out()

    def wait(self) -> Outcome:
        while not self._ready:
            for connection in wait(list(self._process)):
                assert isinstance(connection, Connection)
                self._hear(connection)
            self._hand_out()
        return self._ready.popleft()

    def close(self) -> None:
        for process in self._process.values():
            process.kill()
        for connection, process in self._process.items():
            process.join()
            connection.close()
        self._process.clear()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._job, theirs, os.getpid()), daemon=True)
        os.environ["OMP_NUM_THREADS"] = "1"  # inherited: it must be set before the child imports torch
        process.start()
        theirs.close()
        self._process[ours] = process
        self._shard[ours] = READY

    def _hand_out(self) -> None:
        for connection, shard in self._shard.items():
            if shard is None and self._queue:
                self._shard[connection] = self._queue.popleft()
                try:
                    connection.send(self._shard[connection])
                except OSError:
                    pass  # it died while idle: `_hear` sees the end of its pipe and hands the shard back

    def _hear(self, connection: Connection) -> None:
        """Takes one message of a worker, or notices its death."""
        shard = self._shard[connection]
        try:
            message = connection.recv()
        except (EOFError, OSError):
            self._bury(connection, shard)
            return
        if isinstance(message, SynthgenError):
            raise message
        self._shard[connection] = None
        if message != READY:
            self._ready.append(message)

    def _bury(self, connection: Connection, shard: int | None) -> None:
        process = self._process.pop(connection)
        del self._shard[connection]
        process.join()
        connection.close()
        how = f"the worker process ended with code {process.exitcode}"
        if shard == READY:
            raise SynthgenError(f"{how} before it could render anything; see the messages above")
        if shard is not None:
            self._ready.append(Failure(shard, "system", how + signal_name(process.exitcode)))
        self._start()


def signal_name(exit_code: int | None) -> str:
    """` (SIGKILL; often the system's answer to too little memory)` for -9, and so on."""
    if exit_code is None or exit_code >= 0:
        return ""
    name = signal.Signals(-exit_code).name
    return f" ({name}; often the system's answer to too little memory)" if name == "SIGKILL" else f" ({name})"


def _serve(job: Job, connection: Connection, parent: int) -> None:
    """A worker process: say ready, then render whatever number arrives, until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent(parent)
    try:
        worker = Worker(job)
    except SynthgenError as error:
        connection.send(error)
        return
    connection.send(READY)
    while True:
        try:
            shard = connection.recv()
        except EOFError:
            return
        try:
            outcome: Outcome = worker.render(shard)
        except Exception as error:  # a shard's failure is the driver's to judge
            outcome = failure_of(shard, error)
        connection.send(outcome)


def die_with_parent(parent: int) -> None:
    """Ends this process when its driver dies, so that a killed driver leaves nobody writing (Linux only).

    Source: prctl(2), PR_SET_PDEATHSIG.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)

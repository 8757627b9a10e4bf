"""Chaos: random schedules of faults, each compared with the bytes of a run without any.

python tests/faults.py --schedules 500 [--seed N] [--only KIND]      a schedule is repeated by its seed

Drivers and workers are forked, and models are toys, so that a schedule takes a fraction of a second. A fault strikes
before one of the calls by which a process changes the file system, or when half of a file's first write is made,
counted from the start of the process; in an object store (a real server on this machine), before or after a request
has had its effect.

Final bytes alone say little, as the next run mends most of what goes wrong. So whenever a driver has ended or sleeps,
the dataset is read as users read it: what they see is part of the right one, no record is torn, no shard was given up,
and no failure is held against the recipe's code.

A SIGKILL loses nothing that was written: what only a power cut shows is in tests/unit/dataset/test_local.py.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import errno
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import bucket
import helpers
import synthgen
from synthgen import api
from synthgen.base import object_store
from synthgen.dataset import ledger, lock, object_lease
from synthgen.dataset.layout import FAILURES, LEASE, MANIFEST, PRIVATE, SHARDS, STAGING
from synthgen.dataset.objects import ObjectStorage
from synthgen.errors import SynthgenError, UsageError
from synthgen.generate import driver
from synthgen.generate.executors import patience
from synthgen.generate.executors.local import InProcess, ProcessPool
from synthgen.generate.executors.outcome import Executor, Failure, Outcome
from synthgen.generate.executors.worker import Job, Listen
from synthgen.generate.plan import Plan

STEPS = ("link", "replace", "rename", "fsync", "unlink", "mkdir", "rmdir", "open")
DONE, REFUSED, INCOMPLETE, TAKEN_OVER = 0, 3, 4, 5
"""Exit codes of a forked driver: done, ended with a message for the user, without all shards, or by another driver."""
MOST_KILLS = driver.SYSTEM_ATTEMPTS - 1
"""Of workers: all of them may be under one shard, which is not given up for so many."""
LONG_S = 3.0
"""A driver that lives is heard of within this time, however busy the machine is."""
NO_FAULT = contextlib.nullcontext()
BUSY = ("500 Internal Server Error", "503 Slow Down", "429 Too Many Requests")
REFUSALS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.ESTALE)


class ForkPool(ProcessPool):
    """Workers that are forked: they start in milliseconds."""

    start_method = "fork"


class OneWorker(ForkPool):
    """Whoever takes its place gets the shard under which it died."""

    def __init__(self, job: Job, n_workers: int, listen: Listen) -> None:
        super().__init__(job, 1, listen)


class Twice(ForkPool):
    """Delivers every shard twice, to two workers where it can; of the two outcomes, the first one counts."""

    def submit(self, shard: int) -> None:
        self._ended = getattr(self, "_ended", Counter())
        self._queue.append(shard)
        super().submit(shard)

    def wait(self, longest_s: float = float("inf")) -> Outcome | None:
        while (outcome := super().wait(longest_s)) is not None:
            self._ended[outcome.shard] += 1
            if self._ended[outcome.shard] % 2:
                return outcome
        return None


class Abandoning(ForkPool):
    """Cannot reach a worker that is stuck, as behind a cut cable: it goes on when others are done."""

    def _give_up_stuck(self) -> None:
        for connection, child in list(self._workers.items()):
            stopped = child.shard is not None and _is_stopped(child.process.pid)
            if stopped and child.heard_at < time.monotonic() - 0.05:
                self._ready.append(Failure(child.shard or 0, "system", "out of reach", counts=False))
                del self._workers[connection]
                self._left = [*getattr(self, "_left", []), (connection, child)]
                self._start(child.number)

    def _hear(self, connection: Connection) -> None:
        n_before = len(self._ready)
        super()._hear(connection)
        for _, child in getattr(self, "_left", [])[: len(self._ready) - n_before]:
            os.kill(child.process.pid, signal.SIGCONT)

    def close(self) -> None:
        for connection, child in getattr(self, "_left", []):
            os.kill(child.process.pid, signal.SIGCONT)
            while _runs(child.process.pid) and not connection.poll(0.01):
                pass
            self._workers[connection] = child
        super().close()


class NotReplaced(ForkPool):
    """Workers that die are gone for good, all but the last."""

    def _start(self, number: int) -> None:
        if number not in getattr(self, "_begun", set()) or not self._workers:
            self._begun = getattr(self, "_begun", set()) | {number}
            super()._start(number)


def _is_stopped(pid: int | None) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _runs(pid: int | None) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def striking(
    struck_file: Path, at: int, action: Callable[[], Any], who: Callable[[], bool], n: int = 1
) -> Iterator[None]:
    """`action` comes before the calls `at` to `at + n - 1` of STEPS in every process that `who` is true for."""
    calls = Counter[int]()

    def struck(function: Any, writes: Callable[..., bool]) -> Any:
        def step(*args: Any, **kwargs: Any) -> Any:
            if not (writes(*args, **kwargs) and who()):
                return function(*args, **kwargs)
            strike()
            done = function(*args, **kwargs)
            return InHalves(done, strike) if function is before["open"] else done

        return step

    def strike() -> None:
        calls[os.getpid()] += 1
        if at < calls[os.getpid()] <= at + n:
            os.close(os.open(struck_file, os.O_CREAT))
            action()

    before = {name: getattr(os, name) for name in STEPS if name != "open"} | {"open": builtins.open}
    for name in STEPS:
        if name == "open":
            builtins.open = struck(before[name], _opens_to_write)
        else:
            setattr(os, name, struck(before[name], lambda *args, **kwargs: True))
    try:
        yield
    finally:
        builtins.open = before.pop("open")
        for name, function in before.items():
            setattr(os, name, function)


class InHalves:
    """A file whose first write reaches the disk in two halves, with a step between them."""

    def __init__(self, file: Any, step: Callable[[], None]) -> None:
        self._file, self._step = file, step

    def write(self, data: Any) -> int:
        if self._step is None:
            return int(self._file.write(data))
        half, step, self._step = len(data) // 2, self._step, None  # type: ignore[assignment]
        self._file.write(data[:half])
        self._file.flush()
        step()
        return half + int(self._file.write(data[half:]))

    def __enter__(self) -> InHalves:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _opens_to_write(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> bool:
    return any(letter in mode for letter in "xwa")


def first(n: int, marker: Path, action: Callable[[], Any]) -> Callable[[], Any]:
    """The same for the first `n` processes that get here; the others are spared."""

    def act() -> None:
        for number in range(n):
            with contextlib.suppress(FileExistsError):
                os.close(os.open(f"{marker}-{number}", os.O_CREAT | os.O_EXCL))
                return action()

    return act


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def refuse(code: int) -> Callable[[], Any]:
    def raise_error() -> None:
        raise OSError(code, os.strerror(code))

    return raise_error


@dataclass
class Want:
    """What a run without faults writes: sha256 of promised files, and of the images of samples, by name."""

    files: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)


@dataclass
class Trial:
    """One schedule: a folder, random numbers of its own, and what happened, for the message if it goes wrong."""

    plan: Plan
    job: Job
    folder: Path
    chance: random.Random
    n_steps: dict[str, int]
    want: Want
    server: bucket.Server
    place: str = ""
    pid: int = 0
    kills: int = 0
    story: list[str] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def start(self, pool: type[ProcessPool] | None) -> driver.StartExecutor:
        def begin(job: Job, plan: Plan, n_pending: int, listen: Listen) -> Executor:
            return pool(job, 2, listen) if pool else InProcess(job, plan, listen)

        return begin

    def drive(self, pool: type[ProcessPool] | None = None, fault: Any = NO_FAULT) -> int:
        """Starts a driver in a forked process and returns its number."""

        def work() -> int:
            driver.PAUSE_S = 0.0
            with fault:
                where = ObjectStorage(self.place) if self.place else self.out
                done = driver.run(self.plan, where, self.start(pool), self.job, api.Silent())
                return DONE if done.complete else INCOMPLETE

        return self.fork(work)

    def fork(self, work: Callable[[], int]) -> int:
        """Starts a process that ends with what `work` returns, or as a driver ends with an error."""
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            code = work()
        except SynthgenError as error:
            print(f"    {error}", file=self.said())
            code = TAKEN_OVER if "another synthgen has taken over" in str(error) else REFUSED
        except BaseException:
            traceback.print_exc(file=self.said())
        finally:
            os._exit(code)

    def striking(self, at: int, action: Callable[[], Any], who: Callable[[], bool], n: int = 1) -> Any:
        return striking(self.folder / "struck", at, action, who, n)

    def strike(self, sent: int, now: bool) -> None:
        """Sends a signal to the driver `pid`, if it is time."""
        if now:
            (self.folder / "struck").touch()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sent)

    def said(self) -> Any:
        return os.fdopen(os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), "a", buffering=1)

    def end(self, pid: int, what: str) -> int:
        """The exit code of a driver. Whenever it sleeps, and when it has ended, the dataset is read."""
        while os.WIFSTOPPED(status := os.waitpid(pid, os.WUNTRACED)[1]):
            self.check("it slept")
            os.kill(pid, signal.SIGCONT)
        code = os.waitstatus_to_exitcode(status)
        self.story.append(f"{what}: exit {code}")
        assert code in (DONE, REFUSED, TAKEN_OVER, -signal.SIGKILL), f"a driver ended with {code}"
        self.check(what)
        return code

    def in_store(self, strike: Callable[[int], bool | None]) -> Any:
        """While the block runs, `strike` is called with the number of each request; True answers it by an error.

        Beats of leases are not counted: nobody knows how many there are.
        """
        n_requests = itertools.count()

        def fault(request: str, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes] | None:
            if self.place.rpartition("/")[2] not in environ["PATH_INFO"] + environ["QUERY_STRING"]:
                return None
            if request.startswith("PUT") and request.endswith(LEASE):
                return None
            if not strike(next(n_requests)):
                return None
            start(self.chance.choice(BUSY), [("Content-Length", "0")])
            return [b""]

        @contextlib.contextmanager
        def block() -> Iterator[None]:
            self.server.faults.append(fault)
            yield
            self.server.faults.remove(fault)

        return block()

    def run(self, what: str, pool: type[ProcessPool] | None = None, fault: Any = NO_FAULT) -> int:
        return self.end(self.drive(pool, fault), what)

    def step(self, who: str) -> int:
        """A call before which a fault strikes, of those that such a process has in a run without any."""
        return self.chance.randrange(self.n_steps[who])

    def files(self) -> dict[str, bytes]:
        """All that is there, by name."""
        if self.place:
            return self.server.objects(self.place)
        found = {}
        for path in self.out.rglob("*"):
            with contextlib.suppress(OSError):  # a folder, or gone meanwhile
                found[path.relative_to(self.out).as_posix()] = path.read_bytes()
        return found

    def check(self, when: str) -> None:
        """What can be seen is part of the right dataset, by name and by sample; no shard was given up."""
        found = self.files()
        promised = {name: raw for name, raw in found.items() if name.split("/")[0] not in helpers.UNPROMISED}
        written = {name: hashlib.sha256(raw).hexdigest() for name, raw in promised.items()}
        assert written.items() <= self.want.files.items(), (
            f"{when}: {sorted(written.items() - self.want.files.items())}"
        )
        if MANIFEST in found:
            missing = {name for name in self.want.files if "/" in name} - found.keys()
            assert not missing, f"{when}: the manifest names files that are not there: {sorted(missing)}"
        assert not [name for name in found if name.startswith(FAILURES)], f"{when}: a shard was given up"
        n_failed = Counter(failures(found))
        assert not n_failed["code"] and n_failed["system"] <= self.kills, f"{when}: {n_failed} held against shards"
        folder = self.out
        if self.place:
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            for name, raw in found.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(raw)
        assert helpers.in_fork(lambda: self.load(folder)) == 0, f"{when}: what can be loaded is wrong"

    def load(self, folder: Path) -> None:
        """Reads the dataset in a folder as users do, and raises AssertionError if that is not part of the right one."""
        with contextlib.redirect_stderr(self.said()):
            try:
                book = ledger.read(folder)
            except UsageError:
                return  # nothing is there yet
            assert not book.unreadable, book.unreadable
            found = images(folder)
            assert found.items() <= self.want.images.items()
            assert book.manifest is None or found == self.want.images

    @property
    def lease(self) -> str:
        """The id of the lease that was given last; empty if there is none."""
        raw = self.files().get(LEASE)
        return str(json.loads(raw)["id"]) if raw else ""

    def wake(self, asleep: Asleep) -> None:
        """A driver that slept while others did all there was to do changes nothing any more, and says why."""
        before, taken_over = self.visible(), self.lease != asleep.lease != ""
        os.kill(asleep.pid, signal.SIGCONT)
        code = self.end(asleep.pid, "the sleeper, woken after")
        if taken_over:
            changed = before.items() ^ self.visible().items()
            assert not changed, f"it changed {sorted({name for name, _ in changed})}"
            assert asleep.sealed or code == TAKEN_OVER, "it did not notice"

    def fall_asleep(self, pid: int) -> Asleep | None:
        """Waits until a driver is stopped; None if it ends before."""
        if not os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]):
            self.story.append("never fell asleep")
            return None
        self.check("it slept")
        return Asleep(pid, self.lease, MANIFEST in self.files())

    def hang(self) -> None:
        """Until somebody says `go`."""
        while not (self.folder / "go").exists():
            time.sleep(0.01)

    def outlast(self, pid: int, holds: Callable[[], bool]) -> None:
        """Another driver is started while one hangs, and is refused if that one holds the lease."""
        while not (self.folder / "struck").exists() and _runs(pid):
            time.sleep(0.01)
        if not _runs(pid):
            (self.folder / "go").touch()
        held = holds() and _runs(pid)
        code = self.run("while another driver hangs", None, brisk("b", LONG_S))
        (self.folder / "go").touch()
        first = self.end(pid, "which hung")
        assert not held or (code, first) == (REFUSED, DONE), "a live driver was taken over"

    def visible(self) -> dict[str, bytes]:
        """What readers may look at, and the records."""
        return {name: raw for name, raw in self.files().items() if not name.startswith((PRIVATE, "log/"))}

    def in_driver(self) -> Callable[[], bool]:
        return lambda: os.getppid() == PARENT

    def in_workers(self) -> Callable[[], bool]:
        return lambda: os.getppid() != PARENT

    def some_pool(self) -> tuple[type[ProcessPool] | None, int]:
        """How a driver works, and a step of it."""
        pool = self.chance.choice([None, ForkPool])
        return pool, self.step("driver" if pool else "alone")


@dataclass
class Asleep:
    """A driver that was stopped: its lease, if it had one yet, and whether a manifest was there."""

    pid: int
    lease: str
    sealed: bool


def failures(files: dict[str, bytes]) -> Iterator[str]:
    """The causes of all failures of shards in the log of a dataset; a crash may have cut a line short."""
    for name in sorted(name for name in files if name.startswith(SHARDS)):
        for line in files[name].splitlines():
            with contextlib.suppress(ValueError):
                if cause := json.loads(line).get("failed"):
                    yield cause


def images(folder: Path) -> dict[str, str]:
    """sha256 of the image of every sample that can be loaded, by key."""
    found = synthgen.load(folder, allow_incomplete=True)
    return {sample["key"]: hashlib.sha256(sample["image"].tobytes()).hexdigest() for sample in found}


PARENT = os.getpid()


def driver_killed(trial: Trial) -> None:
    """SIGKILL of the driver, up to three times; with workers, which die with it."""
    for _ in range(trial.chance.randint(1, 3)):
        pool, at = trial.some_pool()
        trial.run(f"killed before step {at} ({pool})", pool, trial.striking(at, kill, trial.in_driver()))


def worker_killed(trial: Trial) -> None:
    """SIGKILL of workers, or of the only one and always under one shard: the run goes on without anybody's help."""
    at, trial.kills = trial.step("worker") // 2, MOST_KILLS
    pool = trial.chance.choice([ForkPool, OneWorker])
    fault = trial.striking(at, first(trial.kills, trial.folder / "killed", kill), trial.in_workers())
    code = trial.run(f"workers killed before their step {at} ({pool})", pool, fault)
    assert code == DONE, "the run did not go on"


def worker_gone_for_good(trial: Trial) -> None:
    """Half of the workers die and nobody takes their place."""
    at, trial.kills = trial.step("worker"), 1
    fault = trial.striking(at, first(1, trial.folder / "killed", kill), trial.in_workers())
    assert trial.run(f"a worker lost before its step {at}", NotReplaced, fault) == DONE, "the run did not go on"


def worker_paused(trial: Trial) -> None:
    """SIGSTOP of a worker at any step; another renders its shard, and it wakes up and goes on with its own."""
    at, trial.kills = trial.step("worker"), 1
    fault = trial.striking(at, first(1, trial.folder / "stopped", stop), trial.in_workers())
    assert trial.run(f"a worker paused before its step {at}", Abandoning, fault) == DONE, "the run did not go on"


def worker_stuck(trial: Trial) -> None:
    """SIGSTOP of a worker, for ever: it is given up and killed once nothing was heard of it for long."""
    trial.kills = 1
    at = trial.chance.randrange(trial.n_steps["worker"] // 2, trial.n_steps["worker"])

    @contextlib.contextmanager
    def impatient() -> Iterator[None]:
        patience.LEAST_S = 0.3
        with trial.striking(at, first(1, trial.folder / "stopped", stop), trial.in_workers()):
            yield

    class Quick(ForkPool):
        @property
        def capacity(self) -> int:
            return 2

        @capacity.setter
        def capacity(self, n: int) -> None:
            pass

    assert trial.run(f"a worker stuck before its step {at}", Quick, impatient()) == DONE, "the run did not go on"


def delivered_twice(trial: Trial) -> None:
    """Every shard goes to two workers; one of them may be killed."""
    at, trial.kills = trial.step("worker"), 1
    fault = trial.striking(at, first(1, trial.folder / "killed", kill), trial.in_workers())
    assert trial.run(f"delivered twice, a worker killed before its step {at}", Twice, fault) == DONE


def disk_refuses(trial: Trial) -> None:
    """The disk is full, broken, read-only or gone, for one call or for many, in the driver or a worker."""
    n, code = trial.chance.choice([1, 2, 5, 1000]), trial.chance.choice(REFUSALS)
    pool, at = trial.some_pool()
    who = trial.in_driver()
    if pool and trial.chance.random() < 0.7:
        who, at = trial.in_workers(), trial.step("worker")
    what = f"{errno.errorcode[code]} at steps {at} to {at + n - 1} ({pool})"
    trial.run(what, pool, trial.striking(at, refuse(code), who, n))


def two_drivers(trial: Trial) -> None:
    """Two drivers start at once, and one of them may be killed."""
    pool, at = trial.some_pool()
    faults = [NO_FAULT, trial.striking(at, kill, trial.in_driver())]
    trial.chance.shuffle(faults)
    pids = [trial.drive(pool, fault) for fault in faults]
    codes = [trial.end(pid, f"one of two drivers, of which one may be killed before step {at}") for pid in pids]
    if REFUSED in codes:
        (trial.folder / "struck").touch()
    assert {DONE, -signal.SIGKILL} & {*codes} and TAKEN_OVER not in codes


def stale_driver(trial: Trial) -> None:
    """A driver falls asleep at any step; another takes over, and may be killed; the sleeper wakes up then, or after."""
    pool, at = trial.some_pool()
    asleep = trial.fall_asleep(trial.drive(pool, trial.striking(at, stop, trial.in_driver())))
    if not asleep:
        return
    with contextlib.suppress(FileNotFoundError):
        (trial.out / PRIVATE / "lock").unlink()  # as if it had not been heard of for a minute
    pool, at = trial.some_pool()
    other = trial.drive(pool, trial.chance.choice([NO_FAULT, trial.striking(at, kill, trial.in_driver())]))
    if wake_early := trial.chance.random() < 0.5:
        os.kill(asleep.pid, signal.SIGCONT)
    trial.end(other, f"took over from a sleeper, and may have been killed before step {at}")
    if wake_early:
        trial.end(asleep.pid, "the sleeper, woken at once")
    else:
        trial.wake(asleep)


def clock_jumps(trial: Trial) -> None:
    """Two drivers on hosts of their own, whose clocks jump by up to a day at every look."""

    (trial.folder / "struck").touch()

    @contextlib.contextmanager
    def elsewhere(name: str) -> Iterator[None]:
        chance = random.Random(f"{name}{trial.chance.random()}")
        true_time, true_host = time.time, lock.host
        time.time = lambda: true_time() + chance.uniform(-86400, 86400)
        lock.host = lambda: {**true_host(), "host": name}
        yield

    pids = [trial.drive(trial.some_pool()[0], elsewhere(name)) for name in ("a", "b")]
    codes = [trial.end(pid, "a driver with a clock that jumps") for pid in pids]
    assert DONE in codes and TAKEN_OVER not in codes


@contextlib.contextmanager
def brisk(host: str = "", stale_s: float = 0.5) -> Iterator[None]:
    """A driver that asks again soon and takes leases over after `stale_s`; on a host of that name, if given."""
    object_store.RETRY["backoff"] = {
        "init_backoff": timedelta(milliseconds=5),
        "max_backoff": timedelta(milliseconds=50),
        "base": 2,
    }
    for module in (lock, object_lease):
        module.HEARTBEAT_S, module.STALE_S = stale_s / 10, stale_s
    if host:
        true_host = lock.host()
        lock.host = object_lease.host = lambda: {**true_host, "host": host}
    yield


def live_driver(trial: Trial) -> None:
    """A driver hangs at a step, as it seems for hours, and beats: another host's is refused."""
    hangs = trial.striking(trial.step("alone"), trial.hang, trial.in_driver())

    @contextlib.contextmanager
    def slow() -> Iterator[None]:
        with brisk("a", LONG_S), hangs:
            yield

    def holds() -> bool:
        lock_file, patience_s = trial.out / PRIVATE / "lock", time.monotonic() + 5 * LONG_S
        if not lock_file.exists() or not any((trial.out / STAGING).iterdir()):
            return False
        os.utime(lock_file, (0, 0))  # hours pass, and then it beats
        while lock_file.stat().st_mtime == 0 and time.monotonic() < patience_s:
            time.sleep(0.01)
        return True

    trial.outlast(trial.drive(None, slow()), holds)


def store_live_driver(trial: Trial) -> None:
    """The same, of a request that the store is slow to answer."""
    at = trial.step("requests")

    def strike(n: int) -> None:
        if n == at:
            (trial.folder / "struck").touch()
            trial.hang()

    with trial.in_store(strike):
        driver_pid = trial.drive(None, brisk("a", LONG_S))
        trial.outlast(driver_pid, lambda: b'"live":true' in trial.files().get(LEASE, b""))


def reader(trial: Trial) -> None:
    """The dataset is read at random steps of its driver, of which each lasts until it was read."""
    share = trial.chance.uniform(0.02, 0.15)
    fault = trial.striking(0, lambda: trial.chance.random() < share and stop(), trial.in_driver(), 10**9)
    assert trial.run(f"read at {share:.0%} of its steps", None, fault) == DONE


def store_reader(trial: Trial) -> None:
    """The same, at random requests."""
    share = trial.chance.uniform(0.02, 0.15)
    with trial.in_store(lambda n: trial.strike(signal.SIGSTOP, trial.chance.random() < share)):
        trial.pid = trial.drive(None, brisk())
        assert trial.end(trial.pid, f"read at {share:.0%} of its requests") == DONE


def store_fails(trial: Trial) -> None:
    """Requests are answered by 500, 503 or 429, before or after they had their effect, or late; the run goes on."""
    share, app = trial.chance.choice([0.02, 0.1, 0.3]), trial.server.app

    def strike(n: int) -> bool:
        if trial.chance.random() >= share:
            return False
        (trial.folder / "struck").touch()
        if late := trial.chance.random() < 0.2:
            time.sleep(0.1)
        return not late

    def effective(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Some answers are lost on their way back, more often those that say whether a condition held."""
        conditional = {"HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH"} & environ.keys()
        if environ["REQUEST_METHOD"] != "PUT" or trial.chance.random() >= (0.3 if conditional else share / 2):
            return app(environ, start)
        (trial.folder / "struck").touch()
        list(app(environ, lambda *_: None))
        start(trial.chance.choice(BUSY), [("Content-Length", "0")])
        return [b""]

    trial.server.app = effective
    try:
        with trial.in_store(strike):
            code = trial.run(f"a store that fails {share:.0%} of requests", None, brisk())
    finally:
        trial.server.app = app
    assert code == DONE, "the run did not go on"


def store_driver_killed(trial: Trial) -> None:
    """SIGKILL of the driver before any of its requests."""
    for _ in range(trial.chance.randint(1, 2)):
        at = trial.step("requests")
        with trial.in_store(lambda n, at=at: trial.strike(signal.SIGKILL, n == at)):
            trial.pid = trial.drive(None, brisk())
            trial.end(trial.pid, f"killed before request {at}")


def store_stale_driver(trial: Trial) -> None:
    """A driver falls asleep before a request, another one on another host takes over, and the sleeper wakes up."""
    at = trial.step("requests")
    with trial.in_store(lambda n: trial.strike(signal.SIGSTOP, n == at)):
        trial.pid = trial.drive(None, brisk("a"))
        asleep = trial.fall_asleep(trial.pid)
    if not asleep:
        return
    other = trial.drive(None, brisk("b"))
    if early := trial.chance.random() < 0.5:
        time.sleep(trial.chance.uniform(0.3, 0.9))  # about when the lease is taken over
        os.kill(trial.pid, signal.SIGCONT)
    trial.end(other, f"took over from a sleeper at request {at}")
    if early:
        trial.end(trial.pid, "the sleeper, woken early")
    else:
        trial.wake(asleep)


def store_two_drivers(trial: Trial) -> None:
    """Two drivers on two hosts start at once, and one of them may be killed."""
    at, victim = trial.step("requests"), trial.chance.randrange(2)
    pids = [trial.drive(None, brisk(name, LONG_S)) for name in "ab"]
    trial.pid = pids[victim]
    with trial.in_store(lambda n: trial.strike(signal.SIGKILL, n == at)):
        codes = [trial.end(pid, f"one of two drivers, of which one is killed at request {at}") for pid in pids]
    assert {DONE, -signal.SIGKILL} & {*codes} and TAKEN_OVER not in codes


KINDS: dict[str, Callable[[Trial], None]] = {
    function.__name__: function
    for function in (
        *(driver_killed, worker_killed, worker_gone_for_good, worker_paused, worker_stuck, delivered_twice),
        *(disk_refuses, two_drivers, stale_driver, live_driver, clock_jumps, reader),
        *(store_fails, store_driver_killed, store_stale_driver, store_two_drivers, store_live_driver, store_reader),
    )
}


class Chaos:
    """Plays schedules in a folder, or in a bucket."""

    def __init__(self, folder: Path, server: bucket.Server) -> None:
        self.folder, self.server = folder, server
        recipe = helpers.write(folder, helpers.toy(samples=20, shard_size=5, splits=None))
        helpers.in_fork(lambda: helpers.run(recipe, folder / "want"))
        self.want = Want()
        self.plan = api.prepare(recipe, plugin_files=[helpers.TOY]).plan
        content = self.plan.recipe.model_dump(mode="json") | {"samples": self.plan.n_samples}
        self.job = Job(content, self.plan.digest, "cpu", (helpers.TOY,), str(folder))
        resource_tracker.ensure_running()  # here, so that not every driver starts one
        helpers.in_fork(lambda: (folder / "images").write_text(json.dumps(images(folder / "want"))))
        self.want.files = helpers.snapshot(folder / "want")
        self.want.images = json.loads((folder / "images").read_text())
        self.n_steps: dict[str, int] = {}
        self.n_steps |= {"alone": self.count(None, True), "driver": self.count(ForkPool, True)}
        self.n_steps["worker"] = self.count(ForkPool, False) // 2
        trial, numbers = self.trial(self.folder, 0, server.place()), list[int]()
        with trial.in_store(numbers.append):
            trial.run("counting", None, brisk())
        self.n_steps["requests"] = len(numbers)

    def trial(self, folder: Path, seed: int, place: str = "") -> Trial:
        return Trial(self.plan, self.job, folder, random.Random(seed), self.n_steps, self.want, self.server, place)

    def count(self, pool: type[ProcessPool] | None, in_driver: bool) -> int:
        """Steps of a driver, or of all its workers, in a run without faults."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        trial = self.trial(folder, 0)
        who = trial.in_driver() if in_driver else trial.in_workers()
        log = os.open(folder / "steps", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        trial.run("counting", pool, trial.striking(0, lambda: os.write(log, b"."), who, 10**9))
        os.close(log)
        return (folder / "steps").stat().st_size

    def play(self, seed: int, kind: str) -> bool:
        """One schedule, and then a run without faults: the dataset has the bytes of one that nothing happened to.

        Returns whether the fault struck: a run may end before.

        Raises:
            AssertionError: it has not; what happened.
        """
        folder = self.folder / f"{kind}-{seed}"
        folder.mkdir()
        trial = self.trial(folder, seed, self.server.place() if kind.startswith("store_") else "")
        try:
            KINDS[kind](trial)
            assert trial.run("a run without faults", None, brisk()) == DONE, "the last run did not end"
            found = trial.files()
            assert self.want.files.keys() <= found.keys(), "files are missing"
            assert not [name for name in found if name.startswith(STAGING)], "files are left"
        except AssertionError as error:
            said = (folder / "said").read_text() if (folder / "said").exists() else ""
            raise AssertionError(f"{kind}, seed {seed}: {error}\n" + "\n".join(trial.story) + f"\n{said}") from error
        struck = (folder / "struck").exists()
        shutil.rmtree(folder)
        if trial.place:
            self.server.clear(trial.place)
        return struck


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first schedule")
    parser.add_argument("--only", choices=[*KINDS], help="one kind of fault")
    arguments = parser.parse_args()
    kinds = [arguments.only] if arguments.only else [*KINDS]
    right, struck, wrong, seconds = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    shm = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=shm) as name, bucket.serve() as server:
        chaos = Chaos(Path(name), server)
        for seed in range(arguments.seed, arguments.seed + arguments.schedules):
            kind, started = kinds[seed % len(kinds)], time.perf_counter()
            try:
                struck[kind] += chaos.play(seed, kind)
                right[kind] += 1
            except AssertionError as error:
                wrong[kind] += 1
                print(error, flush=True)
            seconds[kind] += time.perf_counter() - started
    for kind in kinds:
        n = right[kind] + wrong[kind]
        each = f"{wrong[kind]} wrong, {seconds[kind] / max(n, 1):.2f} s each"
        print(f"{kind:<20} {n:4} schedules, the fault struck in {struck[kind]:4}, {each}")
    print(f"{right.total()} of {arguments.schedules} schedules ended with the right bytes, in {seconds.total():.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()

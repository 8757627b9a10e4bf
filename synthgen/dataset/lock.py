"""One driver at a time: a lock file with a heartbeat in the output folder."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthgen.base import disk, json_files
from synthgen.base.disk import disk_error
from synthgen.dataset.records import Lock
from synthgen.errors import RecordError, StoreError

HEARTBEAT_S = 5.0
STALE_S = 60.0


@contextlib.contextmanager
def driver_lock(folder: Path) -> Iterator[str]:
    """Holds `folder/lock` while the block runs, and gives the id of this run.

    Beats, so that other hosts can tell a live driver from a dead one. A lock is taken over when
    its process is gone (same host) or has not beaten for a minute (another host or container).
    Works on POSIX file systems, NFS included: it needs only link and rename. A driver that was
    taken over while it slept writes nothing more: see `Store.fence`.

    Raises:
        StoreError: another driver is alive; the message names it. Or the folder cannot be written.
    """
    path = folder / "lock"
    mine: dict[str, Any] = {"id": uuid.uuid4().hex, "pid": os.getpid(), "born": process_birth(os.getpid()), **host()}
    try:
        _take(path, mine)
    except OSError as error:
        raise disk_error(error, folder.parent) from None
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_S):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, name="lock-heartbeat", daemon=True)
    thread.start()
    try:
        yield str(mine["id"])
    finally:
        stop.set()
        thread.join()
        if (found := _holder(path)) and found.id == mine["id"]:
            disk.remove(path)


def _take(path: Path, mine: dict[str, Any]) -> None:
    temporary = path.with_name(f"lock-{mine['id']}")
    try:
        temporary.write_text(json.dumps(mine), encoding="utf-8")
        for _ in range(20):
            if disk.link_once(temporary, path):
                return
            os.utime(temporary)
            _remove_if_dead(path, temporary.stat().st_mtime)
        raise StoreError(f"cannot take the lock {path}; is another driver starting on the same folder?")
    finally:
        disk.remove(temporary)


def _remove_if_dead(path: Path, now: float) -> None:
    """`now` is the file server's time, so that clocks which differ between hosts do no harm."""
    found = _holder(path)
    try:
        age_s = now - path.lstat().st_mtime
    except FileNotFoundError:
        return
    if _alive(found, age_s) and not path.is_dir():  # which no driver makes
        who = f"process {found.pid} on {found.host}" if found else "process unknown on an unknown host"
        raise StoreError(
            f"{path.parent.parent} is being written by another synthgen: {who}, last heard of {max(age_s, 0):.0f} s "
            "ago. Wait for it, stop it, or name another folder with -o"
        )
    aside = path.with_name(f"lock-stale-{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if _holder(aside) != found:  # somebody was faster and this is their lock
            disk.link_once(aside, path)
        if aside.is_dir() and not aside.is_symlink():
            shutil.rmtree(aside)
        else:
            aside.unlink()


def holder(folder: Path) -> dict[str, Any]:
    """Who holds `folder/lock`: `host`, `pid` and `age_s` (since its last beat); empty if no live driver does."""
    path = folder / "lock"
    found = _holder(path)
    try:
        age_s = max(time.time() - path.lstat().st_mtime, 0.0)
    except OSError:
        return {}
    if path.is_dir() or not _alive(found, age_s):
        return {}
    return {"host": found.host if found else None, "pid": found.pid if found else None, "age_s": age_s}


def _alive(found: Lock | None, age_s: float) -> bool:
    """Whether the driver that wrote a lock still runs, as far as this host can tell."""
    if found and {"host": found.host, "pid_namespace": found.pid_namespace} == host():
        return process_birth(found.pid) == found.born != ""
    return age_s < STALE_S


def _holder(path: Path) -> Lock | None:
    """What a lock says; None if there is none or it cannot be read."""
    try:
        return json_files.load_record(path, Lock)
    except RecordError:
        return None


def host() -> dict[str, str]:
    """This machine, and the process numbers that are valid in it: containers can share a host's name."""
    try:
        pids = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pids = ""
    return {"host": socket.gethostname(), "pid_namespace": pids}


def process_birth(pid: int) -> str:
    """When a process of this host started, in kernel ticks: tells a reused pid apart. Empty if there is none.

    Where there is no /proc (macOS), only whether it runs.
    """
    if not Path("/proc/self/stat").exists():
        return _runs(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _runs(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "running"

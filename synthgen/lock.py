"""One driver at a time: a lock file with a heartbeat in the output folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synthgen.errors import StoreError

HEARTBEAT_S = 5.0
STALE_S = 60.0


@contextlib.contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Holds `folder/lock` while the block runs; beats so that other hosts can tell a live driver from a dead one.

    A lock is taken over when its process is gone (same host) or has not beaten for a minute
    (another host). Works on POSIX file systems, NFS included: it needs only link and rename.

    Raises:
        StoreError: another driver is alive; the message names it.
    """
    path = folder / "lock"
    mine = {"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid(), "born": process_birth(os.getpid())}
    _take(path, mine)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_S):
            with contextlib.suppress(OSError):
                os.utime(path)

    thread = threading.Thread(target=beat, name="lock-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if _read(path).get("id") == mine["id"]:
            path.unlink(missing_ok=True)


def _take(path: Path, mine: dict[str, Any]) -> None:
    temporary = path.with_name(f"lock-{mine['id']}")
    temporary.write_text(json.dumps(mine))
    try:
        for _ in range(20):
            try:
                os.link(temporary, path)
                return
            except FileExistsError:
                _remove_if_dead(path)
        raise StoreError(f"cannot take the lock {path}; is another driver starting on the same folder?")
    finally:
        temporary.unlink(missing_ok=True)


def _remove_if_dead(path: Path) -> None:
    holder = _read(path)
    try:
        age_s = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return
    if holder.get("host") == socket.gethostname():
        alive = process_birth(int(holder.get("pid", -1))) == holder.get("born") != ""
    else:
        alive = age_s < STALE_S
    if alive:
        raise StoreError(
            f"{path.parent.parent} is being written by another synthgen: process {holder.get('pid')} on "
            f"{holder.get('host')}, last heard of {age_s:.0f} s ago. Wait for it, stop it, or name another folder with -o"
        )
    aside = path.with_name(f"lock-stale-{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, aside)
        if _read(aside).get("id") != holder.get("id"):  # somebody was faster and this is their lock
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def process_birth(pid: int) -> str:
    """When a process of this host started, in kernel ticks: tells a reused pid apart. Empty if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]

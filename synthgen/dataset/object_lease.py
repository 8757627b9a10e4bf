"""The lease of a place in an object store: one object, which its driver writes again and again while it lives.

No clock is compared with another one's. A newcomer takes a lease over if the object has not changed while its own
monotonic clock counted a minute; what changes it is a conditional put, so of two newcomers one wins, and the driver
that was taken over meets its loss at its next beat.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from synthgen.base import json_files
from synthgen.dataset.layout import LEASE
from synthgen.dataset.lock import HEARTBEAT_S, STALE_S, host, process_birth
from synthgen.dataset.records import Lease, LeaseObject
from synthgen.errors import RecordError, StoreError

if TYPE_CHECKING:
    from synthgen.dataset.objects import ObjectStorage

LOG = logging.getLogger(__name__)


class Beat:
    """A lease that was taken, and its beats."""

    def __init__(self, storage: ObjectStorage, record: LeaseObject, token: str) -> None:
        self._storage, self._record, self._token = storage, record, token
        self._written_at = time.monotonic()
        self._lost = False
        self.lease = Lease(id=record.id, epoch=record.epoch)

    @property
    def sure(self) -> bool:
        """Whether the last beat is so recent that no other driver can have taken over."""
        return not self._lost and time.monotonic() - self._written_at < STALE_S / 4

    @contextlib.contextmanager
    def beating(self, flush: Callable[[], None]) -> Iterator[None]:
        """Beats while the block runs, and gives the lease back at its end.

        `flush` is called as often, in a thread of its own: a log that takes long to be written must not stop the beat.
        """
        stop = threading.Event()

        def repeat(step: Callable[[], None]) -> None:
            while not stop.wait(HEARTBEAT_S) and not self._lost:
                with contextlib.suppress(StoreError):  # what is not reached now may be the next time
                    step()

        steps = {"lease-heartbeat": lambda: self._write(live=True), "log-flush": flush}
        threads = [
            threading.Thread(target=repeat, args=(step,), name=name, daemon=True) for name, step in steps.items()
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            if not self._lost:
                with contextlib.suppress(StoreError):
                    self._write(live=False)

    def _write(self, live: bool) -> None:
        started = time.monotonic()
        record = self._record.model_copy(update={"beats": self._record.beats + 1, "live": live})
        token = self._storage.put_version(LEASE, _text(record), self._token)
        if token is not None:
            self._record, self._token, self._written_at = record, token, started
            return
        found, token = _load(self._storage)  # a beat whose answer was lost, or another driver's lease
        self._lost = found is None or found.id != record.id
        self._token = token or self._token


def take(storage: ObjectStorage) -> Beat:
    """Takes the lease of a place; that of a dead driver on another machine after a minute without a beat.

    Raises:
        StoreError: another driver is alive; the message names it.
    """
    mine: dict[str, Any] = {"pid": os.getpid(), "born": process_birth(os.getpid()), **host()}
    while True:
        found, token = _load(storage)
        if found is not None and found.live:
            _wait_for_its_death(storage, found, token)
        epoch = found.epoch + 1 if found else 1
        record = LeaseObject(id=uuid.uuid4().hex, epoch=epoch, live=True, beats=0, **mine)
        made = storage.put_version(LEASE, _text(record), token)
        if made is not None:
            return Beat(storage, record, made)
        # somebody else has written it just now


def _wait_for_its_death(storage: ObjectStorage, found: LeaseObject, token: str | None) -> None:
    """Returns when a lease's driver is gone. Raises StoreError as soon as it is known to be alive."""
    if (runs := _runs(found)) is not None:
        if runs:
            raise _alive(storage, found)
        return
    started = time.monotonic()
    warned = False
    while (silent := time.monotonic() - started) < STALE_S:
        time.sleep(min(HEARTBEAT_S / 5, STALE_S / 20))
        now, its_token = _load(storage)
        if its_token != token:
            if now is not None and now.live:
                raise _alive(storage, now)
            return
        if silent > 2 * HEARTBEAT_S and not warned:
            warned = True
            LOG.warning(
                "%s: its driver, process %d on %s, has not been heard of for %.0f s; after %.0f s this run takes over",
                *(storage.place, found.pid, found.host, silent, STALE_S),
            )


def _alive(storage: ObjectStorage, found: LeaseObject) -> StoreError:
    return StoreError(
        f"{storage.place} is being written by another synthgen: process {found.pid} on {found.host}, which is alive. "
        "Wait for it, stop it, or name another place with -o"
    )


def _runs(found: LeaseObject) -> bool | None:
    """Whether the driver runs, if it is one of this machine; else None."""
    if {"host": found.host, "pid_namespace": found.pid_namespace} != host():
        return None
    return process_birth(found.pid) == found.born != ""


def last(storage: ObjectStorage) -> Lease | None:
    """The lease that was given last; None if there is none that can be read."""
    found, _ = _load(storage)
    return Lease(id=found.id, epoch=found.epoch) if found else None


def holder(storage: ObjectStorage) -> dict[str, Any]:
    """Who holds the lease: `host`, `pid`, and `age_s` since its last beat, by the clocks of the store and this machine.

    Empty if it was given back, or is old: whether its driver is dead only the next one finds out.
    """
    found, _ = _load(storage)
    if found is None or not found.live:
        return {}
    age_s = max(storage.age_s(LEASE), 0.0)
    runs = _runs(found)
    alive = age_s < STALE_S if runs is None else runs
    return {"host": found.host, "pid": found.pid, "age_s": age_s} if alive else {}


def _text(record: LeaseObject) -> bytes:
    return f"{record.model_dump_json()}\n".encode()


def _load(storage: ObjectStorage) -> tuple[LeaseObject | None, str | None]:
    """The lease and its token; a lease that cannot be read is one that nobody holds."""
    raw, token = storage.read_version(LEASE) or (None, None)
    try:
        return json_files.parse_record(raw, LeaseObject), token
    except RecordError:
        return None, token

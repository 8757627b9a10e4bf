"""A storage in memory that can do what an object store can: conditional puts and server-side copies, and no rename."""

from __future__ import annotations

import contextlib
import io
import itertools
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

from synthgen.dataset.layout import LEASE
from synthgen.dataset.records import Lease
from synthgen.errors import StoreError


class Objects:
    """What the service keeps: immutable objects by key, each with the tag of the put that made it."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[bytes, str]] = {}
        self.live: str | None = None  # the lease whose driver beats
        self._tags = itertools.count(1)
        self._lock = threading.Lock()

    def put(self, key: str, content: bytes, if_match: str | bool | None = True) -> bool:
        """True: whatever is there; None: If-None-Match; a tag: If-Match."""
        with self._lock:
            if if_match is not True and self.content.get(key, (b"", None))[1] != if_match:
                return False
            self.content[key] = content, str(next(self._tags))
            return True


class MemoryStorage:
    """A `Storage` of such objects; every value with the same `objects` is the same place."""

    place = "bucket"

    def __init__(self, objects: Objects | None = None, held: Lease | None = None) -> None:
        self.objects = objects or Objects()
        self.held = held

    def check(self) -> None:
        pass

    create = check

    def read(self, name: str) -> bytes | None:
        found = self.objects.content.get(name)
        return found[0] if found else None

    def reader(self, name: str) -> io.BufferedReader:
        content = self.read(name)
        if content is None:
            raise FileNotFoundError(name)
        return io.BufferedReader(io.BytesIO(content))  # type: ignore[arg-type]

    def size(self, name: str) -> int:
        content = self.read(name)
        return -1 if content is None else len(content)

    def token(self, name: str) -> str | None:
        found = self.objects.content.get(name)
        return found[1] if found else None

    def list(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        inner = [key[len(prefix) :].partition("/") for key in list(self.objects.content) if key.startswith(prefix)]
        return sorted({f"{prefix}{first}{slash}" for first, slash, _ in inner})

    def put(self, name: str, content: bytes) -> bool:
        return self.objects.put(name, content, None)

    def replace(self, name: str, content: bytes | Iterable[bytes], token: str | None) -> bool:
        return self.objects.put(name, content if isinstance(content, bytes) else b"".join(content), token)

    def append(self, name: str, content: bytes) -> None:
        self.objects.put(name, (self.read(name) or b"") + content)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[BinaryIO]:
        file = io.BytesIO()
        yield file
        self.objects.put(name, file.getvalue())

    def copy(self, source: str, target: str) -> None:
        self.objects.put(target, self.objects.content[source][0], None)

    def move(self, source: str, target: str) -> None:
        content = self.read(source)
        if content is not None:
            self.objects.put(target, content)
            self.delete(source)

    def delete(self, name: str) -> None:
        for key in [key for key in self.objects.content if key == name or (name[-1] == "/" and key.startswith(name))]:
            self.objects.content.pop(key, None)

    def free_bytes(self) -> int | None:
        return None

    @contextlib.contextmanager
    def lease(self) -> Iterator[MemoryStorage]:
        token, last = self.token(LEASE), self.last_lease()
        lease = Lease(id=uuid.uuid4().hex, epoch=last.epoch + 1 if last else 1)
        if self.objects.live or not self.replace(LEASE, lease.model_dump_json().encode(), token):
            raise StoreError(f"{self.place} is being written by another synthgen")
        self.objects.live = lease.id
        try:
            yield MemoryStorage(self.objects, lease)
        finally:
            if self.objects.live == lease.id:
                self.objects.live = None

    def last_lease(self) -> Lease | None:
        raw = self.read(LEASE)
        return Lease.model_validate_json(raw) if raw else None

    def holder(self) -> Mapping[str, Any]:
        return {"host": "here", "pid": 1, "age_s": 0.0} if self.objects.live else {}

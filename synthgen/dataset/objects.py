"""Object storage: a prefix in a bucket of S3, of a store that speaks its protocol, of Google Cloud or of Azure."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BufferedReader
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from synthgen.base import object_store
from synthgen.base.object_store import N_AT_ONCE, PART_BYTES
from synthgen.base.places import check_address
from synthgen.dataset import object_lease, object_packs
from synthgen.dataset.layout import MANIFEST, PRIVATE
from synthgen.dataset.object_reader import ObjectReader
from synthgen.dataset.records import Lease
from synthgen.errors import RecordError, StoreError

T = TypeVar("T")

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PARTS_AT_ONCE = 4
PUT_ATTEMPTS = 3
LOG_EVERY_S = 5.0
LOG_PART_BYTES = 1 << 20
IN_MEMORY_BYTES = 64 << 20
"""What is staged is in memory up to this size, and then in a temporary file, until its size is known."""


class ObjectStorage:
    """Objects below a prefix as a `Storage`: conditional puts in place of links, copies on the server for renames.

    Credentials are those of each process: of its environment, or of the machine's role. Neither they nor a client
    travel with a value of this kind, which is only the address.

    Args:
        address: such as `s3://bucket/prefix`.
        single_writer: somebody else makes sure that no two drivers write at the same time, so that stores without
            conditional puts will do.
        store: the client; by default one for `address`.
    """

    remote = True

    def __init__(
        self, address: str, held: Lease | None = None, single_writer: bool = False, store: ObjectStore | None = None
    ) -> None:
        self.place = check_address(address)
        self.held = held
        self.single_writer = single_writer
        self._client = store
        self._beat: object_lease.Beat | None = None
        self._logs: dict[str, _LogPart] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return ObjectStorage, (self.place, self.held, self.single_writer)

    @property
    def _store(self) -> ObjectStore:
        object_store.check_process(self.place)
        if self._client is None:
            self._client = object_store.client(self.place)
        return self._client

    def check(self) -> None:
        with self._refusals(""):
            self._meta(MANIFEST)

    def create(self) -> None:
        """Makes sure that of two conditional puts one fails, on which all else stands."""
        name = f"{PRIVATE}/probe-{uuid.uuid4().hex}"
        with self._refusals(name):
            try:
                first = self.put_version(name, b"1", None)
                refused = [self._refused(name, b"2", "create")]
                self.put_version(name, b"3", first)
                refused.append(self._refused(name, b"4", _mode(first)))
            finally:
                self.delete(name)
        if not all(refused):
            raise StoreError(
                f"{self.place}: this store ignores the condition of a put (If-None-Match, If-Match), so two drivers "
                "would overwrite each other's shards. Name another store with -o, or give --single-writer and make "
                "sure yourself that only one driver writes there"
            )

    def _refused(self, name: str, content: bytes, mode: Any) -> bool:
        from obstore import exceptions

        try:
            self._put(name, content, mode)
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            return True
        return False

    def read(self, name: str) -> bytes | None:
        found = self.read_version(name)
        return found[0] if found else None

    def read_version(self, name: str) -> tuple[bytes, str] | None:
        """A whole object and the token of just this content; None if there is none."""
        import obstore

        with self._refusals(name), contextlib.suppress(FileNotFoundError):
            found = obstore.get(self._store, name)
            return bytes(found.bytes()), _token(found.meta)
        return None

    def read_folder(
        self, folder: str, changed: Collection[str] | None = None
    ) -> Iterator[tuple[str, bytes | RecordError | None]]:
        fetched = {}
        if changed is None or folder not in self._tags:
            tags = self._list_tags(folder)
            if self.held:  # nobody but this driver's workers writes, and they report it
                self._tags[folder] = tags
        else:
            for name, version in zip(changed, self._at_once(self.read_version, changed), strict=True):
                self._note(name, version and version[1])
                fetched[name] = version and version[0]
            tags = self._tags[folder]
        return object_packs.read_folder(self, tags, fetched)

    def _list_tags(self, folder: str) -> dict[str, str]:
        """The tags of the objects that lie directly in a folder."""
        import obstore

        with self._refusals(folder):
            pages = obstore.list(self._store, folder, chunk_size=1000)
            tags = {entry["path"]: entry["e_tag"] or "" for page in pages for entry in page}
        return {name: tag for name, tag in tags.items() if name.count("/") == folder.count("/") + 1}

    def _note(self, name: str, token: str | None) -> None:
        """Keeps what is known of a folder true: an object has another content, or is gone."""
        tags = self._tags.get(name.rpartition("/")[0])
        if tags is None:
            return
        if token is None:
            tags.pop(name, None)
        else:
            tags[name] = json.loads(token).get("e_tag", "")

    def write_pack(self, name: str, content: bytes) -> None:
        """Writes what may as well be lost, over whatever is there."""
        with self._refusals(name):
            self._put(name, content, "overwrite")

    def read_all(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Whole objects in this order, many at once."""
        return self._at_once(self.read, names)

    def _at_once(self, work: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
        with ThreadPoolExecutor(N_AT_ONCE, thread_name_prefix="read") as pool:
            yield from pool.map(work, names)

    def read_log(self, name: str) -> bytes:
        return b"".join(filter(None, self.read_all(self.list(name))))

    def reader(self, name: str) -> BufferedReader:
        # what calls `read` does not ask for more than a BufferedReader has, and this one buffers itself
        return cast(BufferedReader, ObjectReader(self._store, name, lambda: self._refusals(name)))

    def size(self, name: str) -> int:
        found = self._meta(name)
        return -1 if found is None else int(found["size"])

    def token(self, name: str) -> str | None:
        found = self._meta(name)
        return None if found is None else _token(found)

    def age_s(self, name: str) -> float:
        """Seconds since an object was written, by the clocks of the store and of this machine."""
        found = self._meta(name)
        return time.time() - found["last_modified"].timestamp() if found else 0.0

    def _meta(self, name: str) -> Mapping[str, Any] | None:
        import obstore

        with self._refusals(name), contextlib.suppress(FileNotFoundError):
            return cast(Mapping[str, Any], obstore.head(self._store, name))
        return None

    def list(self, folder: str) -> list[str]:
        import obstore

        with self._refusals(folder):
            found = obstore.list_with_delimiter(self._store, folder or None)
        return sorted(
            [*(f"{name}/" for name in found["common_prefixes"]), *(entry["path"] for entry in found["objects"])]
        )

    def sizes(self, folder: str) -> dict[str, int]:
        import obstore

        with self._refusals(folder):
            pages = obstore.list(self._store, folder or None, chunk_size=1000)
            return {entry["path"]: int(entry["size"]) for page in pages for entry in page}

    def put(self, name: str, content: bytes) -> bool:
        return self.put_version(name, content, None) is not None

    def replace(self, name: str, content: bytes | Iterable[bytes], token: str | None) -> bool:
        if not isinstance(content, bytes):
            content = b"".join(content)
        return self.put_version(name, content, token) is not None

    def put_version(self, name: str, content: bytes, token: str | None) -> str | None:
        """Writes an object if its token is still `token`: its new token; None if it is not."""
        written = self._put_sure(name, content, token)
        if written:
            self._note(name, written)
        return written

    def _put_sure(self, name: str, content: bytes, token: str | None) -> str | None:
        """The answer to a put may be lost, and whoever puts again meets their own object: what is there is compared."""
        from obstore import exceptions

        with self._refusals(name):
            for attempt in range(1, PUT_ATTEMPTS + 1):
                try:
                    return _token(self._put(name, content, _mode(token)))
                except (exceptions.AlreadyExistsError, exceptions.PreconditionError, exceptions.GenericError) as error:
                    found = self.read_version(name)
                    if found and found[0] == content:
                        return found[1]
                    if isinstance(error, exceptions.GenericError):
                        if attempt == PUT_ATTEMPTS:
                            raise
                    elif found or token:
                        return None
                    # else S3 refused one of two puts at the same time, and the other one has failed since
        raise StoreError(f"{self.place}/{name} is refused as taken, and is not there; give the command again")

    def _put(self, name: str, content: bytes, mode: Any) -> Any:
        """One conditional put, and the version that it made. Raises AlreadyExistsError or PreconditionError."""
        import obstore
        from obstore import exceptions

        if self.single_writer and mode != "overwrite":
            now = _mode(self.token(name))
            if mode != now and (mode == "create" or now == "create" or mode["e_tag"] != now["e_tag"]):
                raise exceptions.PreconditionError(name)
            mode = "overwrite"
        return obstore.put(self._store, name, content, mode=mode)

    def append(self, name: str, content: bytes) -> None:
        """Kept for some seconds, and then written with what else has come: see `flush`."""
        with self._lock:
            part = self._logs.setdefault(name, _LogPart())
            part.lines.append(content)
            if time.monotonic() - part.written_at >= LOG_EVERY_S:
                self._write_log(name, part)

    def flush(self) -> None:
        """Writes what was added to logs."""
        with self._lock:
            for name, part in self._logs.items():
                if part.n_written < len(part.lines):
                    self._write_log(name, part)

    def _write_log(self, name: str, part: _LogPart) -> None:
        """A log is numbered parts, sorted by driver: the last one is written again until it has its size."""
        who = f"{self.held.epoch:08d}-{self.held.id[:8]}" if self.held else "00000000"
        content = b"".join(part.lines)
        with self._refusals(name):
            self._put(f"{name}/{who}-{part.number:06d}", content, "overwrite")
        part.written_at, part.n_written = time.monotonic(), len(part.lines)
        if len(content) >= LOG_PART_BYTES:
            part.number, part.lines, part.n_written = part.number + 1, [], 0

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[BinaryIO]:
        import obstore

        with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, mode="w+b") as file:
            yield cast(BinaryIO, file)
            file.seek(0)
            with self._refusals(name):
                obstore.put(
                    self._store, name, cast(BinaryIO, file), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                )

    def copy(self, source: str, target: str) -> None:
        import obstore

        if self.size(target) < 0:
            with self._refusals(source), contextlib.suppress(FileNotFoundError):
                obstore.copy(self._store, source, target)

    def move(self, source: str, target: str) -> bool:
        import obstore

        with self._refusals(source):
            try:
                obstore.copy(self._store, source, target)
            except FileNotFoundError:
                return False
            obstore.delete(self._store, source)
        self._note(source, None)
        return True

    def delete(self, name: str) -> None:
        import obstore

        with contextlib.suppress(StoreError, FileNotFoundError), self._refusals(name):
            if not name.endswith("/"):
                obstore.delete(self._store, name)
                self._note(name, None)
            elif names := list(self.sizes(name[:-1])):
                obstore.delete(self._store, names)

    def free_bytes(self) -> int | None:
        return None

    @contextlib.contextmanager
    def lease(self) -> Iterator[ObjectStorage]:
        beat = object_lease.take(self)
        held = ObjectStorage(self.place, beat.lease, self.single_writer, self._store)
        held._beat = beat
        try:
            with beat.beating(held.flush):
                try:
                    yield held
                except BaseException:
                    with contextlib.suppress(StoreError):  # the user must hear of the other one
                        held.flush()
                    raise
                held.flush()
        finally:
            held._beat = None

    def last_lease(self) -> Lease | None:
        if self._beat is not None and self._beat.sure:
            return self._beat.lease
        return object_lease.last(self)

    def holder(self) -> Mapping[str, Any]:
        return object_lease.holder(self)

    def _refusals(self, name: str) -> AbstractContextManager[None]:
        return object_store.refusals(self.place, name)


class _LogPart:
    """The last part of a log: its number, its lines, how many of them are stored and since when."""

    def __init__(self) -> None:
        self.number = 0
        self.lines: list[bytes] = []
        self.n_written = 0
        self.written_at = -LOG_EVERY_S


def _token(version: Mapping[str, Any]) -> str:
    return json.dumps({key: version[key] for key in ("e_tag", "version") if version[key]})


def _mode(token: str | None) -> Any:
    """What a put needs to hold: that there is nothing, or the version with this token."""
    return "create" if token is None else json.loads(token)

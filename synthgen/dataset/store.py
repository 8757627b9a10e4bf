"""The store: how a shard is committed exactly once, in any storage."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel

from synthgen.base import disk, json_files
from synthgen.base.places import is_address
from synthgen.dataset.layout import (
    COMMITS,
    DAMAGED,
    HANDED_BACK,
    MANIFEST,
    SEALED,
    STAGING,
    TOOLS,
    commit_number,
    commit_path,
)
from synthgen.dataset.local import LocalStorage
from synthgen.dataset.objects import ObjectStorage
from synthgen.dataset.records import Commit, ShardFile
from synthgen.dataset.storage import Storage
from synthgen.errors import NewerFormatError, RecordError, StoreError

M = TypeVar("M", bound=BaseModel)
Sizes = Callable[[str], int]


class Store:
    """Shards of one dataset, from staged files to a record and published files; holds no state but its storage.

    A worker stages the files of a shard, commits the record that names them, and then publishes them. A crash between
    any two steps leaves something that the next driver finishes or removes.

    A run writes under a lease. Whatever makes something visible first compares it with the last one that was given, so
    a driver that was taken over, and its workers wherever they are, commit and publish nothing more. A write that
    passed the comparison just before the takeover does no harm: `put` and `replace` never undo what somebody else has
    written, and a record whose files are gone makes its shard be rendered again.
    """

    def __init__(self, storage: str | Path | Storage) -> None:
        self.storage: Storage = storage_at(storage) if isinstance(storage, str | Path) else storage
        held = self.storage.held
        self.place = self.storage.place
        self.staging = f"{STAGING}/{held.id if held else TOOLS}"
        self.epoch = held.epoch if held else 0

    def show(self, name: str) -> str:
        """A file's name as it is shown to people."""
        return f"{self.place}/{name}"

    def check_lease(self) -> None:
        """Raises StoreError unless this machine sees the place, and no later driver has taken over."""
        held = self.storage.held
        last = self.storage.last_lease() if held else None
        if held and last is None:
            raise disk.gone_error(self.place) from None
        if last != held:
            raise StoreError(f"another synthgen has taken over {self.place}; this one stops writing") from None

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """For what becomes visible: only of the last driver, and what the place refuses another is reported as that."""
        self.check_lease()
        with self._reporting():
            yield

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            self.check_lease()
            raise

    @contextlib.contextmanager
    def stage(self, path: str, kind: str, split: str, samples: int) -> Iterator[StagedFile]:
        """A new file of a shard under a name of its own, hashed while it is written; stored when the block ends."""
        name = f"{self.staging}/{uuid.uuid4().hex}-{path.replace('/', '-')}"
        with self._reporting(), self.storage.stage(name) as raw:
            file = StagedFile(raw)
            yield file
        size, sha256 = file.size, file.digest.hexdigest()
        file.entry = ShardFile(path, kind, split, samples, size, sha256, name.removeprefix(f"{STAGING}/"))

    def commit(self, record: Commit, replaces: Commit | None = None) -> bool:
        """Makes the shard exist; False if another worker was first (the loser's files are removed).

        The record becomes visible in one step. `replaces` is the record of a shard that is being finished (it was
        short, or the dataset has grown).

        Raises:
            StoreError: the disk refuses, or another driver has taken over.
        """
        name = commit_path(record.shard)
        won = False
        try:
            token = self.storage.token(name)
            with self._writing():
                if replaces is None:
                    won = self.storage.put(name, record.to_json())
                elif self.sound_commit(record.shard) == replaces:
                    self._keep_sealed(replaces)
                    won = self.storage.replace(name, record.to_json(), token)
        finally:
            if not won:
                self.discard(record.files)
        return won

    def _keep_sealed(self, record: Commit) -> None:
        """Gives the files of a record that is about to be replaced a second name, their hash.

        So the sealed manifest stays true until the next one takes its place: see `Ledger.where_sealed`.
        """
        if self.storage.size(MANIFEST) < 0:
            return
        for file in record.files:
            if self.storage.size(file.path) == file.bytes:
                self.storage.copy(file.path, f"{SEALED}/{file.sha256}")

    def forget_sealed(self) -> None:
        """Removes what only the manifest before named; after the new one is in its place."""
        self.storage.delete(f"{SEALED}/")
        if self.storage.remote:
            self.storage.delete(HANDED_BACK)

    def discard(self, files: Iterable[ShardFile]) -> None:
        """Removes staged files that no record will name."""
        for file in files:
            self.storage.delete(f"{STAGING}/{file.staged}")

    def staged(self, file: ShardFile) -> str | None:
        """The name of a committed shard's file that was not published yet; None if it was."""
        name = f"{STAGING}/{file.staged}"
        return name if self.storage.size(name) == file.bytes else None

    def sizes(self) -> Sizes:
        """What tells the size of a file, -1 if there is none: where each question is a request, from one listing."""
        if not self.storage.remote:
            return self.storage.size
        found: dict[str, int] = {}
        for folder in self.storage.list(""):
            if folder.endswith("/") and folder != f"{COMMITS}/":
                found |= self.storage.sizes(folder[:-1])
        return lambda name: found.get(name, -1)

    def publish(self, record: Commit, size: Sizes | None = None) -> list[str]:
        """Moves a committed shard's files to their final names; idempotent.

        Returns the paths that are missing or of the wrong size: none unless something was damaged.

        Args:
            size: what tells sizes, and was asked for since this driver alone writes.
        """
        listed = size is not None
        size = size or self.storage.size
        staged = {file.path: f"{STAGING}/{file.staged}" for file in record.files}
        ready = [file for file in record.files if size(staged[file.path]) == file.bytes]
        if listed and not ready:
            return [file.path for file in record.files if size(file.path) != file.bytes]
        with self._writing():
            moved = {file.path for file in ready if self.storage.move(staged[file.path], file.path)}
        left = [file for file in record.files if file.path not in moved]
        return [file.path for file in left if self.storage.size(file.path) != file.bytes]

    def publish_new(self, record: Commit) -> list[str]:
        """`publish` for whoever has staged the files and committed the record just now."""
        staged = {f"{STAGING}/{file.staged}": file.bytes for file in record.files}
        return self.publish(record, lambda name: staged.get(name, -1))

    def remove_stale(self, before: Commit | None, record: Commit) -> None:
        """Removes files of a replaced record that its successor lacks: no data file stays that no record names."""
        for path in {file.path for file in before.files} - {file.path for file in record.files} if before else ():
            self.storage.delete(path)

    def collect_orphans(self) -> int:
        """Removes what earlier runs staged and never committed; only after the publication of all commits.

        Returns the number of files removed.
        """
        n_orphans = 0
        for name in self.storage.list(STAGING):
            if name != f"{self.staging}/":
                n_orphans += len(self.storage.sizes(name[:-1])) if name.endswith("/") else 1
                self.storage.delete(name)
        return n_orphans

    def forget_staged(self) -> None:
        """Removes this run's staging folder, where killed workers may have left files; once all is published."""
        self.storage.delete(f"{self.staging}/")

    def load_commit(self, shard: int) -> Commit | None:
        """The record of a shard; None if there is none.

        Raises:
            RecordError: it is damaged.
            NewerFormatError: it was written by a newer synthgen.
        """
        return self._parsed(shard, self.storage.read(commit_path(shard)))

    def load_commits(self, changed: Collection[int] | None = None) -> Iterator[tuple[int, Commit | RecordError | None]]:
        """All shards that have a record, ascending, each with it or with what is wrong with it.

        None stands for a record that was taken away meanwhile. Raises NewerFormatError.

        Args:
            changed: the only shards that workers may have committed since the records were read before, if they were.
        """
        for name, raw in self.storage.read_folder(COMMITS, _commit_paths(changed)):
            shard = commit_number(name)
            if shard is None:
                continue
            try:
                yield shard, self._parsed(shard, raw)
            except RecordError as error:
                yield shard, error

    def pack(self, changed: Collection[int]) -> None:
        """Lets an object store keep the records together as well, so that whoever goes on reads them soon.

        Args:
            changed: as for `load_commits`.
        """
        if self.storage.remote:
            for _ in self.storage.read_folder(COMMITS, _commit_paths(changed)):  # a driver packs what it had to fetch
                pass

    def _parsed(self, shard: int, raw: bytes | RecordError | None) -> Commit | None:
        if isinstance(raw, RecordError):
            raise raw
        try:
            return None if raw is None else Commit.from_json(raw, shard)
        except NewerFormatError as error:
            raise NewerFormatError(
                f"{self.show(commit_path(shard))} {error}; install that version to read it"
            ) from None

    def sound_commit(self, shard: int) -> Commit | None:
        """The record of a shard; None if there is none or it is damaged."""
        try:
            return self.load_commit(shard)
        except RecordError:
            return None

    def committed(self) -> list[int]:
        """Numbers of all shards that have a record, ascending."""
        numbers = map(commit_number, self.storage.list(COMMITS))
        return sorted(number for number in numbers if number is not None)

    def set_aside(self, *names: str) -> None:
        """Moves files away that are damaged or that no record names; a shard without its record is rendered again."""
        with self._writing():
            if self.storage.remote and any(commit_number(name) is not None for name in names):
                self.storage.put(HANDED_BACK, b"")
            for name in names:
                self.storage.move(name, f"{DAMAGED}/{uuid.uuid4().hex}-{name.rpartition('/')[2]}")

    def put(self, name: str, content: bytes) -> bool:
        """Writes a small file unless it is there; False if it is. Raises StoreError as `write` does."""
        with self._writing():
            return self.storage.put(name, content)

    def write(self, name: str, content: bytes | Iterable[bytes]) -> None:
        """Replaces a small file in one step.

        Raises:
            StoreError: the disk refuses, another driver has taken over, or somebody writes the same file right now.
        """
        token = self.storage.token(name)
        with self._writing():
            if not self.storage.replace(name, content, token):
                raise StoreError(f"{self.show(name)} was written by another process just now; give the command again")

    def log(self, name: str, line: str) -> None:
        """Adds a line to a log."""
        with self._writing():
            self.storage.append(name, f"{line}\n".encode())

    def load(self, name: str, model: type[M], allow_nan: bool = False) -> M | None:
        """A small JSON file as a checked value; None if there is none. Raises RecordError."""
        return json_files.parse_record(self.storage.read(name), model, allow_nan)

    def load_lines(self, name: str, model: type[M]) -> list[M]:
        """The lines of a log that can be read; a log that cannot be read has none."""
        found: list[M] = []
        with contextlib.suppress(RecordError):
            for line in self.storage.read_log(name).split(b"\n"):
                with contextlib.suppress(RecordError):
                    found += filter(None, [json_files.parse_record(line, model)])
        return found


class StagedFile:
    """A binary file to write to that counts and hashes what passes; `entry` is set once it is stored."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.size = 0
        self.digest = hashlib.sha256()
        self.entry: ShardFile | None = None
        self.closed = False

    def write(self, data: bytes) -> int:
        self.raw.write(data)
        n = memoryview(data).nbytes
        self.size += n
        self.digest.update(data)
        return n

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        self.raw.flush()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        """Left to the block that opened it; pyarrow closes what it writes to."""


def _commit_paths(shards: Collection[int] | None) -> list[str] | None:
    return None if shards is None else [commit_path(shard) for shard in shards]


def storage_at(place: str | Path, single_writer: bool = False) -> Storage:
    """The storage of a folder or, of an address such as `s3://bucket/prefix`, in an object store.

    Args:
        single_writer: see `ObjectStorage`; of a folder, nothing.

    Raises:
        UsageError: the address is none that is known.
    """
    if isinstance(place, str) and is_address(place):
        return ObjectStorage(place, single_writer=single_writer)
    return LocalStorage(place)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a file of a dataset is while runs move it: it has the first of its `names` that exists.

    Attributes:
        names: staged files get their last name when they are published.
        kept: where a copy is put before another file takes the last name; empty if none ever is.
    """

    names: tuple[str, ...]
    kept: str = ""

    def name(self, storage: Storage) -> str:
        """Its name now; the last one if it is missing."""
        return next((name for name in (self.kept, *self.names) if name and storage.size(name) >= 0), self.names[-1])

    def reader(self, storage: Storage) -> BufferedReader:
        """The file to read, also if it is moved meanwhile. Raises FileNotFoundError if it is missing."""
        found = None
        for name in self.names:
            with contextlib.suppress(FileNotFoundError):
                found = storage.reader(name)
                break
        if self.kept and storage.size(self.kept) >= 0:  # asked last: what was opened may be what replaced it
            if found:
                found.close()
            return storage.reader(self.kept)
        return found or storage.reader(self.names[-1])

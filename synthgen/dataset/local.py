"""Local storage: a folder, on one machine or a shared POSIX file system."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.base import disk, json_files
from synthgen.base.disk import fsync_folder
from synthgen.dataset import layout, lock
from synthgen.dataset.layout import DAMAGED, LEASE, PRIVATE, STAGING, TOOLS
from synthgen.dataset.records import Lease
from synthgen.errors import RecordError, StoreError, UsageError


class LocalStorage:
    """A folder as a `Storage`: `put` is a hard link and `replace` a rename of a file that is on disk already.

    Unfinished files are in `.synthgen/staging/<id of the lease>`, a folder that is made with the lease and never again:
    a driver that takes over removes those of earlier leases, and whoever still writes there fails. A link on the way to
    a file is refused, so that no name leads out of the folder.
    """

    remote = False

    def __init__(self, root: str | Path, held: Lease | None = None) -> None:
        self.root = Path(root)
        self.held = held
        self._scratch = f"{STAGING}/{held.id if held else TOOLS}"
        self._plain: set[str] = set()  # folders that were found to be no links
        self._read_lease: tuple[bytes, Lease | None] = b"", None  # what was read last, and what it says

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """It means the same folder to a worker, wherever that runs."""
        return LocalStorage, (self.root.absolute(), self.held)

    @property
    def place(self) -> str:
        return str(self.root)

    def check(self) -> None:
        if not self.root.is_dir():
            raise UsageError(f"{self.root}: no such folder")
        for name in layout.FOLDERS:
            if (self.root / name).is_symlink():
                raise link_error(f"{self.root}/{name}")

    def create(self) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.check()
            for name in (layout.COMMITS, layout.LOGS, STAGING):
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / PRIVATE / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            if error.errno in disk.REFUSALS:
                raise disk.disk_error(error, self.root) from None
            raise StoreError(
                f"cannot write to {self.root}: {error.strerror}; name another folder with -o DIR"
            ) from None

    def read(self, name: str) -> bytes | None:
        return json_files.load_bytes(self._path(name))

    def read_folder(
        self, folder: str, changed: Collection[str] | None = None
    ) -> Iterator[tuple[str, bytes | RecordError | None]]:
        for name in sorted((name.rstrip("/") for name in self.list(folder)), key=lambda name: (len(name), name)):
            try:
                yield name, self.read(name)
            except RecordError as error:
                yield name, error

    def read_log(self, name: str) -> bytes:
        return self.read(name) or b""

    def reader(self, name: str) -> BufferedReader:
        path = Path(self._path(name))
        if path.is_symlink():
            raise link_error(path)
        return open(path, "rb")

    def size(self, name: str) -> int:
        return disk.file_size(self._path(name))

    def token(self, name: str) -> str | None:
        try:
            found = os.lstat(self._path(name))
        except OSError:
            return None
        return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"

    def list(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with self._refusals(), gone, os.scandir(self._path(folder)) as entries:
            return sorted(f"{prefix}{entry.name}{'/' * entry.is_dir(follow_symlinks=False)}" for entry in entries)
        return []

    def sizes(self, folder: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for name in self.list(folder):
            if name.endswith("/"):
                found |= self.sizes(name[:-1])
            elif (size := self.size(name)) < 0 and Path(self._path(name)).is_dir():
                raise link_error(self._path(name))  # else what is behind it would be taken for missing
            else:
                found[name] = size
        return found

    def put(self, name: str, content: bytes) -> bool:
        with self._refusals():
            fsync_folder(self._scratch_folder())
            with self._temporary(name, [content]) as temporary:
                path = self._writable(name)
                won = disk.link_once(temporary, path)
                if won:
                    fsync_folder(path.parent)
        return won

    def replace(self, name: str, content: bytes | Iterable[bytes], token: str | None) -> bool:
        with self._refusals(), self._temporary(name, [content] if isinstance(content, bytes) else content) as temporary:
            path = self._writable(name)
            if self.token(name) != token:
                return False
            self._give_way(path)
            os.replace(temporary, path)
            fsync_folder(path.parent)
        return True

    def append(self, name: str, content: bytes) -> None:
        with self._refusals():
            path = self._writable(name)
            self._give_way(path)
            with open(path, "ab+") as file:
                if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                    content = b"\n" + content  # after a line that a crash has cut short
                file.write(content)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[BinaryIO]:
        path = self._path(name)
        with self._refusals():
            self._scratch_folder()
            try:
                with open(path, "xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
            except BaseException:
                disk.remove(path)
                raise

    def copy(self, source: str, target: str) -> None:
        with self._refusals():
            path = self._writable(target)
            disk.link_once(Path(self._path(source)), path)
            fsync_folder(path.parent)

    def move(self, source: str, target: str) -> bool:
        with self._refusals():
            before, path = Path(self._path(source)), self._writable(target)
            self._give_way(path)
            try:
                os.replace(before, path)
            except FileNotFoundError:
                return False
            fsync_folder(path.parent)
            if not source.startswith(STAGING):  # which is searched for what was not published
                fsync_folder(before.parent)
        return True

    def delete(self, name: str) -> None:
        if name.endswith("/"):
            shutil.rmtree(self._path(name), ignore_errors=True)
        else:
            disk.remove(self._path(name))

    def free_bytes(self) -> int | None:
        return shutil.disk_usage(self.root).free

    @contextlib.contextmanager
    def lease(self) -> Iterator[LocalStorage]:
        with lock.driver_lock(self.root / PRIVATE) as run:
            last = self.last_lease()
            lease = Lease(id=run, epoch=last.epoch + 1 if last else 1)
            held = LocalStorage(self.root, lease)
            scratch = self.root / held._scratch
            with self._refusals():
                scratch.mkdir()
                fsync_folder(scratch.parent)
                disk.write_file(self.root / LEASE, f"{lease.model_dump_json()}\n".encode())
            try:
                yield held
            finally:
                with contextlib.suppress(OSError):  # an incomplete dataset may need what was staged
                    scratch.rmdir()

    def last_lease(self) -> Lease | None:
        try:
            raw = json_files.load_bytes(f"{self.root}/{LEASE}") or b""
            if raw != self._read_lease[0]:
                self._read_lease = raw, json_files.parse_record(raw, Lease)
        except RecordError:
            return None
        return self._read_lease[1] if raw else None

    def holder(self) -> Mapping[str, Any]:
        return lock.holder(self.root / PRIVATE)

    def _path(self, name: str) -> str:
        """Where a file is. Raises StoreError if a folder on the way to it is a link."""
        folder = name.rstrip("/").rpartition("/")[0]
        if folder not in self._plain:
            place = self.root
            for part in filter(None, folder.split("/")):
                place = place / part
                if place.is_symlink():
                    raise link_error(place)
            self._plain.add(folder)
        return f"{self.root}/{name}"

    def _writable(self, name: str) -> Path:
        """The same, after its folder was made; the whole place, if somebody has deleted it, is not made again."""
        path = Path(self._path(name))
        if not path.parent.is_dir() and self.root.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _scratch_folder(self) -> Path:
        """Where unfinished files are; that of a lease is made once, with the lease."""
        folder = Path(self._path(self._scratch))
        if self.held is None and self.root.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextlib.contextmanager
    def _temporary(self, name: str, chunks: Iterable[bytes]) -> Iterator[Path]:
        """A file that is on disk under a name of its own; removed when the block ends, if it still has that name."""
        path = self._scratch_folder() / f"{uuid.uuid4().hex}-{name.rpartition('/')[2][-100:]}"
        try:
            with open(path, "xb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            disk.remove(path)

    def _give_way(self, path: Path) -> None:
        """Moves a folder out of the way of a file."""
        if path.is_dir() and not path.is_symlink():
            os.replace(path, self._writable(f"{DAMAGED}/{uuid.uuid4().hex}-{path.name}"))

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turns what the operating system refuses to write into a message for the user."""
        try:
            yield
        except OSError as error:
            lost = self.held is not None and error.errno == errno.ENOENT and not (self.root / self._scratch).is_dir()
            if lost or not self.root.is_dir():
                raise disk.gone_error(self.root) from None
            raise disk.disk_error(error, self.root) from None


def link_error(path: str | Path) -> StoreError:
    return StoreError(
        f"{path} is a link, and a dataset's folders are never links: what its records name would be elsewhere. Put "
        "the folder itself in its place; links to the whole dataset are fine"
    )

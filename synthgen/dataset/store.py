"""The output folder: where everything stands, and how a shard is committed exactly once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from synthgen.base import disk, json_files
from synthgen.base.disk import file_size, fsync_folder
from synthgen.dataset import records
from synthgen.dataset.records import Commit, ShardFile
from synthgen.errors import NewerFormatError, RecordError, StoreError

FENCED = "fenced-"
TOOLS = "tools"  # staging of whoever writes into the folder without being a run
_COMMIT_NAME = re.compile(r"shard-(\d{5,12})\.json")


class Store:
    """Paths and atomic steps of one output folder; holds no state but the path and the run that writes.

        manifest.json README.md croissant.json recipe.yaml   written when the dataset is sealed
        data/<split>/shard-00042.tar                          published shards; those of another writer
        parquet/<split>/shard-00042.parquet                   have a folder of their own, named for its suffix
        index/shard-00042.parquet                             every try of every slot
        commits/shard-00042.json                              the ledger: a shard exists if it is here
        failures/ log/ .synthgen/                             tracebacks; times; lock and staging
        reports/evaluation.json reports/report.html           what `evaluate` found; the page of `report`
        .synthgen/sealed/<sha256>                             what the manifest names and a larger dataset replaces

    Whatever a record names stands below the folder: a link on the way to it is refused.

    A run writes into a staging folder of its own, and everything that it makes visible is linked
    or renamed from there. So a driver that takes over renames that folder (`fence`), and workers
    of the earlier run that are still alive somewhere can commit and publish nothing any more.
    """

    def __init__(self, root: str | Path, run: str = "") -> None:
        self.root = Path(root)
        self.run = run
        self.commits = self.root / "commits"
        self.failures = self.root / "failures"
        self.log = self.root / "log"
        self.reports = self.root / "reports"
        self.private = self.root / ".synthgen"
        self.all_staging = self.private / "staging"
        self.staging = self.all_staging / (run or TOOLS)
        self.manifest = self.root / "manifest.json"
        self.sealed = self.private / "sealed"
        self.damaged = self.private / "damaged"
        self.identity = self.private / "identity.json"
        self._plain: set[str] = set()  # folders that were found to be no links

    def create(self) -> None:
        """Makes the folders. Raises StoreError if that is not possible."""
        self.check_links()
        try:
            for folder in (self.commits, self.all_staging, self.log, *([] if self.run else [self.staging])):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.private / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            if error.errno in disk.REFUSALS:
                raise disk.disk_error(error, self.root) from None
            raise StoreError(
                f"cannot write to {self.root}: {error.strerror}; name another folder with -o DIR"
            ) from None

    def check_links(self) -> None:
        """Raises StoreError if one of the folders is a link, through which records would reach what is not theirs."""
        for name in records.FOLDERS:
            if (self.root / name).is_symlink():
                raise link_error(self.root / name)

    def inside(self, path: str) -> Path:
        """Where a file that a record names stands. Raises StoreError if a folder on the way to it is a link."""
        folder = path.rpartition("/")[0]
        if folder not in self._plain:
            for place in (self.root / path).parents[: path.count("/")]:
                if place.is_symlink():
                    raise link_error(place)
            self._plain.add(folder)
        return self.root / path

    def check_reach(self) -> None:
        """Raises StoreError unless this machine sees the folder and this store's run still has it."""
        with self.refusals():
            os.listdir(self.staging)

    def fence(self) -> None:
        """Takes the staging folders of earlier runs away from whoever still writes there; makes this run's own.

        Only for the driver that holds the lock. Committed files that were not published yet are
        still found by `publish`.
        """
        with self.refusals():
            for folder in list(self.all_staging.iterdir()):
                if folder.name == TOOLS:
                    folder.rename(folder.with_name(FENCED + uuid.uuid4().hex))
                elif not folder.name.startswith(FENCED):
                    folder.rename(folder.with_name(FENCED + folder.name))
            self.staging.mkdir()
            fsync_folder(self.all_staging)

    def collect_orphans(self) -> int:
        """Removes what earlier runs staged and never committed; only after `fence` and the publication of all commits.

        Returns the number of files removed.
        """
        n_orphans = 0
        for folder in self.all_staging.glob(f"{FENCED}*"):
            if folder.is_dir() and not folder.is_symlink():
                n_orphans += sum(1 for path in folder.rglob("*") if path.is_file())
                shutil.rmtree(folder, ignore_errors=True)
            else:
                n_orphans += 1
                disk.remove(folder)
        return n_orphans

    def leave(self, complete: bool) -> None:
        """Removes this run's staging folder, where killed workers may have left files.

        Of an incomplete dataset it is removed only if it is empty: the next run looks through it.
        """
        if complete:
            shutil.rmtree(self.staging, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                self.staging.rmdir()

    def commit_path(self, shard: int) -> Path:
        return self.commits / f"shard-{shard:05d}.json"

    @contextlib.contextmanager
    def stage(self, path: str, kind: str, split: str, samples: int) -> Iterator[StagedFile]:
        """A new file under a name of its own; hashed while written, on disk (fsync) when the block ends."""
        staged = self.staging / f"{uuid.uuid4().hex}-{path.replace('/', '-')}"
        with self.refusals():
            try:
                with open(staged, "xb") as raw:
                    file = StagedFile(raw)
                    yield file
                    raw.flush()
                    os.fsync(raw.fileno())
            except BaseException:
                disk.remove(staged)
                raise
        name = staged.relative_to(self.all_staging).as_posix()
        file.entry = ShardFile(path, kind, split, samples, file.size, file.digest.hexdigest(), name)

    def commit(self, record: Commit, replaces: Commit | None = None) -> bool:
        """Makes the shard exist; False if another worker was first (the loser's files are removed).

        The record becomes visible in one step, complete and on disk. `replaces` is the record of
        a shard that is being finished (it was short, or the dataset has grown).

        Raises:
            StoreError: the disk refuses, or another driver has taken over.
        """
        path = self.commit_path(record.shard)
        temporary = self.staging / f"{uuid.uuid4().hex}-{path.name}"
        won = False
        try:
            with self.refusals():
                fsync_folder(self.staging)
                with open(temporary, "xb") as file:
                    file.write(record.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                if replaces is None:
                    won = disk.link_once(temporary, path)
                elif json_files.load_bytes(path) == replaces.to_json():
                    self._keep_sealed(replaces)
                    os.replace(temporary, path)
                    won = True
                if won:
                    fsync_folder(self.commits)
        finally:
            disk.remove(temporary)
            if not won:
                self.discard(record)
        return won

    def _keep_sealed(self, record: Commit) -> None:
        """Gives the files of a record that is about to be replaced a second name, their hash.

        So the sealed manifest stays true until the next one takes its place: see `Ledger.where_sealed`.
        """
        if not self.manifest.exists():
            return
        self.sealed.mkdir(exist_ok=True)
        for file in record.files:
            final = self.inside(file.path)
            if file_size(final) == file.bytes:
                disk.link_once(final, self.sealed / file.sha256)
        fsync_folder(self.sealed)

    def forget_sealed(self) -> None:
        """Removes what only the manifest before named; after the new one is in its place."""
        shutil.rmtree(self.sealed, ignore_errors=True)

    def discard(self, record: Commit) -> None:
        """Removes the staged files of a record that did not win."""
        for file in record.files:
            disk.remove(self.inside(f".synthgen/staging/{file.staged}"))

    def staged(self, file: ShardFile) -> list[Path]:
        """Where a file of a committed shard stands that was not published yet: of this run, or of one before."""
        names = [f".synthgen/staging/{before}{file.staged}" for before in ("", FENCED)]
        return [self.inside(name) for name in names if file_size(self.root / name) == file.bytes]

    def publish(self, record: Commit) -> list[str]:
        """Moves a committed shard's files to their final names; idempotent.

        Returns the paths that are missing or of the wrong size: none unless something was damaged.
        """
        bad = []
        folders = set()
        with self.refusals():
            for file in record.files:
                final = self.inside(file.path)
                for staged in self.staged(file):
                    final.parent.mkdir(parents=True, exist_ok=True)
                    self.clear(final)
                    with contextlib.suppress(FileNotFoundError):  # another worker published it just now
                        os.replace(staged, final)
                    folders.add(final.parent)
                if file_size(final) != file.bytes:
                    bad.append(file.path)
            for folder in folders:
                fsync_folder(folder)
        return bad

    def clear(self, path: Path) -> None:
        """Moves a folder out of the way of a file."""
        if path.is_dir() and not path.is_symlink():
            self.damaged.mkdir(parents=True, exist_ok=True)
            os.replace(path, self.damaged / f"{uuid.uuid4().hex}-{path.name}")

    def remove_stale(self, before: Commit | None, record: Commit) -> None:
        """Removes files of a replaced record that its successor lacks: no data file stays that no record names."""
        for path in {file.path for file in before.files} - {file.path for file in record.files} if before else ():
            disk.remove(self.inside(path))

    def load_commit(self, shard: int) -> Commit | None:
        """The record of a shard; None if there is none.

        Raises:
            RecordError: it is damaged.
            NewerFormatError: it was written by a newer synthgen.
        """
        path = self.commit_path(shard)
        raw = json_files.load_bytes(path)
        try:
            return None if raw is None else Commit.from_json(raw, shard)
        except NewerFormatError as error:
            raise NewerFormatError(f"{path} {error}; install that version to read it") from None

    def sound_commit(self, shard: int) -> Commit | None:
        """The record of a shard; None if there is none or it is damaged."""
        try:
            return self.load_commit(shard)
        except RecordError:
            return None

    def committed(self) -> list[int]:
        """Numbers of all shards that have a record, ascending."""
        try:
            names = os.listdir(self.commits)
        except OSError:
            return []
        numbers = [(int(match[1]), name) for name in names if (match := _COMMIT_NAME.fullmatch(name))]
        return sorted(number for number, name in numbers if name == self.commit_path(number).name)

    def set_aside(self, shard: int) -> Path:
        """Moves a damaged shard's record away, so that the next run renders the shard again."""
        target = self.damaged / f"{uuid.uuid4().hex}-shard-{shard:05d}.json"
        with self.refusals():
            self.damaged.mkdir(parents=True, exist_ok=True)
            os.replace(self.commit_path(shard), target)
            fsync_folder(self.commits)
        return target

    def write_atomic(self, path: Path, content: bytes | Iterable[bytes]) -> None:
        """Replaces a small file of the folder in one step. Raises StoreError if the disk refuses."""
        with self.refusals():
            path.parent.mkdir(exist_ok=True)
            if not self.run:
                self.private.mkdir(exist_ok=True)
                self.staging.mkdir(parents=True, exist_ok=True)
            self.clear(path)
            disk.write_file(path, content, self.staging)

    @contextlib.contextmanager
    def refusals(self) -> Iterator[None]:
        """Turns what the operating system refuses into a message for the user."""
        try:
            yield
        except OSError as error:
            lost = bool(self.run) and error.errno == errno.ENOENT and not self.staging.is_dir()
            if not self.root.is_dir() or (lost and (not self.private.is_dir() or self._holds_lock())):
                raise disk.gone_error(self.root) from None
            if lost:
                raise StoreError(f"another synthgen has taken over {self.root}; this one stops writing") from None
            raise disk.disk_error(error, self.root) from None

    def _holds_lock(self) -> bool:
        with contextlib.suppress(RecordError):
            lock = json_files.load_record(self.private / "lock", records.Lock)
            return lock is not None and lock.id == self.run
        return False


class StagedFile:
    """A binary file to write to that counts and hashes what passes; `entry` is set once it is on disk."""

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


def link_error(path: Path) -> StoreError:
    return StoreError(
        f"{path} is a link, and a dataset's folders are never links: what its records name would lie elsewhere. Put "
        "the folder itself in its place; links to the whole dataset are fine"
    )

"""The output folder: where everything stands, and how a shard is committed exactly once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.errors import StoreError

FORMAT = 1
Json = dict[str, Any]
FENCED = "fenced-"
TOOLS = "tools"  # staging of whoever writes into the folder without being a run
_COMMIT_NAME = re.compile(r"shard-(\d+)\.json")


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file of a shard. `staged` is its name below `.synthgen/staging` until it is published under `path`."""

    path: str
    kind: str
    split: str
    samples: int
    bytes: int
    sha256: str
    staged: str


@dataclass(frozen=True, slots=True)
class Commit:
    """The record that makes a shard exist. It holds no times and no host names: those go to the log."""

    digest: str
    shard: int
    n_slots: int
    accepted: int
    tries: int
    rejected: Mapping[str, int]
    classes: Mapping[str, int]
    short: Sequence[Mapping[str, Any]]
    environment: str
    files: Sequence[ShardFile]
    batch_size: int = 0  # 0 in records from before it was kept: the recipe's
    objects: Mapping[str, int] = field(default_factory=dict)  # empty in records from before they were counted
    format: int = FORMAT

    def is_final(self, n_slots: int, tries: int) -> bool:
        """Whether the shard is what a plan asks for and another run could not improve it."""
        return self.n_slots >= n_slots and all(slot["tries"] >= tries for slot in self.short)

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), sort_keys=True, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Commit:
        """Raises ValueError, KeyError or TypeError if `raw` is no commit record, StoreError if it is a newer one."""
        data = json.loads(raw)
        if isinstance(data["format"], int) and data["format"] > FORMAT:
            raise StoreError(f"the dataset was written by a newer synthgen (format {data['format']}, known: {FORMAT})")
        data["files"] = [ShardFile(**entry) for entry in data["files"]]
        return cls(**data)


class Store:
    """Paths and atomic steps of one output folder; holds no state but the path and the run that writes.

        manifest.json README.md croissant.json recipe.yaml   written when the dataset is sealed
        data/<split>/shard-00042.tar                          published shards; those of another writer
        parquet/<split>/shard-00042.parquet                   have a folder of their own, named for its suffix
        index/shard-00042.parquet                             every try of every slot
        commits/shard-00042.json                              the ledger: a shard exists if it is here
        failures/ log/ .synthgen/                             tracebacks; times; lock and staging
        reports/evaluation.json reports/report.html           what `evaluate` found; the page of `report`

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
        self.identity = self.private / "identity.json"

    def create(self) -> None:
        """Makes the folders. Raises StoreError if that is not possible."""
        try:
            for folder in (self.commits, self.all_staging, self.log, *([] if self.run else [self.staging])):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.private / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"cannot write to {self.root}: {error.strerror}; name another folder with -o DIR"
            ) from None

    def fence(self) -> None:
        """Takes the staging folders of earlier runs away from whoever still writes there; makes this run's own.

        Only for the driver that holds the lock. Committed files that were not published yet are
        still found by `publish`.
        """
        with self._disk():
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
            n_orphans += sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 1
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
            else:
                folder.unlink(missing_ok=True)
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

    def data_path(self, split: str, shard: int, suffix: str) -> str:
        """Where a file of a shard is published, relative to the root.

        Tar files are in `data`, others in a folder named for their suffix: readers of whole folders, such as
        `pandas.read_parquet`, take every file for one of theirs.
        """
        return f"{'data' if suffix == 'tar' else suffix}/{split}/shard-{shard:05d}.{suffix}"

    def index_path(self, shard: int) -> str:
        return f"index/shard-{shard:05d}.parquet"

    @contextlib.contextmanager
    def stage(self, path: str, kind: str, split: str, samples: int) -> Iterator[StagedFile]:
        """A new file under a name of its own; hashed while written, on disk (fsync) when the block ends."""
        staged = self.staging / f"{uuid.uuid4().hex}-{path.replace('/', '-')}"
        with self._disk():
            try:
                with open(staged, "xb") as raw:
                    file = StagedFile(raw)
                    yield file
                    raw.flush()
                    os.fsync(raw.fileno())
            except BaseException:
                staged.unlink(missing_ok=True)
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
            with self._disk():
                fsync_folder(self.staging)
                with open(temporary, "xb") as file:
                    file.write(record.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                if replaces is None:
                    won = link_once(temporary, path)
                elif path.read_bytes() == replaces.to_json():
                    os.replace(temporary, path)
                    won = True
                if won:
                    fsync_folder(self.commits)
        finally:
            temporary.unlink(missing_ok=True)
            if not won:
                self.discard(record)
        return won

    def discard(self, record: Commit) -> None:
        """Removes the staged files of a record that did not win."""
        for file in record.files:
            (self.all_staging / file.staged).unlink(missing_ok=True)

    def publish(self, record: Commit) -> list[str]:
        """Moves a committed shard's files to their final names; idempotent.

        Returns the paths that are missing or of the wrong size: none unless something was damaged.
        """
        bad = []
        folders = set()
        for file in record.files:
            final = self.root / file.path
            for staged in (self.all_staging / file.staged, self.all_staging / (FENCED + file.staged)):
                if staged.exists():
                    with self._disk():
                        final.parent.mkdir(parents=True, exist_ok=True)
                        with contextlib.suppress(FileNotFoundError):  # another worker published it just now
                            os.replace(staged, final)
                    folders.add(final.parent)
            if file_size(final) != file.bytes:
                bad.append(file.path)
        for folder in folders:
            fsync_folder(folder)
        return bad

    def remove_stale(self, before: Commit | None, record: Commit) -> None:
        """Removes files of a replaced record that its successor lacks: no data file stays that no record names."""
        for path in {file.path for file in before.files} - {file.path for file in record.files} if before else ():
            (self.root / path).unlink(missing_ok=True)

    def read_commit(self, shard: int) -> Commit | None:
        """The record of a shard, None if there is none or it cannot be read.

        Raises:
            StoreError: it was written by a newer synthgen.
        """
        try:
            return Commit.from_json(self.commit_path(shard).read_bytes())
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def committed(self) -> list[int]:
        """Numbers of all shards that have a record, ascending."""
        try:
            names = os.listdir(self.commits)
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) for name in names if (match := _COMMIT_NAME.fullmatch(name)))

    def set_aside(self, shard: int) -> Path:
        """Moves a damaged shard's record away, so that the next run renders the shard again."""
        folder = self.private / "damaged"
        target = folder / f"{uuid.uuid4().hex}-shard-{shard:05d}.json"
        with self._disk():
            folder.mkdir(parents=True, exist_ok=True)
            os.replace(self.commit_path(shard), target)
            fsync_folder(self.commits)
        return target

    def write_atomic(self, path: Path, content: bytes | Iterator[bytes]) -> None:
        """Replaces a small file of the folder in one step. Raises StoreError if the disk refuses."""
        temporary = self.staging / f"{uuid.uuid4().hex}-{path.name}"
        try:
            with self._disk():
                path.parent.mkdir(parents=True, exist_ok=True)
                if not self.run:
                    self.staging.mkdir(parents=True, exist_ok=True)
                with open(temporary, "xb") as file:
                    for chunk in [content] if isinstance(content, bytes) else content:
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
                fsync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Turns what the operating system refuses into a message for the user."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENOENT and self.run and not self.staging.is_dir():
                raise StoreError(f"another synthgen has taken over {self.root}; this one stops writing") from None
            raise disk_error(error, self.root) from None


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


def file_size(path: Path) -> int:
    """Size in bytes, -1 if there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def link_once(source: Path, target: Path) -> bool:
    """Gives a file a second name; False if that name is taken by another file.

    On NFS a link whose answer was lost is sent again and then refused, although it was made.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        try:
            return source.samefile(target)
        except FileNotFoundError:
            return False
    return True


def file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Makes renames and links inside `folder` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_error(error: OSError, root: Path) -> StoreError:
    """What a user can do about a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the disk that holds {root} is full; finished shards are kept. "
            "Make room, then give the same command again and it goes on from there"
        )
    return StoreError(f"cannot write to {root}: {error}")

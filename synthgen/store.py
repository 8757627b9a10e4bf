"""The output folder: where everything stands, and how a shard is committed exactly once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from synthgen.errors import StoreError

FORMAT = 1
Json = dict[str, Any]
_COMMIT_NAME = re.compile(r"shard-(\d+)\.json")


@dataclass(frozen=True, slots=True)
class ShardFile:
    """One file of a shard. `staged` is its name until it is published under `path`."""

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
    format: int = FORMAT

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), sort_keys=True, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, raw: bytes) -> Commit:
        """Raises ValueError, KeyError or TypeError if `raw` is not a commit record of this format."""
        data = json.loads(raw)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, this version writes {FORMAT}")
        data["files"] = [ShardFile(**entry) for entry in data["files"]]
        return cls(**data)


class Store:
    """Paths and atomic steps of one output folder; holds no state but the path.

        manifest.json README.md croissant.json recipe.yaml   written when the dataset is sealed
        data/<split>/shard-00042.tar|parquet                  published shards
        index/shard-00042.parquet                             every try of every slot
        commits/shard-00042.json                              the ledger: a shard exists if it is here
        failures/ log/ .synthgen/                             tracebacks; times; lock and staging
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.commits = self.root / "commits"
        self.failures = self.root / "failures"
        self.log = self.root / "log"
        self.private = self.root / ".synthgen"
        self.staging = self.private / "staging"
        self.manifest = self.root / "manifest.json"
        self.identity = self.private / "identity.json"

    def create(self) -> None:
        """Makes the folders. Raises StoreError if that is not possible."""
        try:
            for folder in (self.commits, self.staging, self.log):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.staging / f"probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"cannot write to {self.root}: {error.strerror}; name another folder with -o DIR"
            ) from None

    def commit_path(self, shard: int) -> Path:
        return self.commits / f"shard-{shard:05d}.json"

    def data_path(self, split: str, shard: int, suffix: str) -> str:
        """Where a file of a shard is published, relative to the root."""
        return f"data/{split}/shard-{shard:05d}.{suffix}"

    def index_path(self, shard: int) -> str:
        return f"index/shard-{shard:05d}.parquet"

    @contextlib.contextmanager
    def stage(self, path: str, kind: str, split: str, samples: int) -> Iterator[StagedFile]:
        """A new file under a name of its own; hashed while written, on disk (fsync) when the block ends."""
        name = f"{uuid.uuid4().hex}-{path.replace('/', '-')}"
        staged = self.staging / name
        try:
            with open(staged, "xb") as raw:
                file = StagedFile(raw)
                yield file
                raw.flush()
                os.fsync(raw.fileno())
            file.entry = ShardFile(path, kind, split, samples, file.size, file.digest.hexdigest(), name)
        except BaseException as error:
            staged.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise disk_error(error, self.root) from None
            raise

    def commit(self, record: Commit, replaces: Commit | None = None) -> bool:
        """Makes the shard exist; False if another worker was first (the loser's files are removed).

        The record becomes visible in one step, complete and on disk. `replaces` is the record of
        a shard that is being finished (it was short, or the dataset has grown).
        """
        fsync_folder(self.staging)
        path = self.commit_path(record.shard)
        temporary = self.staging / f"{uuid.uuid4().hex}-{path.name}"
        try:
            with open(temporary, "xb") as file:
                file.write(record.to_json())
                file.flush()
                os.fsync(file.fileno())
            if replaces is None:
                os.link(temporary, path)
            elif path.read_bytes() == replaces.to_json():
                os.replace(temporary, path)
            else:
                raise FileExistsError
            fsync_folder(self.commits)
        except FileExistsError:
            self.discard(record)
            return False
        except OSError as error:
            self.discard(record)
            raise disk_error(error, self.root) from None
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def discard(self, record: Commit) -> None:
        """Removes the staged files of a record that did not win."""
        for file in record.files:
            (self.staging / file.staged).unlink(missing_ok=True)

    def publish(self, record: Commit) -> list[str]:
        """Moves a committed shard's files to their final names; idempotent.

        Returns the paths that are missing or of the wrong size: none unless something was damaged.
        """
        bad = []
        folders = set()
        for file in record.files:
            final, staged = self.root / file.path, self.staging / file.staged
            if staged.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):  # another worker published it just now
                    os.replace(staged, final)
                folders.add(final.parent)
            if file_size(final) != file.bytes:
                bad.append(file.path)
        for folder in folders:
            fsync_folder(folder)
        return bad

    def read_commit(self, shard: int) -> Commit | None:
        """The record of a shard, None if there is none. An unreadable record counts as none."""
        try:
            return Commit.from_json(self.commit_path(shard).read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            self.set_aside(shard)
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
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{uuid.uuid4().hex}-shard-{shard:05d}.json"
        os.replace(self.commit_path(shard), target)
        fsync_folder(self.commits)
        return target

    def collect_orphans(self) -> int:
        """Removes staged files that no record names; only for the driver that holds the lock."""
        wanted = set()
        for shard in self.committed():
            record = self.read_commit(shard)
            wanted |= {file.staged for file in record.files} if record else set()
        orphans = [path for path in self.staging.iterdir() if path.name not in wanted]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def write_atomic(self, path: Path, content: bytes | Iterator[bytes]) -> None:
        """Replaces a small file of the folder in one step. Raises StoreError if the disk refuses."""
        temporary = self.staging / f"{uuid.uuid4().hex}-{path.name}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "xb") as file:
                for chunk in [content] if isinstance(content, bytes) else content:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
            fsync_folder(path.parent)
        except OSError as error:
            raise disk_error(error, self.root) from None
        finally:
            temporary.unlink(missing_ok=True)


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

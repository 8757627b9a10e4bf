"""Real data in object stores: everything below an address as files of this machine, fetched when it has changed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from synthgen.base import cache, object_store, terminal
from synthgen.base.disk import file_size
from synthgen.base.places import check_address, is_address
from synthgen.base.units import size
from synthgen.errors import DataError, StoreError, SynthgenError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PATIENCE_S = 1.0
"""What takes longer shows its progress."""

_HERE: dict[str, Path | SynthgenError] = {}
_LOCK = threading.RLock()


def local_path(place: str | os.PathLike[str]) -> Path:
    """Where a place is on this machine: a path as it is, an address as a file or folder of the same name.

    A process asks the store once; `forget` lets it ask again. Objects are fetched unless this machine has those of
    the same names, sizes and entity tags, and stay in `cache.folder()`, where nothing is ever half there.
    Errors about files there name the address: see `SynthgenError`.

    Raises:
        DataError: there is nothing at the address, or it has changed while it was fetched.
        StoreError: the store refuses or does not answer, or this machine has no place for the files.
        UsageError: it is no address of a place in a store, or there is no such bucket.
    """
    if not is_address(place):
        return Path(place)
    address = check_address(str(place))
    with _LOCK:
        if address not in _HERE:
            try:
                _HERE[address] = _fetched(address)
            except SynthgenError as error:  # every part that names the same data would wait for the same refusal
                _HERE[address] = error
        found = _HERE[address]
    if isinstance(found, SynthgenError):
        raise found
    return found


def forget() -> None:
    """Lets `local_path` look again whether the objects have changed: at the start of a command."""
    with _LOCK:
        _HERE.clear()


@dataclass(frozen=True, slots=True)
class _Object:
    """An object: its key in the bucket, its path in the folder of these objects, its size and its entity tag."""

    key: str
    path: str
    n_bytes: int
    tag: str | None


def _fetched(address: str) -> Path:
    store, objects, name = _listed(address)
    root = cache.folder()
    done, partial = root / name, root / f"{name}.partial"
    if not done.is_dir() or _missing(done, objects):
        with _disk_refusals(address, root, partial), _locked(root / f"{name}.lock"):
            if not done.is_dir():  # no other process has fetched it meanwhile
                _fetch(store, address, objects, partial)
                os.replace(partial, done)
            elif _missing(done, objects):  # somebody cleaned up
                _fetch(store, address, objects, done)
    return done / address.replace("://", "/")


def _missing(folder: Path, objects: Iterable[_Object]) -> list[_Object]:
    return [entry for entry in objects if file_size(folder / entry.path) != entry.n_bytes]


def _listed(address: str) -> tuple[ObjectStore, Sequence[_Object], str]:
    """A client for the bucket, what is below the address or the one object that it names, and a name for just that."""
    import obstore

    scheme, _, place = address.partition("://")
    bucket, _, prefix = place.partition("/")
    store = object_store.client(f"{scheme}://{bucket}")
    found: list[Any] = []
    with object_store.refusals(address), contextlib.suppress(FileNotFoundError):
        found = [entry for page in obstore.list(store, prefix or None, chunk_size=1000) for entry in page]
        folders = {key[:i] for key in (entry["path"] for entry in found) for i, mark in enumerate(key) if mark == "/"}
        # an empty object with the name of a folder is how web consoles make one
        found = [entry for entry in found if entry["size"] or entry["path"] not in {prefix, *folders}]
        if both := sorted(entry["path"] for entry in found if entry["path"] in folders):
            raise DataError(f"{scheme}://{bucket}/{both[0]}: is an object, and others are below it; rename it")
        found = found or ([obstore.head(store, prefix)] if prefix else [])
    if not found:
        raise DataError(f"{address}: there is nothing: no object has this name, and none is below it")
    found.sort(key=lambda entry: entry["path"])
    listing = [(entry["path"], entry["size"], entry["e_tag"] or str(entry["last_modified"])) for entry in found]
    objects = [
        _Object(entry["path"], f"{scheme}/{bucket}/{entry['path']}", entry["size"], entry["e_tag"]) for entry in found
    ]
    return store, objects, hashlib.sha256(json.dumps([address, listing]).encode()).hexdigest()[:32]


def _fetch(store: ObjectStore, address: str, objects: Sequence[_Object], folder: Path) -> None:
    """Fetches what `folder` has not got, as of an earlier attempt. Each file gets its name when it is whole."""
    missing = _missing(folder, objects)
    n_bytes = sum(entry.n_bytes for entry in missing)
    free = shutil.disk_usage(folder.parent).free
    if n_bytes > free:
        raise StoreError(
            f"{address}: no space for {size(n_bytes)} in {folder.parent}, which has {size(free)} left; make room, or "
            f"name a folder of another disk with {cache.VARIABLE}"
        )
    for parent in {(folder / entry.path).parent for entry in missing}:
        parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".*"):
        stale.unlink()
    what = f"{len(missing):,} {'file' if len(missing) == 1 else 'files'}, {size(n_bytes)}, from {address}"
    label = f"fetching {what} (kept in {folder.parent})"
    come: SimpleQueue[int | BaseException | None] = SimpleQueue()
    pool = ThreadPoolExecutor(object_store.N_AT_ONCE, thread_name_prefix="fetch")
    try:
        for entry in missing:
            pool.submit(_report, come, store, entry, folder)
        _watch(come, len(missing), n_bytes, label)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    os.sync()  # a power cut after the folder has its name must not leave files without their content


def _watch(come: SimpleQueue[int | BaseException | None], n_files: int, n_bytes: int, label: str) -> None:
    """Returns when all files have come; shows how many bytes have, if that takes long."""
    started, n_here = time.monotonic(), 0
    with contextlib.ExitStack() as shown:
        bar: Any = None
        while n_files:
            found: int | BaseException | None = 0
            with contextlib.suppress(Empty):
                found = come.get(timeout=PATIENCE_S)
            if isinstance(found, BaseException):
                raise found
            if found is None:
                n_files -= 1
                continue
            n_here += found
            if bar is not None:
                bar.update(found)
            elif time.monotonic() - started >= PATIENCE_S and not terminal.quiet:
                bar = shown.enter_context(terminal.bar(n_bytes, label))
                bar.update(n_here)


def _report(come: SimpleQueue[int | BaseException | None], store: ObjectStore, entry: _Object, folder: Path) -> None:
    """Fetches one object; reports numbers of bytes as they come, and then None, or the error."""
    temporary = folder / f".{uuid.uuid4().hex}"
    try:
        with open(temporary, "xb") as file:
            for part in _parts(store, entry):
                file.write(part)
                come.put(len(part))
        temporary.chmod(0o444)
        os.replace(temporary, folder / entry.path)
        come.put(None)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        come.put(error)


def _parts(store: ObjectStore, entry: _Object) -> Iterator[bytes]:
    """The content of an object in pieces, all of the version that was listed."""
    import obstore
    from obstore import exceptions

    url = entry.path.replace("/", "://", 1)
    for start in range(0, entry.n_bytes, object_store.PART_BYTES):
        end = min(start + object_store.PART_BYTES, entry.n_bytes)
        options: Any = {"range": (start, end)} | ({"if_match": entry.tag} if entry.tag else {})
        with object_store.refusals(url):
            try:
                part = bytes(obstore.get(store, entry.key, options=options).bytes())
            except (FileNotFoundError, exceptions.PreconditionError):
                part = b""
        if len(part) != end - start:
            raise DataError(f"{url}: was replaced or removed while it was fetched; give the command again")
        yield part


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time; the lock ends with the process that holds it, whatever ends that."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _disk_refusals(address: str, root: Path, partial: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            shutil.rmtree(partial, ignore_errors=True)
            why = "no space is left there"
        raise StoreError(
            f"{root}: cannot take what is fetched from {address}: {why}; name another folder with {cache.VARIABLE}"
        ) from None

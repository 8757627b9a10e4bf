"""Files on a disk that may refuse: written in one step, removed without fuss, and refusals in words for the user."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from synthgen.base.places import is_address
from synthgen.errors import DataError, StoreError

SHOWN_CHARACTERS = 120

REFUSALS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
"""What only a disk says, whoever writes to it: full, over quota, read-only, broken, or gone."""

NO_NAMES = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM)
"""What is said of a path that cannot be one, or that this user may not open."""


@contextlib.contextmanager
def named_paths() -> Iterator[None]:
    """Turns what the operating system says of a path in a recipe or a command into a message for the user.

    Raises:
        DataError: a name is too long, a link leads to itself, a file stands where a folder is named, or it is closed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_NAMES:
            raise
        name = os.fsdecode(error.filename or "")
        shown = name if len(name) <= SHOWN_CHARACTERS else name[: SHOWN_CHARACTERS - 3] + "..."
        raise DataError(f"{shown}: cannot be used: {error.strerror}; name another path") from None


def write_file(path: Path, content: bytes) -> None:
    """Writes or replaces a file in one step: whatever happens, its name never stands for half of it.

    Raises:
        OSError: the disk refuses; the file is as it was.
    """
    temporary = path.parent / f".{uuid.uuid4().hex}-{path.name[-100:]}"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        fsync_folder(path.parent)
    finally:
        remove(temporary)


def write_output(path: Path, content: bytes, make_folder: bool = False) -> None:
    """`write_file` for a file that the user named or asked for.

    Raises:
        StoreError: the disk refuses; the file is as it was.
    """
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)
    except OSError as error:
        if error.errno in REFUSALS:
            raise disk_error(error, path) from None
        raise StoreError(f"cannot write {path}: {error.strerror or error}; name another file with -o") from None


def remove(path: str | Path) -> None:
    """Removes a file if it is there and the disk lets it go: cleaning up never hides what went wrong before."""
    with contextlib.suppress(OSError):
        Path(path).unlink(missing_ok=True)


def file_size(path: str | Path) -> int:
    """Size in bytes of a regular file; -1 if there is none of this name, which a folder or a link is not."""
    try:
        found = os.lstat(path)
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


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


def fsync_folder(folder: Path) -> None:
    """Makes renames and links inside `folder` last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def refusals(place: Path) -> Iterator[None]:
    """Turns what the disk of `place` refuses inside the block into a StoreError; other errors pass."""
    try:
        yield
    except Exception as error:
        code = error.errno if isinstance(error, OSError) else _rust_errno(error)
        if code not in REFUSALS:
            raise
        raise disk_error(OSError(code, os.strerror(code)), place) from error


def _rust_errno(error: Exception) -> int:
    """The number in an error of a library written in Rust, such as safetensors, which has it in its text only.

    Source: the Display form of std::io::Error.
    """
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match and type(error).__module__.startswith("safetensors") else 0


def disk_error(error: OSError, place: Path) -> StoreError:
    """What a user can do about a failed write to `place`, a file or folder."""
    code = error.errno
    if code in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(
            f"the disk that holds {place} is full; what was finished is kept. "
            "Make room, then give the same command again and it goes on from there"
        )
    if code == errno.EROFS:
        return StoreError(
            f"{place} cannot be written, because its file system is read-only; what was finished is kept. Make it "
            "writable (systems do this to a disk after errors: `dmesg` says more), then give the same command again"
        )
    if code in (errno.EIO, errno.ESTALE):
        return StoreError(
            f"the disk that holds {place} fails ({error.strerror}); what was finished is kept. Check the disk or the "
            "network that it is on (`dmesg` says more), then give the same command again"
        )
    return StoreError(f"cannot write {place}: {error.strerror or error}; name another place with -o")


def gone_error(root: Path | str) -> StoreError:
    """For an output folder, or a prefix of an object store, that is not there while somebody writes to it."""
    if is_address(root):
        return StoreError(
            f"{root}/.synthgen is not there for the process on {socket.gethostname()}: it was deleted while synthgen "
            "wrote to it, or this machine's environment names another store (AWS_ENDPOINT_URL). Then give the same "
            "command again"
        )
    return StoreError(
        f"{root}, or a folder in it, is not there on {socket.gethostname()}: it was deleted, renamed or unmounted "
        "while synthgen wrote to it, or this machine does not see it. Every node must see the output folder at the "
        "same path (-o DIR on a shared file system); then give the same command again"
    )

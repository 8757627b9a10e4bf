"""Folders of pictures without labels: which files, their hash, and the pictures one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen.protocols import Source
from synthgen.realdata import listing
from synthgen.realdata.pictures import decode

Stats = tuple[tuple[Path, int, int], ...]


def files(folder: str) -> list[Path]:
    """The picture files in a folder and its subfolders, sorted.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder; name one that holds pictures")
    found = listing.pictures(root)
    if not found:
        raise DataError(f"{folder}: has no pictures ({listing.ENDINGS}), in subfolders neither")
    return found


def source(folder: str, licence: str) -> Source:
    """What samples owe a folder of pictures: name, licence, and the sha256 over names and bytes of its pictures.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    root, found = Path(folder), files(folder)
    return Source("data", root.resolve().name, sha256(root, found), licence, {"pictures": len(found)})


def sha256(root: Path, paths: Sequence[Path]) -> str:
    """sha256 over names and bytes of files below `root`; read again only if one of them has changed."""
    return _sha256(root, tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=8)
def _sha256(root: Path, stats: Stats) -> str:
    digest = hashlib.sha256()
    for path, size, _ in stats:
        digest.update(f"{path.relative_to(root).as_posix()}\0{size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def pictures(folder: str, channels: int | None = None) -> Iterator[np.ndarray]:
    """The pictures of a folder in the order of `files`, uint8 (H, W, C) each, with their own sizes.

    Raises:
        DataError: there is no such folder, no picture in it, or one that cannot be read.
    """
    for path in files(folder):
        yield decode(path, str(path), channels)

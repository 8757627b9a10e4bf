"""Folders of images without labels: which files are used, their hash, and the images one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.parts.protocols import Source
from synthgen.readers import listing
from synthgen.readers.images.decoding import decode
from synthgen.readers.images.pixel_range import PixelRange, Stats, Wanted, folder_range, stats_of
from synthgen.readers.problems import left_out, read_bytes


@dataclass(frozen=True, slots=True)
class Pictures:
    """The images of a folder that are used, in the order of their names; `left_out` names those that are not."""

    root: Path
    files: tuple[Path, ...]
    pixels: PixelRange
    left_out: tuple[str, ...]

    def name(self, i: int) -> str:
        return self.files[i].relative_to(self.root).as_posix()

    def picture(self, i: int, channels: int | None = None) -> np.ndarray:
        """Image `i`, uint8 (H, W, C), of its own size.

        Raises:
            DataError: names the file, which cannot be read.
        """
        return decode(self.files[i], str(self.files[i]), channels, self.pixels)

    def sha256(self) -> str:
        """sha256 over names and bytes of the images that are used."""
        return sha256(self.root, self.files)

    def source(self, licence: str, name: str = "") -> Source:
        """What samples owe the images: name, by default the folder's, licence and hash, and how they were read."""
        details: dict[str, Any] = {"pictures": len(self.files)} | ({"notes": self.notes} if self.notes else {})
        return Source("data", name or self.root.resolve().name, self.sha256(), licence, details)

    @property
    def notes(self) -> list[str]:
        """What users should know of how the images are read, in words."""
        unread = listing.unread(listing.files(self.root))
        return [text for text in (self.pixels.note, left_out(self.left_out), unread) if text]


def listed(folder: str, wanted: Wanted = "auto", skip_broken: bool = False) -> Pictures:
    """The images in a folder and its subfolders, sorted.

    Raises:
        DataError: there is no such folder, no image in it, or the range of its values is not known.
    """
    root = local_path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder; name one that holds images")
    found = listing.pictures(root)
    if not found:
        raise DataError(f"{folder}: has no images ({listing.ENDINGS}), in subfolders neither")
    return usable(root, found, wanted, skip_broken)


def usable(root: Path, files: Sequence[Path], wanted: Wanted, skip_broken: bool) -> Pictures:
    """The files below `root`, and with `skip_broken` those alone that can be read; all of them are read for that.

    Raises:
        DataError: none of them can be read, or the range of their values is not known.
    """
    pixels = folder_range(files, wanted, str(root))
    broken = _broken(stats_of(files), pixels) if skip_broken else {}
    if len(broken) == len(files):
        raise DataError(f"{root}: no image can be read; the first of {len(files)}: {next(iter(broken.values()))}")
    names = tuple(path.relative_to(root).as_posix() for path in broken)
    return Pictures(root, tuple(path for path in files if path not in broken), pixels, names)


@lru_cache(maxsize=8)
def _broken(files: Stats, pixels: PixelRange) -> Mapping[Path, str]:
    """The files that cannot be read, and why."""
    found: dict[Path, str] = {}
    for path, _, _ in files:
        try:
            decode(path, str(path), None, pixels)
        except DataError as error:
            found[path] = str(error)
    return found


def path_sha256(path: str) -> str:
    """sha256 over names and bytes of everything at a path; a name such as `sklearn:digits` stands for itself.

    Raises:
        DataError: there is nothing at the path.
    """
    root = local_path(path)
    if root.is_file():
        return sha256(root.parent, [root])
    if root.is_dir():
        return sha256(root, listing.files(root))
    if ":" in path:
        return hashlib.sha256(path.encode()).hexdigest()
    raise DataError(f"{path}: no such file or folder; put your data there, or name where they are")


def sha256(root: Path, paths: Sequence[Path]) -> str:
    """sha256 over names and bytes of files below `root`; read again only if one of them has changed.

    Raises:
        DataError: names a file that cannot be read.
    """
    return _sha256(root, stats_of(paths))


@lru_cache(maxsize=8)
def _sha256(root: Path, stats: Stats) -> str:
    digest = hashlib.sha256()
    for path, size, _ in stats:
        digest.update(f"{path.relative_to(root).as_posix()}\0{size}\0".encode())
        digest.update(read_bytes(path))
    return digest.hexdigest()

"""Images of a data set that are held in memory, all squares of one side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.readers.images.decoding import decode, resize
from synthgen.readers.images.pixel_range import PixelRange
from synthgen.readers.problems import Problems


class Squares:
    """Images that are read one after the other, cut to squares of one side, by default that of the first one.

    Without `channels`, they are as the first one, grey or in colours; in colours if a later one has some.
    """

    def __init__(self, side: int | None, channels: int | None, pixels: PixelRange, problems: Problems) -> None:
        self.side, self.channels, self.pixels, self.problems = side, channels, pixels, problems
        self.images: list[np.ndarray] = []

    def add(self, file: bytes | Path, where: str, name: str) -> bool:
        """Reads one; whether it could be read. `where` it is and its `name` are for messages."""
        picture = None
        with self.problems.picture(name):
            picture = decode(file, where, self.channels, self.pixels)
        if picture is not None:
            self.side = self.side or _square(picture, where)
            self.images.append(resize(picture, self.side))
        return picture is not None

    def stacked(self, where: Path) -> np.ndarray:
        """All of them, uint8 (N, side, side, C); `where` they are from, for messages.

        Raises:
            DataError: what was wrong, up to twenty problems.
        """
        self.problems.check()
        if not self.images:
            raise DataError(f"{where}: none of its images can be read")
        first = self.images[0].shape[2]
        wanted = self.channels or (3 if first == 3 or any(map(_has_colours, self.images)) else 1)
        return np.stack([_as_channels(image, wanted) for image in self.images])


def _has_colours(picture: np.ndarray) -> bool:
    return picture.shape[2] == 3 and bool((picture != picture[..., :1]).any())


def _as_channels(picture: np.ndarray, wanted: int) -> np.ndarray:
    """A grey image in three equal channels, or one of three equal ones in one."""
    if picture.shape[2] == wanted:
        return picture
    return np.repeat(picture, 3, axis=2) if wanted == 3 else picture[..., :1]


def _square(picture: np.ndarray, name: str) -> int:
    height, width = picture.shape[:2]
    if height != width:
        raise DataError(f"{name}: is {width} x {height}; set `resolution`, and images are cut to squares of that side")
    return int(height)


def contents_of(column: Any) -> list[bytes]:
    """The bytes of each image of an Arrow column; none, which are no image, of a cell that holds something else."""
    cells = [cell.get("bytes") if isinstance(cell, dict) else cell for cell in column.to_pylist()]
    return [raw if isinstance(raw, bytes) else b"" for raw in cells]


def resized(images: np.ndarray, resolution: int | None, channels: int | None) -> np.ndarray:
    """Arrays that are in memory already, in the size and channels asked for."""
    if resolution and resolution != images.shape[1]:
        images = np.stack([resize(image, resolution) for image in images])
    if channels == 3 and images.shape[3] == 1:
        images = np.repeat(images, 3, axis=3)
    return images

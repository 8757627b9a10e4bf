"""Image files opened by Pillow: only formats that people keep images in, upright, one image a file."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from synthgen.errors import DataError
from synthgen.readers.problems import read_bytes

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What Pillow may open. It goes by content, and knows dozens of others, such as EPS, for which it runs Ghostscript."""

DEEP = ("I;16", "I;16L", "I;16B", "I", "F")
"""Pillow's modes of grey images of more than 8 bits."""

PHOTOMETRIC, SAMPLE_FORMAT, ORIENTATION = 262, 339, 274
"""Tags of TIFF 6.0, which EXIF data have too."""

LOSSY_IN_TIFF = ("jpeg", "tiff_jpeg", "webp")
"""What Pillow calls them."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Opened:
    """An image that was read to its end; `image` is Pillow's, upright as its EXIF data say.

    `deep_colours`: it has colours of 16 bits a channel in the file, of which Pillow reads the upper 8.
    """

    image: Any
    deep_colours: bool
    unsigned: bool

    @property
    def deep(self) -> bool:
        """Whether it is grey of more than 8 bits: 16 or 32, or floats."""
        return self.image.mode in DEEP

    def values(self) -> np.ndarray:
        """Its numbers as they are in the file: (H, W) of an image that is grey or has a palette."""
        array = np.asarray(self.image)
        return array.view(np.uint32) if self.unsigned else array


def opened(file: bytes | Path, name: str) -> Opened:
    """Reads an image file.

    Raises:
        DataError: names the file: it cannot be read, is damaged, larger than Pillow's limit, or holds several images.
    """
    from PIL import ImageOps

    def read(picture: Any) -> Opened:
        depth = _depth(picture)
        picture.load()
        if picture.mode == "F" and not np.isfinite(np.asarray(picture)).all():
            raise DataError(f"{name}: has values that are no finite numbers; replace them")
        return Opened(ImageOps.exif_transpose(picture), *depth)

    raw = file if isinstance(file, bytes) else read_bytes(file, name)
    return _read(io.BytesIO(raw), name, read)  # not by its path: Pillow 12 maps files, and turned TIFFs wrongly


def is_palette(file: bytes | Path) -> bool:
    """Whether an image file holds indices into a palette; raises DataError as `opened`, without a name."""
    return _read(_readable(file), "", lambda picture: bool(picture.mode == "P"))


def is_lossy(path: Path) -> bool:
    """Whether an image file is compressed so that its values change: JPEG, lossy WebP, or TIFF with either inside.

    Raises:
        DataError: as `opened`, without a name.
    """

    def lossy(picture: Any) -> bool:
        if picture.format == "WEBP":
            return _has_lossy_chunk(path)
        return picture.format in ("JPEG", "MPO") or picture.info.get("compression") in LOSSY_IN_TIFF

    return _read(path, "", lossy)


def _has_lossy_chunk(path: Path) -> bool:
    """Whether a WebP file has a chunk `VP8 `. Source: the container's specification, RFC 9649."""
    with open(path, "rb") as file:
        file.seek(12)
        while len(head := file.read(8)) == 8:
            kind, size = head[:4], int.from_bytes(head[4:], "little")
            if kind in (b"VP8 ", b"VP8L"):
                return kind == b"VP8 "
            file.seek(size + size % 2, os.SEEK_CUR)
    return False


def orientation(path: Path) -> tuple[int, tuple[int, int]]:
    """How the EXIF data of an image file say that it must be turned, 1 to 8, and its width and height before that.

    Raises:
        DataError: as `opened`, without a name.
    """

    def read(picture: Any) -> tuple[int, tuple[int, int]]:
        known = picture.format != "PNG" or "exif" in picture.info  # else Pillow reads all of a PNG, to look at its end
        return int(picture.getexif().get(ORIENTATION, 1) if known else 1), picture.size

    return _read(path, "", read)


def is_deep(file: bytes | Path) -> bool:
    """Whether the header of an image file says that it has more than 8 bits a channel.

    Raises:
        DataError: as `opened`, without a name.
    """
    return _read(_readable(file), "", lambda picture: picture.mode in DEEP or _depth(picture)[0])


def _readable(file: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(file) if isinstance(file, bytes) else file


def _read(file: io.BytesIO | Path, name: str, read: Callable[[Any], Result]) -> Result:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as picture:
                problem = _problem(picture)
                if not problem:
                    return read(picture)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise whatever damaged bytes lead them to, SyntaxErrors included
        raise DataError(f"{name}: is no readable image: {_why(error)}") from None
    raise DataError(f"{name}: {problem}")


def _problem(picture: Any) -> str:
    if picture.format != "MPO" and getattr(picture, "is_animated", False):  # MPO: a photo and its small copies
        return "holds several images or pages, of which only one could be read; save each in a file of its own"
    if picture.format == "TIFF" and picture.mode in DEEP and picture.tag_v2.get(PHOTOMETRIC) == 0:
        return "is stored with white as 0 at more than 8 bits, which cannot be read rightly; save it with black as 0"
    return ""


def _depth(picture: Any) -> tuple[bool, bool]:
    """Whether it has colours of 16 bits, and whether its integers are unsigned ones of 32 bits."""
    arguments = [tile.args if isinstance(tile.args, str) else (tile.args or [""])[0] for tile in picture.tile]
    colours = picture.mode not in DEEP and any(";16" in str(argument) for argument in arguments)
    unsigned = picture.mode == "I" and picture.format == "TIFF" and picture.tag_v2.get(SAMPLE_FORMAT, (1,))[0] == 1
    return colours, unsigned


def _why(error: Exception) -> str:
    """Pillow's reason, which names an object in memory where the format is unknown."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"its content has no known format ({', '.join(sorted(suffix[1:] for suffix in SUFFIXES))} can be read)"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it claims to have more than {Image.MAX_IMAGE_PIXELS} pixels; scale it down"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

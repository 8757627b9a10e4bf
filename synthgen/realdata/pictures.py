"""Picture files as arrays, whatever their mode."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from synthgen.errors import DataError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def decode(raw: bytes, name: str, channels: int | None = None) -> np.ndarray:
    """A picture file as uint8 (H, W, C): transparency on white, palettes resolved, 16 bits scaled to 8.

    Raises:
        DataError: names the file.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(raw)) as picture:
            picture.load()
            found: Any = picture
            if found.mode in ("I;16", "I;16B", "I", "F"):
                deep = np.asarray(found, dtype=np.float64)
                found = Image.fromarray((deep * (255 / (65535 if deep.max() > 255 else 255))).astype(np.uint8))
            if found.mode in ("RGBA", "LA", "PA") or "transparency" in found.info:
                found = found.convert("RGBA")
                found = Image.alpha_composite(Image.new("RGBA", found.size, "white"), found)
            wanted = channels or (1 if picture.mode in ("1", "L", "LA", "I;16", "I;16B", "I", "F") else 3)
            array = np.array(found.convert("L" if wanted == 1 else "RGB"))  # a copy that may be written to
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: is no readable picture: {_why(error)}") from None
    return array[..., None] if array.ndim == 2 else array


def _why(error: Exception) -> str:
    """Pillow's reason, which names an object in memory where the format is unknown."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"its content has no known format ({', '.join(sorted(suffix[1:] for suffix in SUFFIXES))} can be read)"
    return str(error)


def resize(picture: np.ndarray, side: int) -> np.ndarray:
    """The picture cut to its central square and scaled to `side`, uint8 (side, side, C)."""
    return fit(picture, side, side)


def fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture cut to its largest central part of the proportions asked for and scaled, uint8 (height, width, C)."""
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    share = min(picture.shape[0] / height, picture.shape[1] / width)
    high, wide = max(1, round(height * share)), max(1, round(width * share))
    top, left = (picture.shape[0] - high) // 2, (picture.shape[1] - wide) // 2
    part = picture[top : top + high, left : left + wide]
    image = Image.fromarray(part[..., 0] if picture.shape[2] == 1 else part)
    array = np.array(image.resize((width, height), Image.Resampling.LANCZOS))  # a copy that may be written to
    return array[..., None] if picture.shape[2] == 1 else array


def decode_mask(raw: bytes, name: str) -> np.ndarray:
    """A mask file as numbers, int64 (H, W): grey of 1, 8 or 16 bits, or the indices of a palette.

    Raises:
        DataError: names the file: it is no picture, has colours or transparency, or numbers that are no whole ones.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(raw)) as picture:
            picture.load()
            if picture.mode not in ("1", "L", "P", "I;16", "I;16B", "I"):
                raise DataError(
                    f"{name}: is a mask with the mode {picture.mode}; masks must hold one number a pixel: "
                    "grey of 8 or 16 bits, or a palette"
                )
            array = np.asarray(picture).astype(np.int64)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{name}: is no readable picture: {_why(error)}") from None
    if array.min() < 0 or array.max() > 65535:
        raise DataError(f"{name}: has numbers from {array.min()} to {array.max()}; 0 to 65535 are accepted")
    return array

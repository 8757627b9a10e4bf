"""Image files as arrays, whatever their mode: the one decoder of people's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.readers.images.opening import opened
from synthgen.readers.images.pixel_range import PixelRange, picture_range

MASK_MODES = ("1", "L", "P", "I;16", "I;16L", "I;16B", "I")


def decode(file: bytes | Path, name: str, channels: int | None = None, pixels: PixelRange | None = None) -> np.ndarray:
    """An image file as uint8 (H, W, C), upright as its EXIF data say: transparency on white, palettes resolved.

    What is white on a transparent ground is put on black, since nothing would be seen of it on white.

    Args:
        channels: 1 or 3; by default 1 if the image is grey, else 3.
        pixels: which values of images of more than 8 bits become 0 and 255, decided for a whole folder by
            `folder_range`; by default decided for this image alone.

    Raises:
        DataError: names the file.
    """
    from PIL import Image

    picture = opened(file, name)
    found = picture.image
    if picture.deep:
        found = Image.fromarray((pixels or picture_range(picture, name)).scaled(picture))
    elif picture.deep_colours:
        (pixels or picture_range(picture, name)).check_colours(name)
    if found.mode in ("RGBA", "LA", "PA") or "transparency" in found.info:
        found = _on_a_ground(found.convert("RGBA"))
    wanted = channels or (1 if picture.deep or picture.image.mode in ("1", "L", "LA") else 3)
    array = np.array(found.convert("L" if wanted == 1 else "RGB"))  # a copy that may be written to
    return array[..., None] if array.ndim == 2 else array


def _on_a_ground(found: Any) -> Any:
    """Pillow's RGBA image on white; on black where that would be all of one colour, and what is opaque has a shape."""
    from PIL import Image

    def on(colour: str) -> Any:
        return Image.alpha_composite(Image.new("RGBA", found.size, colour), found)

    def varies(image: Any) -> bool:
        return any(low != high for low, high in image.getextrema())

    return on("white") if varies(on("white")) or not varies(found.getchannel("A").convert("RGB")) else on("black")


def resize(picture: np.ndarray, side: int) -> np.ndarray:
    """The image cut to its central square and scaled to `side`, uint8 (side, side, C)."""
    return fit(picture, side, side)


def fit(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """The image cut to its largest central part of the proportions asked for and scaled, uint8 (height, width, C)."""
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


def decode_mask(file: bytes | Path, name: str) -> np.ndarray:
    """A mask file as numbers, int64 (H, W), upright: grey of 1, 8 or 16 bits, or the indices of a palette.

    Raises:
        DataError: names the file: it is no image, has colours or transparency, or numbers that are no whole ones.
    """
    picture = opened(file, name)
    if picture.image.mode not in MASK_MODES:
        raise DataError(
            f"{name}: is a mask with the mode {picture.image.mode}; masks must hold one number a pixel: "
            "grey of 8 or 16 bits, or a palette"
        )
    array = picture.values().astype(np.int64)
    if array.min() < 0 or array.max() > 65535:
        raise DataError(f"{name}: has numbers from {array.min()} to {array.max()}; 0 to 65535 are accepted")
    return array

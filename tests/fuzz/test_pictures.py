"""Image files as people have them: any bytes are read as an image or a mask, or refused by name, in silence."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

import fuzzing
from synthgen.errors import DataError
from synthgen.readers.images.decoding import decode, decode_mask

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
COLOURS = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)


def encoded(array: np.ndarray, kind: str, mode: str | None = None, turned: int = 0, **more: Any) -> bytes:
    picture = Image.fromarray(array)
    picture = picture.convert(mode) if mode else picture
    if turned:
        more["exif"] = Image.Exif()
        more["exif"][274] = turned
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


SEEDS = [
    encoded(GREY, "PNG"),
    encoded(COLOURS, "PNG", turned=6),
    encoded(COLOURS, "PNG", "P"),
    encoded(COLOURS, "PNG", "RGBA"),
    encoded(GREY.astype(np.uint16) * 257, "PNG"),
    encoded(GREY[:1, :1], "PNG", "1"),
    encoded(COLOURS, "JPEG", turned=6),
    encoded(GREY, "JPEG"),
    encoded(COLOURS, "JPEG", "CMYK"),
    encoded(COLOURS, "GIF"),
    encoded(GREY, "GIF", save_all=True, append_images=[Image.fromarray(GREY[::-1])]),
    encoded(COLOURS, "WEBP", turned=3),
    encoded(COLOURS, "WEBP", lossless=True),
    encoded(COLOURS, "BMP"),
    encoded(GREY, "BMP", "1"),
    encoded(GREY.astype(np.float32) / 255, "TIFF"),
    encoded(GREY.astype(np.int32) - 100, "TIFF"),
    encoded(GREY.astype(np.uint16), "TIFF", compression="tiff_adobe_deflate"),
    encoded(COLOURS, "TIFF", compression="tiff_lzw", turned=8),
    encoded(COLOURS, "EPS"),
    b"",
]


@pytest.mark.slow
def test_damaged_pictures_are_read_or_refused() -> None:
    def attempt(raw: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                picture = decode(raw, "1.png")
                assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] in (1, 3)
            finally:
                _as_mask(raw)

    fuzzing.check("pictures", fuzzing.damaged(st.sampled_from(SEEDS)), attempt)


def _as_mask(raw: bytes) -> None:
    try:
        numbers = decode_mask(raw, "1.png")
    except DataError as error:
        assert str(error).startswith("1.png: ")
    else:
        assert numbers.dtype == np.int64 and numbers.ndim == 2

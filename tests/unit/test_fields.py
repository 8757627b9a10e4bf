"""Fields: what is accepted, and that every stored form reads back."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import PIL.Image
import pytest

from synthgen import fields
from synthgen.errors import DataError
from synthgen.fields import Image, Label, Number


def picture(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", ["png", "webp"])
def test_lossless_codecs_keep_every_pixel(codec: Any, channels: int) -> None:
    kind = Image(5, 7, channels, codec)
    value = picture(5, 7, channels)
    stored = kind.encode(value)
    assert np.array_equal(kind.decode(stored), value)
    assert PIL.Image.open(io.BytesIO(stored)).format == codec.upper()
    assert PIL.Image.open(io.BytesIO(stored)).size == (7, 5)


def test_jpeg_is_close() -> None:
    smooth = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)
    kind = Image(32, 32, 3, "jpeg")
    assert np.abs(kind.decode(kind.encode(smooth)).astype(int) - smooth).max() < 12


def test_decoded_pictures_may_be_written_to() -> None:
    kind = Image(2, 2, 1)
    kind.decode(kind.encode(picture(2, 2, 1)))[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Image(2, 2, 1), np.zeros((2, 2, 1), dtype=np.float32)),
        (Image(2, 2, 1), np.zeros((2, 2), dtype=np.uint8)),
        (Image(2, 2, 1), np.zeros((2, 2, 3), dtype=np.uint8)),
        (Image(2, 2, 1), "a picture"),
        (Label(("a", "b")), 2),
        (Label(("a", "b")), -1),
        (Label(("a", "b")), 0.0),
        (Number(), math.nan),
        (Number(), math.inf),
        (Number(), "1"),
    ],
)
def test_wrong_values_are_refused_by_name(kind: fields.Field, value: Any) -> None:
    with pytest.raises(DataError, match="field `it`"):
        kind.check("it", value)


@pytest.mark.parametrize("kind", [Image(2, 3, 1, "webp"), Label(("a", "b")), Number("px")])
def test_a_description_gives_the_field_back(kind: fields.Field) -> None:
    assert fields.from_description(kind.describe()) == kind


def test_a_field_of_the_future_is_refused() -> None:
    with pytest.raises(DataError, match="unknown field type 'hologram'"):
        fields.from_description({"type": "hologram"})


def test_columns_must_be_what_was_promised() -> None:
    schema = {"score": Number()}
    fields.check_columns({"score": [1.0, 2.0]}, schema, 2, "part")
    with pytest.raises(DataError, match="promised the fields"):
        fields.check_columns({"other": [1.0]}, schema, 1, "part")
    with pytest.raises(DataError, match="1 values for 2 samples"):
        fields.check_columns({"score": [1.0]}, schema, 2, "part")
    with pytest.raises(DataError, match="part: score"):
        fields.check_columns({"score": [math.nan]}, schema, 1, "part")


def test_member_names() -> None:
    assert fields.member_name("image", "png") == "png"
    assert fields.member_name("label", "cls") == "cls"
    assert fields.member_name("mask.soft", "png") == "mask_soft.png"

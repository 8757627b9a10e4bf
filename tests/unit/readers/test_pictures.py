"""The one decoder of people's images: upright, in the range that their folder has, or refused by name."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images.decoding import decode, decode_mask
from synthgen.readers.images.pixel_range import PixelRange, folder_range

ORIENTATION = 274
STORED = np.array([[10, 20, 30], [40, 50, 60]], dtype=np.uint8)
UPRIGHT = {
    1: STORED,
    2: STORED[:, ::-1],
    3: STORED[::-1, ::-1],
    4: STORED[::-1],
    5: STORED.T,
    6: np.rot90(STORED, -1),
    7: STORED[::-1, ::-1].T,
    8: np.rot90(STORED),
}
"""What EXIF 2.32 means by each orientation."""


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def turned(path: Path, orientation: int) -> Path:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    more = {"lossless": True} if path.suffix == ".webp" else {}
    picture = Image.fromarray(np.repeat(STORED[..., None], 3, axis=2) if more else STORED)
    picture.save(path, exif=exif, **more)
    return path


def filled(value: float, kind: type = np.uint16) -> np.ndarray:
    return np.full((2, 2), value, dtype=kind)


def png(pixels: np.ndarray, colour_type: int) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write in colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def read_folder(folder: Path, wanted: object = "auto") -> tuple[PixelRange, list[int]]:
    """The range of a folder, and the first value of each of its images."""
    files = listing.pictures(folder)
    pixels = folder_range(files, wanted, str(folder))  # type: ignore[arg-type]
    return pixels, [int(decode(path, str(path), 1, pixels)[0, 0, 0]) for path in files]


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_pictures_are_upright_as_their_exif_data_say(tmp_path: Path, orientation: int, ending: str) -> None:
    path = turned(tmp_path / f"1.{ending}", orientation)
    np.testing.assert_array_equal(decode(path, "1", 1)[..., 0], UPRIGHT[orientation])


def test_a_turned_picture_fits_its_upright_mask(tmp_path: Path) -> None:
    picture = turned(tmp_path / "1.png", 6)
    mask = save(tmp_path / "mask.png", UPRIGHT[6])
    np.testing.assert_array_equal(decode(picture, "1")[..., 0], decode_mask(mask, "mask"))
    np.testing.assert_array_equal(decode_mask(picture, "1"), UPRIGHT[6])


@pytest.mark.parametrize(
    ("values", "kind", "ending", "high", "expected"),
    [
        ((255, 256), np.uint16, "png", 4095, [16, 16]),
        ((0, 4095), np.uint16, "png", 4095, [0, 255]),
        ((200, 255), np.uint16, "png", 255, [200, 255]),
        ((257, 65535), np.uint16, "png", 65535, [1, 255]),
        ((0, 65535), np.int32, "tif", 65535, [0, 255]),
        ((0.25, 1.0), np.float32, "tif", 1, [64, 255]),
        ((100 / 255, 0.0), np.float32, "tif", 1, [100, 0]),
    ],
)
def test_the_range_of_deep_pictures_is_one_for_the_folder(
    tmp_path: Path, values: tuple[float, ...], kind: type, ending: str, high: float, expected: list[int]
) -> None:
    for i, value in enumerate(values):
        save(tmp_path / f"{i}.{ending}", filled(value, kind))
    pixels, read = read_folder(tmp_path)
    assert (pixels.low, pixels.high, read) == (0, high, expected)
    assert f"0 to {high:g} become 0 to 255 (`range` changes it)" in pixels.note


def test_a_range_that_is_set_cuts_what_is_beyond_and_says_so(tmp_path: Path) -> None:
    for i, value in enumerate((-1000, -160, 240, 3000)):
        save(tmp_path / f"{i}.tif", filled(value, np.int32))
    pixels, read = read_folder(tmp_path, (-160.0, 240.0))
    assert read == [0, 0, 255, 255]
    assert "values from -1000 to 3000; -160 to 240 become 0 to 255 as set, and others are cut to them" in pixels.note


def test_pictures_of_8_bits_beside_deep_ones_stay_as_they_are_and_that_is_said(tmp_path: Path) -> None:
    save(tmp_path / "0.png", filled(1000))
    save(tmp_path / "1.png", filled(77, np.uint8))
    pixels, read = read_folder(tmp_path)
    assert read == [62, 77]
    assert pixels.note.endswith("; those of 8 bits (1) stay as they are")
    assert folder_range([tmp_path / "1.png"], "auto", "x").note == ""


@pytest.mark.parametrize(
    "arrays",
    [
        [filled(-5, np.int32)],
        [filled(70000, np.int32)],
        [filled(200.5, np.float32)],
        [filled(-0.5, np.float32)],
        [filled(0.5, np.float32), filled(300)],
    ],
)
def test_a_range_that_nothing_says_is_asked_for(tmp_path: Path, arrays: list[np.ndarray]) -> None:
    for i, array in enumerate(arrays):
        save(tmp_path / f"{i}.tif", array)
    with pytest.raises(DataError, match=r"nothing says which of them are black and white; set `range: \[lowest, high"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="`range:"):
        for path in sorted(tmp_path.iterdir()):
            decode(path, str(path))
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, (-1000.0, 100000.0))[1]) == len(arrays)


def test_values_that_are_no_numbers_are_refused_whatever_the_range(tmp_path: Path) -> None:
    path = save(tmp_path / "1.tif", np.array([[np.nan, 1]], np.float32))
    for wanted in ("auto", (0.0, 1.0)):
        with pytest.raises(DataError, match=r"1\.tif: has values that are no finite numbers"):
            read_folder(path.parent, wanted)


def test_unsigned_integers_of_32_bits_do_not_wrap(tmp_path: Path) -> None:
    raw = io.BytesIO()
    Image.fromarray(np.array([[-1, 0]], np.int32)).save(raw, "TIFF")
    signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))  # TIFF's tag SampleFormat
    assert signed in raw.getvalue()
    assert decode(raw.getvalue().replace(signed, unsigned), "1", 1, PixelRange(0, 2**32 - 1)).ravel().tolist() == [
        255,
        0,
    ]


@pytest.mark.parametrize("colour_type", [2, 6])
def test_colours_of_16_bits_are_read_in_full_range_or_refused(tmp_path: Path, colour_type: int) -> None:
    n = 3 if colour_type == 2 else 4
    (tmp_path / "full.png").write_bytes(png(np.full((2, 2, n), 65535), colour_type))
    assert decode(tmp_path / "full.png", "full").max() == 255
    (tmp_path / "dim.png").write_bytes(png(np.full((2, 2, n), 4000), colour_type))
    if colour_type == 2:
        with pytest.raises(DataError, match="colours of 16 bits a channel, which can be read for the range 0 to 65535"):
            decode(tmp_path / "dim.png", "dim")
        pixels = folder_range(listing.pictures(tmp_path), "auto", "x")
        assert decode(tmp_path / "dim.png", "dim", 1, pixels).max() == 4000 >> 8


def broken_length(raw: bytes) -> bytes:
    """A PNG whose data say that they are shorter than they are: Pillow raises a SyntaxError."""
    place = raw.index(b"IDAT") - 4
    return raw[:place] + struct.pack(">I", 5) + raw[place + 4 :]


def as_eps(raw: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(out, "EPS")
    return out.getvalue()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (broken_length, "is no readable image: broken PNG file"),
        (as_eps, "its content has no known format"),
        (lambda raw: raw[:50], "is no readable image: image file is truncated"),
        (lambda raw: b"", "its content has no known format"),
        (lambda raw: raw[:16] + struct.pack(">II", 60000, 60000) + raw[24:], "is no readable image"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(
    tmp_path: Path, damage: Callable[[bytes], bytes], message: str, recwarn: pytest.WarningsRecorder
) -> None:
    path = save(tmp_path / "1.png", np.random.default_rng(0).integers(0, 255, (9, 9)).astype(np.uint8))
    path.write_bytes(damage(path.read_bytes()))
    for read in (decode, decode_mask):
        with pytest.raises(DataError, match=message) as caught:
            read(path, str(path))
        assert str(path) in str(caught.value)
    assert not recwarn.list


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_read() -> None:
    raw = png(np.zeros((1, 1)), 0).replace(struct.pack(">II", 1, 1), struct.pack(">II", 60000, 60000))
    raw = raw[:29] + struct.pack(">I", zlib.crc32(raw[12:29])) + raw[33:]
    with pytest.raises(DataError, match=r"claims to have more than [0-9]+ pixels; scale it down"):
        decode(raw, "1")


@pytest.mark.parametrize("ending", ["gif", "tif", "webp", "png"])
def test_files_of_several_pictures_are_refused(tmp_path: Path, ending: str) -> None:
    frames = [Image.new("RGB", (4, 4), (level, 0, 0)) for level in (0, 200)]
    frames[0].save(tmp_path / f"1.{ending}", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="holds several images or pages"):
        decode(tmp_path / f"1.{ending}", "1")


def test_white_as_0_at_16_bits_is_refused_and_at_8_bits_inverted(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16):
        Image.fromarray(filled(0, kind)).save(tmp_path / f"{kind.__name__}.tif", tiffinfo={262: 0})
    with pytest.raises(DataError, match="white as 0 at more than 8 bits"):
        decode(tmp_path / "uint16.tif", "1")

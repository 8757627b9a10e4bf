"""What the numbers of masks mean: what is decided, what is asked, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from synthgen.errors import DataError
from synthgen.readers.masks import reader
from synthgen.readers.masks.kinds import decided, evidence
from synthgen.readers.masks.meaning import settle
from synthgen.readers.masks.types import MaskData


def blocks(*ids: int) -> np.ndarray:
    """One square for each number, apart from each other."""
    numbers = np.zeros((8, 8 * len(ids)), dtype=np.int64)
    for place, number in enumerate(ids):
        numbers[2:6, 8 * place + 2 : 8 * place + 6] = number
    return numbers


@pytest.mark.parametrize(
    ("mode", "ids", "kind"),
    [
        ("L", [(255, 255), (255,)], "binary"),
        ("1", [(1, 1), (1,)], "binary"),
        ("I;16", [(1, 2), (1,)], "instances"),
        ("L", [(1, 2, 3, 4), (1, 2), (1, 2, 3)], "instances"),
        ("L", [(1, 2, 1, 2), (2, 2, 2)], "classes"),
        ("P", [(15,), (3, 15)], "classes"),
        ("P", [(1, 2), (1, 2)], "classes"),
    ],
)
def test_what_the_numbers_mean(mode: str, ids: list[tuple[int, ...]], kind: str) -> None:
    assert decided(evidence((mode, blocks(*one)) for one in ids), False, "masks")[0] == kind


def test_an_open_question_is_asked() -> None:
    with pytest.raises(DataError, match=r"numbers \(1, 2\) mean.*`mask_kind: instances` or `mask_kind: classes`"):
        decided(evidence([("L", blocks(1, 2)), ("L", blocks(1))]), False, "masks")
    with pytest.raises(DataError, match=r"all masks are empty"):
        decided(evidence([("L", blocks(0))]), False, "masks")


def folder(path: Path, *numbers: np.ndarray, ending: str = "png") -> Path:
    for i, one in enumerate(numbers):
        for place, picture in (("images", np.full((*one.shape[:2], 3), 9)), ("masks", one)):
            (path / place).mkdir(parents=True, exist_ok=True)
            name = f"{i}.{ending if place == 'masks' else 'png'}"
            Image.fromarray(picture.astype(np.uint8)).save(path / place / name)
    return path


def test_binary_masks_have_as_many_objects_as_regions(tmp_path: Path) -> None:
    path = folder(tmp_path, blocks(255, 255), blocks(255, 255))
    found = reader.read(MaskData(path=str(path)))
    assert [item.n_objects for item in found.items] == [2, 2]
    assert MaskData(path=str(path)).notes() == list(found.notes) and "masks are binary" in found.notes[0]
    assert MaskData(path=str(path), mask_kind="binary").notes() == []
    for kind in ("instances", "classes"):
        with pytest.raises(DataError, match=r"nothing but 0 and 255.*`mask_kind: binary`"):
            reader.read(MaskData.model_validate({"path": str(path), "mask_kind": kind}))
    Image.fromarray((blocks(255, 7)).astype(np.uint8)).save(path / "masks" / "0.png")
    with pytest.raises(DataError, match=r"0.png: has the numbers \[0, 7, 255\]; a binary mask holds"):
        reader.read(MaskData(path=str(path), mask_kind="binary"))


def test_pictures_without_any_object_are_no_data(tmp_path: Path) -> None:
    path = folder(tmp_path, blocks(0), blocks(0))
    for kind in ("instances", "classes", "binary"):
        with pytest.raises(DataError, match=r"there is no object in any of the 2 images"):
            reader.read(MaskData.model_validate({"path": str(path), "mask_kind": kind}))


def test_jpeg_masks_and_two_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    path = folder(tmp_path, blocks(255, 255), blocks(255), ending="jpg")
    with pytest.raises(DataError, match=r"0.jpg and 1 more are masks saved as JPEG"):
        reader.read(MaskData(path=str(path), mask_kind="binary"))
    for name in ("0.jpg", "1.jpg"):
        (path / "masks" / name).unlink()
    folder(path, blocks(255), blocks(255))
    Image.new("L", (8, 8)).save(path / "masks" / "1_mask.tif")
    with pytest.raises(DataError, match=r"1.png and 1_mask.tif: both are masks of `1`"):
        reader.read(MaskData(path=str(path)))


def test_colours_are_classes_by_their_table(tmp_path: Path) -> None:
    colours = np.array([(0, 0, 0), (200, 0, 0), (9, 9, 9)], dtype=np.uint8)
    path = folder(tmp_path, colours[blocks(1, 2)], colours[blocks(1, 1)])
    (path / "colours.csv").write_text("r,g,b,name\n0,0,0,background\n200,0,0,road\n9,9,9,unknown\n")
    data = MaskData(path=str(path), colours="colours.csv", objects=["road"])
    found = reader.read(data)
    assert [item.n_objects for item in found.items] == [1, 2]
    assert found.items[0].layout is not None
    assert set(np.unique(found.items[0].layout.segmentation)) == {0, 1, 255}
    (path / "colours.csv").write_text("r,g,b,name\n0,0,0,background\n200,0,0,road\n")
    with pytest.raises(DataError, match=r"0.png: has colours that the table of colours does not list: 9,9,9"):
        reader.read(data)


def test_boxes_are_no_masks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a segmenter needs masks"):
        MaskData(path=str(tmp_path), boxes="b.json").require_masks("a segmenter")


def palette_masks(path: Path, *palettes: list[tuple[int, int, int]]) -> Path:
    folder(path, *(blocks(1, 1) for _ in palettes))
    for i, palette in enumerate(palettes):
        mask = Image.fromarray(blocks(1, 1).astype(np.uint8)).convert("P")
        mask.putdata(blocks(1, 1).ravel().tolist())
        mask.putpalette([value for colour in palette for value in colour])
        mask.save(path / "masks" / f"{i}.png")
    return path


def test_numbers_have_one_colour_in_all_palettes(tmp_path: Path) -> None:
    black, red, blue = (0, 0, 0), (255, 0, 0), (0, 0, 255)
    path = palette_masks(tmp_path, [black, red], [black, blue])
    message = r"0.png and .*1.png: their palettes have the colours #ff0000 and #0000ff for the number 1, so"
    for more in ({}, {"mask_kind": "classes", "objects": ["car", "tree"]}, {"mask_kind": "semantic"}):
        with pytest.raises(DataError, match=message):
            reader.read(MaskData.model_validate({"path": str(path), **more}))
    with pytest.raises(DataError, match=message):
        settle({"path": str(path)}, {"mask_kind": "semantic", "zero": "background", "unknown": (255,)})
    for more in ({"mask_kind": "binary"}, {"mask_kind": "instances"}):
        assert len(reader.read(MaskData.model_validate({"path": str(path), **more}))) == 2
    (path / "colours.csv").write_text("r,g,b,name\n0,0,0,background\n255,0,0,car\n0,0,255,tree\n")
    found = reader.read(MaskData(path=str(path), colours="colours.csv", objects=["car", "tree"]))
    assert [int(item.layout.segmentation.max()) for item in found.items if item.layout] == [1, 2]
    found = reader.read(MaskData(path=str(palette_masks(tmp_path / "red", [red, black], [red, black]))))
    assert found.notes[-1].startswith("in the palettes of the masks, 0, the background, is #ff0000, and 1 is black")
    swapped = palette_masks(tmp_path / "swapped", [black, red], [red, black])
    for kind in ("binary", "instances", "classes"):
        with pytest.raises(DataError, match=r"the colours #000000 and #ff0000 for the number 0"):
            reader.read(MaskData.model_validate({"path": str(swapped), "mask_kind": kind}))


def test_palettes_of_other_splits_are_compared_too(tmp_path: Path) -> None:
    for split, colour in (("train", (255, 0, 0)), ("test", (0, 0, 255))):
        (tmp_path / split).mkdir()
        palette_masks(tmp_path / split, [(0, 0, 0), colour])
    with pytest.raises(DataError, match=r"train/masks/0.png and .*test/masks/0.png: their palettes"):
        reader.read(MaskData(path=str(tmp_path), mask_kind="classes"), "test")


@pytest.mark.parametrize(("ending", "more"), [("webp", {"quality": 80}), ("tif", {"compression": "jpeg"})])
def test_other_lossy_masks_are_refused_too(tmp_path: Path, ending: str, more: dict) -> None:
    path = folder(tmp_path, blocks(2, 2), blocks(2))
    for i in range(2):
        png = path / "masks" / f"{i}.png"
        Image.open(png).convert("RGB").save(path / "masks" / f"{i}.{ending}", **more)
        png.unlink()
    with pytest.raises(DataError, match=r"and 1 more are masks saved as JPEG or another lossy format"):
        reader.read(MaskData(path=str(path), mask_kind="classes", objects=["a", "b"]))


def test_masks_in_lossless_webp_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path, blocks(2, 2))
    Image.open(path / "masks" / "0.png").save(path / "masks" / "0.webp", lossless=True, exif=b"Exif\0\0")
    (path / "masks" / "0.png").unlink()
    found = reader.read(MaskData(path=str(path), mask_kind="classes", objects=["a", "b"]))
    assert found.items[0].n_objects == 2


def disc(side: int, way: str) -> np.ndarray:
    """A filled disc that was scaled with smoothing, or saved as JPEG."""
    big = Image.new("L", (256, 256))
    ImageDraw.Draw(big).ellipse((40, 60, 40 + 4 * side, 60 + 4 * side), fill=255)
    small = big.resize((64, 64), Image.Resampling.NEAREST if way == "jpeg" else Image.Resampling.BILINEAR)
    raw = io.BytesIO()
    small.save(raw, "JPEG" if way == "jpeg" else "PNG", quality=90)
    return np.asarray(Image.open(raw))


@pytest.mark.parametrize("way", ["scaled", "jpeg"])
def test_smoothed_masks_are_no_objects(tmp_path: Path, way: str) -> None:
    path = folder(tmp_path, *(disc(side, way) for side in range(8, 40, 4)))
    with pytest.raises(DataError, match=r"hold 0 and 255, and \d+ other numbers in specks .*Save the masks without"):
        reader.read(MaskData(path=str(path)))
    for name in path.glob("masks/*"):
        Image.fromarray(np.where(np.asarray(Image.open(name)) > 127, 255, 0).astype(np.uint8)).save(name)
    assert [item.n_objects for item in reader.read(MaskData(path=str(path))).items] == [1] * 8


def test_objects_that_are_specks_are_objects() -> None:
    """Of many numbers of which none is dominant, or with solid regions beside it, none is an outline."""
    dots = np.zeros((40, 40), dtype=np.int64)
    dots[::4, ::4] = np.arange(1, 101).reshape(10, 10)
    assert decided(evidence([("L", dots)]), False, "masks")[0] == "instances"
    cells = blocks(*range(1, 40))
    cells[:, -8:] = 40
    assert decided(evidence([("L", cells)]), False, "masks")[0] == "instances"

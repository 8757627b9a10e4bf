"""What the numbers of masks mean: what is decided, what is asked, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers.masks import reader
from synthgen.readers.masks.kinds import decided, evidence
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
            (path / place).mkdir(exist_ok=True)
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

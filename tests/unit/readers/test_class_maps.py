"""Class maps without objects: what their numbers mean, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import tiny
from synthgen.errors import DataError
from synthgen.readers.masks import kinds, reader
from synthgen.readers.masks.types import MaskData

STREET = list(tiny.STREET)


def settings(**more: Any) -> MaskData:
    return MaskData.model_validate({"path": ".", "mask_kind": "semantic", "objects": ["a", "b", "c"], **more})


def written(folder: Path, *maps: np.ndarray, grey: bool = False) -> str:
    for i, numbers in enumerate(maps):
        for name, pixels in (("images", np.full((*numbers.shape, 3), 90, np.uint8)), ("masks", numbers)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            picture = Image.fromarray(pixels)
            (picture.convert("L") if grey and name == "images" else picture).save(folder / name / f"{i}.png")
    return str(folder)


def test_street_scenes_are_regions_that_cover_them() -> None:
    found = reader.read(MaskData.model_validate(tiny.street_data()))
    assert (found.objects, found.stuff) == (tiny.STREET, tiny.STREET)
    assert found.is_semantic and found.covered
    assert len(found) == 8
    for i, item in enumerate(found.items):
        numbers = tiny.street(i)
        assert item.layout is not None
        assert not item.layout.instances.any() and not item.is_empty
        assert np.array_equal(item.layout.segmentation, np.where(numbers == 5, 255, numbers + 1))
        assert (item.distances(5) == -1).all()


@pytest.mark.parametrize(
    ("more", "ids"),
    [
        ({}, [0, 1, 2, 3, 255]),
        ({"zero": "background", "unknown": [2]}, [0, 1, 255, 3, 255]),
        ({"zero": "unknown"}, [255, 1, 2, 3, 255]),
        ({"zero": "class", "unknown": [3]}, [1, 2, 3, 255, 255]),
        ({"zero": "class", "unknown": [0, 3]}, [255, 2, 3, 255, 255]),
    ],
)
def test_what_the_numbers_mean(more: dict[str, Any], ids: list[int]) -> None:
    numbers = np.array([[0, 1, 2, 3, 255]])
    found = kinds.as_ids(numbers, settings(**more))
    assert found.tolist() == [ids] and found.dtype == np.uint8
    assert kinds.layout_of(numbers, "semantic", settings(**more), "mask").segmentation.tolist() == [ids]


@pytest.mark.parametrize(
    ("numbers", "more", "message"),
    [
        ([0, 4, 7], {}, r"street\.png: has the class ids \[4, 7\].*0 \(background\), 1 to 3, or 255 \(unknown"),
        ([3], {"zero": "class"}, r"street\.png: has the class ids \[3\].*must be 0 to 2, or 255"),
        ([254], {"zero": "class"}, r"has the class ids \[254\].*must be 0 to 2"),
        ([4], {"zero": "unknown", "unknown": [11]}, r"0 \(unknown\), 1 to 3, or 11 or 255 \(unknown"),
        ([300], {}, r"has the class ids \[300\]"),
    ],
)
def test_other_numbers_are_named_with_what_is_accepted(numbers: list[int], more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        kinds.layout_of(np.array([numbers], dtype=np.int64), "semantic", settings(**more), "street.png")


def test_the_largest_number_of_classes_fits_beside_unknown() -> None:
    names = [f"c{i}" for i in range(254)]
    first = kinds.layout_of(np.array([[0, 253, 255]]), "semantic", settings(objects=names, zero="class"), "mask")
    assert first.segmentation.tolist() == [[1, 254, 255]]
    with pytest.raises(DataError, match=r"\[254\]"):
        kinds.layout_of(np.array([[254]], np.uint8), "semantic", settings(objects=names, zero="class"), "mask")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"stuff": ["a", "d"]}, "`stuff`: unknown class `d`; accepted: a, b, c"),
        ({"palette": ["#000000"]}, "`palette` has 1 colours for the 3 of `objects`"),
        ({"palette": ["black", "#ffffff", "#00ff00"]}, "palette"),
        ({"zero": "sky"}, "'background', 'class' or 'unknown'"),
        ({"mask_kind": "instances", "objects": ["a"], "stuff": ["a"]}, "`stuff` is of class ids.*or `semantic`"),
        ({"mask_kind": "binary", "objects": ["a"], "zero": "class"}, "`zero` is of class ids"),
        ({"mask_kind": None, "boxes": "b.json", "stuff": ["a"]}, "leave `stuff` out"),
        ({"colours": "c.csv", "unknown": [3]}, "a table of `colours` names background and unknown"),
    ],
)
def test_settings_that_do_not_go_together(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**more)


def test_regions_beside_objects() -> None:
    data = settings(mask_kind="classes", stuff=["a", "c"])
    assert (data.is_semantic, data.regions) == (False, ("a", "c"))
    layout = kinds.layout_of(np.array([[1, 1, 2, 0, 2, 3]]), "classes", data, "mask")
    assert layout.segmentation.tolist() == [[1, 1, 2, 0, 2, 3]]
    assert layout.instances.tolist() == [[0, 0, 1, 0, 2, 0]]
    every = settings(mask_kind="classes", stuff=["c", "b", "a"])
    assert (every.is_semantic, every.regions) == (True, ("a", "b", "c"))


def test_regions_that_are_named_need_no_kind(tmp_path: Path) -> None:
    """Nothing but 0 and 1 is one kind of object, unless the recipe says that it is a region."""
    road = np.zeros((16, 20), dtype=np.uint8)
    road[8:] = 1
    path = written(tmp_path, road, road)
    data = MaskData(path=path, objects=["road"], stuff=["road"])
    item = reader.read(data).items[0]
    assert item.layout is not None and item.n_objects == 0
    assert np.array_equal(item.layout.segmentation, road)
    assert reader.read(MaskData(path=path, objects=["road"])).items[0].n_objects == 1
    assert not reader.read(data).covered


def test_regions_saved_as_255_are_pointed_out(tmp_path: Path) -> None:
    road = np.zeros((16, 20), dtype=np.uint8)
    road[8:] = 255
    with pytest.raises(DataError, match="for a region without objects, save it as 1"):
        reader.read(MaskData(path=written(tmp_path, road), mask_kind="semantic", objects=["road"]))


def test_one_class_and_unknown_pixels_are_data(tmp_path: Path) -> None:
    road = np.zeros((16, 20), dtype=np.uint8)
    road[8:] = 255
    data = MaskData(path=written(tmp_path, road), mask_kind="semantic", zero="class", objects=["road"])
    found = reader.read(data)
    assert found.covered and set(np.unique(found.items[0].layout.segmentation)) == {1, 255}  # type: ignore[union-attr]


def test_an_image_of_which_nothing_is_known_is_read_and_data_of_such_images_are_not(tmp_path: Path) -> None:
    known, unknown = np.ones((16, 20), dtype=np.uint8), np.full((16, 20), 11, dtype=np.uint8)
    more = {"mask_kind": "semantic", "unknown": [11], "objects": ["road", "car"]}
    found = reader.read(MaskData(path=written(tmp_path / "some", known, unknown), **more))
    assert [item.is_empty for item in found.items] == [False, True]
    with pytest.raises(DataError, match="nothing to learn from"):
        reader.read(MaskData(path=written(tmp_path / "none", unknown, unknown), **more))


def test_grey_images_and_reduced_maps(tmp_path: Path) -> None:
    numbers = np.repeat(np.arange(4, dtype=np.uint8)[:, None], 4, 0).repeat(20, 1)
    path = written(tmp_path, numbers, grey=True)
    data = MaskData(path=path, mask_kind="semantic", zero="class", objects=["a", "b", "c", "d"], scale=0.5)
    item = reader.read(data).items[0]
    assert item.layout is not None and item.image.shape == (8, 10, 3)
    assert item.layout.segmentation[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]

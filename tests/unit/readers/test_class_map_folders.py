"""Class maps as people keep them: where those of a split are, which belongs to which image, what colours mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streets
from synthgen.errors import DataError
from synthgen.readers.masks import colour_table, reader
from synthgen.readers.masks.finding import find
from synthgen.readers.masks.semantic_scaffold import scene_of
from synthgen.readers.masks.types import MaskData, Split

CITYSCAPES = np.array([(70, 130, 180), (70, 70, 70), (128, 64, 128), (0, 0, 142), (153, 153, 153), (0, 0, 0)])


def ids_of(data: MaskData, split: Split = "train") -> list[np.ndarray]:
    return [item.layout.segmentation for item in reader.read(data, split).items if item.layout is not None]


def numbered(folder: Path, **more: object) -> MaskData:
    """The settings that are found, with numbers as in `streets`."""
    found = {"mask_kind": "semantic", "zero": "class", "unknown": [5], "objects": list(streets.CLASSES), **more}
    return MaskData.model_validate({"path": str(folder), **(find(folder) or {}), **found})


def test_folders_that_are_called_after_the_splits(tmp_path: Path) -> None:
    data = numbered(streets.camvid(tmp_path, 3))
    assert (data.images, data.masks) == ("train", "trainannot")
    Image.fromarray(np.full((48, 64), 5, dtype=np.uint8)).save(tmp_path / "testannot" / "s00.png")
    assert (ids_of(data)[0] != 255).any() and (ids_of(data, "val")[0] != 255).any()
    assert (ids_of(data, "test")[0] == 255).all(), "the maps of another split were read"
    assert (reader.read_test(data).items[0].layout.segmentation == 255).all()  # type: ignore[union-attr]
    for name in ("val", "valannot"):
        (tmp_path / name).rename(tmp_path / f"my_{name}")
    with pytest.raises(DataError, match=r"no images of the split `val`; put them into .*/val and .*/valannot"):
        reader.read(data, "val")


@pytest.mark.parametrize(
    ("images", "maps", "found"),
    [
        ("images/{split}/{{}}.jpg", "annotations/{split}/{{}}.png", {"images": "images", "masks": "annotations"}),
        ("{split}/images/{{}}.jpg", "{split}/masks/{{}}.png", {}),
        ("{split}/{{}}.png", "{split}_labels/{{}}_L.png", {"images": "training", "masks": "training_labels"}),
        ("{split}/{{}}.png", "{split}_labels/{{}}_label.png", {"images": "training", "masks": "training_labels"}),
    ],
)
def test_folders_of_training_and_validation(tmp_path: Path, images: str, maps: str, found: dict) -> None:
    for split, n in (("training", 4), ("validation", 2)):
        streets.save(tmp_path, images.format(split=split), maps.format(split=split), n)
    assert find(tmp_path) == found
    data = numbered(tmp_path)
    assert (len(reader.read(data)), len(reader.read(data, "val"))) == (4, 2)


@pytest.mark.parametrize(("kind", "first"), [("labelTrainIds", 0), ("labelIds", 7), ("color", None)])
def test_cityscapes_keeps_several_maps_of_an_image_by_city(tmp_path: Path, kind: str, first: int | None) -> None:
    for split, n in (("train", 4), ("val", 2)):
        image = f"leftImg8bit/{split}/ulm/{{}}_leftImg8bit.png"
        streets.save(tmp_path, image, f"gtFine/{split}/ulm/{{}}_gtFine_instanceIds.png", n, first=100)
        colours = CITYSCAPES if first is None else None
        streets.save(
            tmp_path, image, f"gtFine/{split}/ulm/{{}}_gtFine_{kind}.png", n, colours=colours, first=first or 0
        )
    assert find(tmp_path) == {"images": "leftImg8bit", "masks": "gtFine", "mask_ending": f"_gtFine_{kind}"}
    if first is None:
        classes = colour_table.objects(colour_table.place(tmp_path, "cityscapes"))
        data = MaskData.model_validate(
            {"path": str(tmp_path), **(find(tmp_path) or {}), "colours": "cityscapes", "objects": classes}
        )
        data = data.model_copy(update={"mask_kind": "semantic"})
        expected = np.array([classes.index(name) + 1 for name in ("sky", "building", "road", "car", "pole")] + [255])
    else:
        data = numbered(tmp_path, objects=[f"c{i}" for i in range(first, first + 5)] if first == 0 else ["x"] * 12)
        data = data.model_copy(update={"unknown": [first + 5]})
        expected = np.array([*range(first + 1, first + 6), 255])
    assert (len(reader.read(data)), len(reader.read(data, "val"))) == (4, 2)
    assert (ids_of(data)[1] == expected[streets.scene(1)]).all()
    digest = reader.sha256(data)
    Image.new("L", (64, 48)).save(tmp_path / "gtFine" / "train" / "ulm" / "s00_gtFine_instanceIds.png")
    assert reader.sha256(data) == digest, "maps of another kind are no part of the data"


def test_lists_of_voc_choose_the_images_of_a_split(tmp_path: Path) -> None:
    streets.save(tmp_path, "JPEGImages/{}.jpg", "SegmentationClass/{}.png", 12, colours=CITYSCAPES, palette=True)
    for i in range(5, 12):
        (tmp_path / "SegmentationClass" / f"s{i:02d}.png").unlink()
    assert find(tmp_path) == {"images": "JPEGImages", "masks": "SegmentationClass"}, "though most images have no map"
    lists = tmp_path / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("s00\ns01\ns02\n")
    (lists / "val.txt").write_text("s03\ns04\n")
    data = numbered(tmp_path)
    assert [item.name for item in reader.read(data).items] == ["s00", "s01", "s02"]
    assert [item.name for item in reader.read(data, "val").items] == ["s03", "s04"]
    with pytest.raises(DataError, match="no images of the split `test`"):
        reader.read(data, "test")


@pytest.mark.parametrize("name", ["cityscapes", "voc", "camvid-11", "camvid-32"])
def test_tables_of_colours_fit_themselves_only(name: str) -> None:
    path = colour_table.place("nowhere", name)
    assert colour_table.fitting(colour_table.names(path)) == [name]
    classes = colour_table.objects(path)
    assert len(classes) == {"cityscapes": 19, "voc": 20, "camvid-11": 11, "camvid-32": 31}[name]
    assert len(colour_table.palette(path)) == len(set(colour_table.palette(path))) == len(classes)


def test_a_table_of_ones_own_goes_before_a_known_one(tmp_path: Path) -> None:
    assert colour_table.place(tmp_path, "voc") == colour_table.TABLES / "voc.csv"
    (tmp_path / "voc").write_text("r,g,b,name\n1,2,3,thing\n")
    assert colour_table.objects(colour_table.place(tmp_path, "voc")) == ["thing"]
    assert len(colour_table.fitting({(128, 0, 0), (0, 0, 0)})) > 1


@pytest.mark.parametrize(
    ("size", "scene"),
    [
        ((192, 144), (96, 72, 0.5)),
        ((2048, 1024), (128, 64, 0.0625)),
        ((1280, 720), (128, 72, 0.1)),
        ((512, 512), (96, 96, 0.1875)),
        ((64, 48), (64, 48, 1.0)),
        ((70, 50), (64, 48, 1.0)),
    ],
)
def test_scenes_hold_whole_images(size: tuple[int, int], scene: tuple[int, int, float]) -> None:
    assert scene_of(*size) == scene


@pytest.mark.parametrize("size", [(500, 375), (1242, 375), (375, 500), (1914, 1052), (97, 96), (3000, 40), (17, 4000)])
def test_scenes_of_any_size_fit_the_network(size: tuple[int, int]) -> None:
    width, height, scale = scene_of(*size)
    assert width % 8 == height % 8 == 0 and min(width, height) >= 16 and width * height <= 9216
    assert 0 < scale <= 1 and round(size[0] * scale) >= width and round(size[1] * scale) >= height
    if max(size) < 4 * min(size):
        assert width * height >= 0.9 * round(size[0] * scale) * round(size[1] * scale), "much is cut off"

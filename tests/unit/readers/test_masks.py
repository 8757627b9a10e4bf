"""Images with masks or boxes: what is read, and what is said about what cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
from synthgen.errors import DataError
from synthgen.measures.images import maps
from synthgen.readers.masks import reader, unlabelled
from synthgen.readers.masks.types import MaskData

TURNED = (
    "1 image turned upright as the EXIF data say, and no mask or box shows by its size whether it is of the upright "
    "image, as which it is read; see if that is so: a.jpg"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.masks(), tmp_path / "data"))


def data(folder: Path, **more: object) -> MaskData:
    return MaskData.model_validate(tiny.mask_data(path=str(folder), **more))


def test_reads_splits_and_classes(folder: Path) -> None:
    train, test = reader.read(data(folder)), reader.read(data(folder), "test")
    assert (len(train), len(test)) == (12, 4)
    assert train.classes == ("grey", "colour")
    assert train.objects == ("cell",)
    for item in train.items:
        assert item.image.shape == (48, 48, 3)
        assert item.image.flags.writeable
        assert item.layout is not None
        assert item.layout.instances.max() == item.n_objects > 0
        assert set(np.unique(item.layout.segmentation)) <= {0, 1}


def test_split_folders_without_a_table(tmp_path: Path) -> None:
    for split, n in (("train", 5), ("test", 2)):
        for kind in ("images", "masks"):
            place = tmp_path / split / kind
            place.mkdir(parents=True)
            for i in range(n):
                shutil.copy(Path(tiny.masks()) / kind / f"p{i:02d}.png", place)
    plain = MaskData(path=str(tmp_path))
    assert len(reader.read(plain)) == 5
    assert len(reader.read(plain, "test")) == 2
    assert reader.read(plain).classes == ("picture",)


def test_boxes_of_a_coco_file(folder: Path) -> None:
    found = reader.read(MaskData(path=str(folder), boxes="boxes.json", objects=["cell"], scale=0.5))
    assert len(found) == 12
    item = found.items[0]
    assert item.image.shape == (24, 24, 3)
    assert item.boxes is not None
    assert item.channels is not None
    left, top, right, bottom = item.boxes[0]
    assert 0 <= left < right <= 24
    assert item.channels[int((top + bottom) / 2), int((left + right) / 2), 0] > 0.4
    with pytest.raises(DataError, match="has the categories"):
        reader.read(MaskData(path=str(folder), boxes="boxes.json", objects=["nucleus"]))


def test_a_fraction_is_the_same_pictures_every_time(folder: Path) -> None:
    names = [item.name for item in reader.read(data(folder, fraction=0.5)).items]
    assert len(names) == 6
    assert names == [item.name for item in reader.read(data(folder, fraction=0.5)).items]


def test_palette_rgba_and_16_bit_pictures_are_read(folder: Path) -> None:
    path = folder / "images" / "p00.png"
    plain = reader.read(data(folder)).items[0].image
    original = Image.open(path).convert("RGB")
    original.convert("RGBA").save(path)
    assert np.array_equal(reader.read(data(folder)).items[0].image, plain)
    original.quantize(256).save(path)
    assert np.abs(reader.read(data(folder)).items[0].image.astype(int) - plain).mean() < 8
    deep = (np.asarray(original.convert("L")).astype(np.uint16)) * 257
    Image.fromarray(deep).save(path)
    found = reader.read(data(folder)).items[0].image
    assert np.abs(found[..., 0].astype(int) - np.asarray(original.convert("L"))).max() <= 1


def test_palette_masks_are_their_indices(folder: Path) -> None:
    path = folder / "masks" / "p00.png"
    numbers = np.asarray(Image.open(path)).astype(np.uint8)
    picture = Image.fromarray(numbers, "P")
    picture.putpalette([(i * 40) % 256 for i in range(768)])
    picture.save(path)
    layout = reader.read(data(folder)).items[0].layout
    assert layout is not None
    assert np.array_equal(layout.instances, numbers)


def test_gaps_in_the_numbers_are_closed(folder: Path) -> None:
    path = folder / "masks" / "p00.png"
    numbers = np.asarray(Image.open(path)).astype(np.uint16)
    Image.fromarray(np.where(numbers > 0, numbers * 9000, 0).astype(np.uint16)).save(path)
    layout = reader.read(data(folder)).items[0].layout
    assert layout is not None
    assert np.array_equal(layout.instances, numbers)


def test_class_ids_are_checked(folder: Path) -> None:
    for path in (folder / "masks").iterdir():
        numbers = np.asarray(Image.open(path))
        Image.fromarray(np.where(numbers > 0, 1, 0).astype(np.uint8)).save(path)
    found = reader.read(data(folder, mask_kind="classes"))
    assert all(item.layout is not None and item.layout.segmentation.max() == 1 for item in found.items)
    Image.fromarray(np.full((48, 48), 7, dtype=np.uint8)).save(folder / "masks" / "p01.png")
    with pytest.raises(DataError, match=r"p01.png: has the class ids \[7\]"):
        reader.read(data(folder, mask_kind="classes"))


def test_every_problem_is_named_at_once(folder: Path) -> None:
    (folder / "masks" / "p00.png").unlink()
    Image.new("L", (5, 5)).save(folder / "masks" / "p01.png")
    Image.new("RGBA", (48, 48)).save(folder / "masks" / "p02.png")
    (folder / "images" / "p04.png").write_bytes(b"nonsense")
    with pytest.raises(DataError) as problem:
        reader.read(data(folder))
    lines = str(problem.value).splitlines()
    assert len(lines) == 5 and "skip_broken: true" in lines[4]
    assert "p00.png: has no mask of the same name" in lines[0]
    assert "p01.png: is 5 x 5, its image is 48 x 48" in lines[1]
    assert "p02.png: is a mask with the mode RGBA" in lines[2]
    assert "p04.png: is no readable image" in lines[3]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"path": "nowhere"}, "no such folder"),
        ({"masks": "labels"}, "no such folder"),
        ({"label": "colour"}, "unknown column `colour`"),
        ({"table": "missing.csv"}, "missing.csv: cannot be read"),
        ({"boxes": "table.csv"}, "cannot be read as a COCO file"),
    ],
)
def test_wrong_settings_are_told(folder: Path, more: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        reader.read(data(folder).model_copy(update=more))


def test_a_coco_file_of_missing_pictures(folder: Path) -> None:
    content = json.loads((folder / "boxes.json").read_text())
    content["images"][0]["file_name"] = "gone.png"
    (folder / "boxes.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"gone.png: is missing"):
        reader.read(MaskData(path=str(folder), boxes="boxes.json", objects=["cell"]))


def test_the_hash_covers_masks_and_table_but_not_pictures(folder: Path) -> None:
    before = reader.sha256(data(folder))
    (folder / "images" / "p00.png").unlink()
    assert reader.sha256(data(folder)) == before
    (folder / "masks" / "p00.png").unlink()
    assert reader.sha256(data(folder)) != before


def test_some_images_may_have_no_mask(folder: Path) -> None:
    for name in ("p00", "p01"):
        (folder / "masks" / f"{name}.png").unlink()
    with pytest.raises(DataError, match=r"if it is to have none, write `unlabelled: .*images`"):
        reader.read(data(folder))
    partly = data(folder, unlabelled=str(folder / "images"))
    found = reader.read(partly)
    assert len(found) == 10
    more = unlabelled.read(partly, found)
    assert [Path(item.name).name for item in more.items] == ["p00.png", "p01.png"] and not more.notes
    assert all(item.layout is None and item.image.shape == (48, 48, 3) for item in more.items)
    tested = [row.split(",")[0] for row in (folder / "table.csv").read_text().splitlines() if ",test" in row]
    (folder / "masks" / f"{tested[0]}.png").unlink()
    assert len(unlabelled.read(partly, found)) == 2, "images of the test split stay unseen"


def test_images_without_masks_come_from_another_folder(folder: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    shutil.copytree(folder / "images", more / "train")
    (more / "test").mkdir()
    Image.new("RGB", (30, 20), (9, 9, 9)).save(more / "test" / "unseen.png")
    elsewhere = data(folder, unlabelled=str(more), scale=0.5)
    with pytest.raises(DataError, match="all of its images have masks"):
        unlabelled.read(elsewhere, reader.read(elsewhere))
    Image.new("RGB", (30, 20), (9, 9, 9)).save(more / "train" / "new.png")
    found = unlabelled.read(elsewhere, reader.read(elsewhere))
    assert [item.image.shape for item in found.items if item.name.endswith("new.png")] == [(10, 15, 3)]
    assert len(found) == 1 and "16 images of" in found.notes[1] and "train" in found.notes[0]
    with pytest.raises(DataError, match="nowhere: no such folder; a folder of images is accepted"):
        unlabelled.read(data(folder, unlabelled="nowhere"), reader.read(data(folder)))


def test_deep_images_of_all_splits_are_read_by_one_range(tmp_path: Path) -> None:
    """A split that is darker than the others stays darker, and so do test images from elsewhere."""
    random = np.random.default_rng(0)
    for split, most in (("train", 4000), ("val", 200), ("test", 200)):
        for name in ("images", "masks"):
            (tmp_path / split / name).mkdir(parents=True)
        for i in range(3):
            values = random.integers(0, most, (8, 8)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / split / "images" / f"{i}.png")
            Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / split / "masks" / f"{i}.png")
    settings = MaskData(path=str(tmp_path), mask_kind="instances", validation="val")
    splits: list[Any] = ["train", "val", "test"]
    brightest = [max(item.image.max() for item in reader.read(settings, split).items) for split in splits]
    assert brightest[0] > 200 and max(brightest[1:]) < 15
    elsewhere = (tmp_path / "test").rename(tmp_path.parent / "elsewhere")
    found = maps.read_test(settings, str(elsewhere))
    assert max(item.image.max() for item in found.items) < 15


@pytest.mark.parametrize(
    ("orientation", "size", "said"),
    [(6, (16, 16), True), (3, (20, 16), True), (6, (20, 16), False), (1, (16, 16), False)],
)
def test_turned_images_whose_masks_may_not_be_turned_are_named(
    tmp_path: Path, orientation: int, size: tuple[int, int], said: bool
) -> None:
    width, height = size
    exif = Image.Exif()
    exif[274] = orientation
    upright = size if orientation < 5 else size[::-1]
    mask = np.zeros(upright[::-1], np.uint8)
    mask[:5, :3] = 255
    for place in ("images", "masks", "labels"):
        (tmp_path / place).mkdir()
    Image.fromarray(np.full((height, width, 3), 9, np.uint8)).save(tmp_path / "images" / "a.jpg", exif=exif)
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    read = reader.read(MaskData(path=str(tmp_path), mask_kind="binary"))
    assert read.notes == (TURNED,) * said
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .2 .2\n")
    assert reader.read(MaskData(path=str(tmp_path), boxes="labels")).notes == (TURNED,) * (orientation > 1)


def test_a_mask_that_is_turned_as_its_image_is_fits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    for place, mode in (("images", "RGB"), ("masks", "L")):
        (tmp_path / place).mkdir()
        Image.fromarray(np.eye(16, dtype=np.uint8) * 255).convert(mode).save(tmp_path / place / "a.png", exif=exif)
    assert reader.read(MaskData(path=str(tmp_path), mask_kind="binary")).notes == ()


def test_images_in_other_formats_are_counted(folder: Path) -> None:
    (folder / "images" / "x.heic").write_bytes(b"")
    assert "because of their format: 1 .heic; " in reader.read(data(folder)).notes[-1]

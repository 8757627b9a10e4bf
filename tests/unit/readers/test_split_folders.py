"""Which images are of which split: folders and columns in any words and capitals, or an error, never a guess."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.boxes import scaffold as boxes
from synthgen.readers.images import labelled, scaffold, unlabelled
from synthgen.readers.images.labelled import DataConfig
from synthgen.readers.masks import finding, reader
from synthgen.readers.masks.types import MaskData

VALUES = {"train": 10, "val": 20, "test": 30}
"""The grey value of the images of a split."""


def image(path: Path, value: int, side: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side), value, np.uint8)).save(path)
    return path


def by_class(root: Path, **folders: int) -> Path:
    """Images of two classes in each of the folders, all of one value."""
    for folder, value in folders.items():
        for name in ("cat", "dog"):
            for i in range(8):
                image(root / folder / name / f"{i}.png", value)
    return root


def values(path: Path, split: labelled.Split) -> tuple[tuple[str, ...], set[int]]:
    found = labelled.read(str(path), split)
    return found.classes, set(found.images.ravel().tolist())


@pytest.mark.parametrize("train", ["Train", "Training", "training", "TRAIN", "train"])
@pytest.mark.parametrize(("val", "test"), [("Val", "Test"), ("validation", "testing"), ("VALID", "TEST")])
def test_folders_of_splits_have_any_of_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    by_class(tmp_path, **{train: 10, val: 20, test: 30})
    for split in ("train", "val", "test"):
        assert values(tmp_path, split) == (("cat", "dog"), {VALUES[split]})  # type: ignore[arg-type]
    found = scaffold.look(tmp_path)
    assert (found.counts, found.has_validation) == ({"cat": 8, "dog": 8}, True)
    data = DataConfig(path=str(by_class(tmp_path / "few", Train=1)), unlabelled=str(tmp_path))
    assert set(unlabelled.read(data, labelled.read_training(data)).images.ravel().tolist()) == {10}


@pytest.mark.parametrize("folders", [("Test", "val"), ("cat", "Test"), ("testing", "a", "b")])
def test_other_splits_without_one_for_training_are_no_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    by_class(tmp_path, **dict.fromkeys(folders, 1))
    for read in (labelled.read, scaffold.look):
        with pytest.raises(DataError, match=r"called after a split, and none after `train`.*Call that folder .*train;"):
            read(str(tmp_path))


@pytest.mark.parametrize("folders", [("data/train", "data/test"), ("data/Training",), ("data",)])
def test_a_folder_around_the_classes_is_no_class(tmp_path: Path, folders: tuple[str, ...]) -> None:
    by_class(tmp_path, **dict.fromkeys(folders, 1))
    for read in (labelled.read, scaffold.look):
        with pytest.raises(DataError, match=rf"data: is no class: it has no images, but.*Name {tmp_path}/data as"):
            read(str(tmp_path))
    assert values(tmp_path / "data", "train")[0] == ("cat", "dog")


def test_splits_below_classes_are_refused_and_subfolders_alike_are_pointed_out(tmp_path: Path) -> None:
    for name in ("front", "side"):
        by_class(tmp_path / "views", **{name: 1})
    assert labelled.read(str(tmp_path / "views")).notes == scaffold.look(tmp_path / "views").note.splitlines()
    assert "each of which has the folders cat, dog" in scaffold.look(tmp_path / "views").note
    for name in ("cat", "dog"):
        for split in ("train", "Test"):
            image(tmp_path / "below" / name / split / "1.png", 1)
    with pytest.raises(DataError, match=r"folders of splits belong above those of classes: .*below/train/cat/1\.png"):
        labelled.read(str(tmp_path / "below"))


def test_a_class_may_be_called_like_a_split_inside_the_split(tmp_path: Path) -> None:
    for name in ("train", "bus"):
        image(tmp_path / "train" / name / "1.png", 1)
    assert labelled.read(str(tmp_path)).classes == ("bus", "train")


def test_two_folders_of_one_split(tmp_path: Path) -> None:
    by_class(tmp_path, train=1, Training=2)
    with pytest.raises(DataError, match=r"Training and .*train: both are called after the split `train`; keep one"):
        labelled.read(str(tmp_path))


def table(path: Path, splits: list[object], labels: list[str]) -> Path:
    """A Parquet file of images whose value is their row."""
    raws = []
    for value in range(len(splits)):
        raw = io.BytesIO()
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(raw, "PNG")
        raws.append(raw.getvalue())
    pq.write_table(pa.table({"image": raws, "label": labels, "split": splits}), path)
    return path


def test_a_column_of_a_parquet_file_says_the_split(tmp_path: Path) -> None:
    splits: list[object] = ["train", "Train", "training", "training", "test", "validation", "validation"]
    path = table(tmp_path / "a.parquet", splits, ["b", "a", "b", "a", "c", "a", "b"])
    for split, rows, classes in (("train", [0, 1, 2, 3], "ab"), ("test", [4], "c"), ("val", [5, 6], "ab")):
        found = labelled.read(str(path), split)  # type: ignore[arg-type]
        assert found.images[:, 0, 0, 0].tolist() == rows
        assert found.classes == tuple(classes)
    data = DataConfig(path=str(path), validation="val")
    assert [len(part) for part in labelled.divided(data, labelled.read_training(data), 0)] == [6, 4, 2]
    few = DataConfig(path=str(by_class(tmp_path / "few", train=99)), unlabelled=str(path))
    assert unlabelled.read(few, labelled.read_training(few)).images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_a_column_with_other_words_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", ["train", "holdout", None], ["a", "b", "b"])
    with pytest.raises(DataError) as error:
        labelled.read(str(path))
    assert "a.parquet: row 2: split: `holdout` is no split; train, training, val, validation" in str(error.value)
    assert "a.parquet: row 3: split: `None` is no split" in str(error.value)
    path = table(tmp_path / "b.parquet", ["val", "test"], ["a", "b"])
    with pytest.raises(DataError, match=r"no row is of the split `train`; its column `split` has val, test"):
        labelled.read(str(path))


def scenes(images: Path, masks: Path, value: int) -> None:
    """Eight images of a value, with masks of two squares."""
    mask = np.zeros((16, 16), np.uint8)
    mask[2:6, 2:6] = mask[9:13, 9:13] = 255
    masks.mkdir(parents=True, exist_ok=True)
    for i in range(8):
        image(images / f"{i}.png", value, 16)
        Image.fromarray(mask).save(masks / f"{i}.png")


@pytest.mark.parametrize("form", ["{split}/{kind}", "{kind}/{split}"])
def test_masks_have_splits_in_any_capitals(tmp_path: Path, form: str) -> None:
    for split, value in (("Train", 10), ("VALID", 20), ("Test", 30)):
        scenes(*(tmp_path / form.format(split=split, kind=kind) for kind in ("images", "masks")), value)
    assert finding.find(tmp_path) == {}
    for split, value in VALUES.items():
        found = reader.read(MaskData(path=str(tmp_path)), split)  # type: ignore[arg-type]
        assert {int(item.image.max()) for item in found.items} == {value}


def test_masks_and_boxes_of_other_splits_are_not_trained_on(tmp_path: Path) -> None:
    scenes(tmp_path / "images", tmp_path / "masks", 10)
    scenes(tmp_path / "images" / "Test", tmp_path / "masks" / "Test", 30)
    with pytest.raises(DataError, match=r"images/Test: is called after a split, .*training images into .*images/train"):
        reader.read(MaskData(path=str(tmp_path)))
    assert len(reader.read(MaskData(path=str(tmp_path)), "test")) == 8


def test_boxes_in_a_folder_of_training_images(tmp_path: Path) -> None:
    for split in ("Train", "Test"):
        for i in range(8):
            image(tmp_path / split / "images" / f"{i}.png", 1, 40)
            label = tmp_path / split / "labels" / f"{i}.txt"
            label.parent.mkdir(exist_ok=True)
            label.write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [cell]\n")
    form = boxes.find(tmp_path)
    assert form is not None
    assert boxes.look(tmp_path, form, {}).n_boxes == {"cell": 8}


def test_columns_of_other_readers_have_the_same_words(tmp_path: Path) -> None:
    scenes(tmp_path / "images", tmp_path / "masks", 10)
    words = ["Train", "training", "train", "Validation", "val", "test", "TEST", "testing"]
    (tmp_path / "t.csv").write_text("id,split\n" + "".join(f"{i},{word}\n" for i, word in enumerate(words)))
    data = MaskData(path=str(tmp_path), table="t.csv")
    assert [len(reader.read(data, split)) for split in ("train", "val", "test")] == [3, 2, 3]
    assert reader.has_validation(data)
    content: dict = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "object"}]}
    for i, word in enumerate(words):
        content["images"].append({"id": i, "file_name": f"{i}.png", "split": word})
        content["annotations"].append({"id": i, "image_id": i, "category_id": 1, "bbox": [2, 2, 4, 4]})
    (tmp_path / "b.json").write_text(json.dumps(content))
    data = MaskData(path=str(tmp_path), boxes="b.json")
    assert [len(reader.read(data, split)) for split in ("train", "val", "test")] == [3, 2, 3]
    (tmp_path / "b.json").write_text(json.dumps(content).replace('"TEST"', '"holdout"'))
    with pytest.raises(DataError, match=r"images\[6\]: split: `holdout` is no split"):
        reader.read(data)
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("TEST", "holdout"))
    with pytest.raises(DataError, match=r"t.csv: 6: split: `holdout` is no split"):
        reader.read(MaskData(path=str(tmp_path), table="t.csv"))
    assert listing.split_of(" VALID ") == "val"

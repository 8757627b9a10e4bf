"""`validation: val`: the data's own validation split is what is held out, in every reader, and is said to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

import helpers
import streets
import tiny
from synthgen.errors import DataError
from synthgen.readers.images import labelled
from synthgen.readers.images.labelled import DIGITS, DataConfig
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData

SAID = "validation losses are of the {} images of the split `val`"


def street_data(folder: Path, **more: object) -> MaskData:
    meaning = {"mask_kind": "semantic", "zero": "class", "unknown": [5], "objects": list(streets.CLASSES)}
    settings = {"path": str(folder), "images": "train", "masks": "trainannot", "validation": "val", **meaning, **more}
    return MaskData.model_validate(settings)


def by_class(folder: Path, **splits: dict[str, int]) -> Path:
    """Images of one grey value a class, in a folder for each split."""
    for split, classes in splits.items():
        for name, n in classes.items():
            for i in range(n):
                path = folder / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((8, 8), ord(name), dtype=np.uint8)).save(path)
    return folder


def test_folders_of_maps(tmp_path: Path) -> None:
    streets.camvid(tmp_path, 4)
    (tmp_path / "val" / "s03.png").unlink()
    (tmp_path / "valannot" / "s03.png").unlink()
    every, training, held_out = reader.divided(street_data(tmp_path), 0)
    assert (len(every), len(training), len(held_out)) == (7, 4, 3)
    assert SAID.format(3) in every.notes and SAID.format(3) in training.notes
    share = reader.divided(street_data(tmp_path, validation=0.25), 0)
    assert [len(part) for part in share] == [4, 3, 1] and not any("validation" in note for note in share[0].notes)


def test_a_column_and_a_coco_file_say_it_too(tmp_path: Path) -> None:
    data = tiny.mask_data(validation="val", path=str(copied(tmp_path)))
    assert [len(part) for part in reader.divided(MaskData.model_validate(data), 0)] == [12, 10, 2]
    boxes = tiny.box_data(validation="val", path=data["path"])
    assert [len(part) for part in reader.divided(MaskData.model_validate(boxes), 0)] == [12, 10, 2]


def copied(folder: Path) -> Path:
    """The tiny folder of masks, of whose training images two are of the split `val`."""
    import shutil

    root = Path(shutil.copytree(tiny.masks(), folder / "masks"))
    table = (root / "table.csv").read_text()
    coco = json.loads((root / "boxes.json").read_text())
    for name in ("p00", "p03"):
        table = table.replace(f"{name},train", f"{name},val")
    for image in coco["images"]:
        image["split"] = "val" if image["file_name"] in ("p00.png", "p03.png") else image["split"]
    (root / "table.csv").write_text(table)
    (root / "boxes.json").write_text(json.dumps(coco))
    return root


def test_folders_by_class(tmp_path: Path) -> None:
    """Classes have the numbers of the training split, also where the validation split lacks one."""
    by_class(tmp_path, train={"a": 3, "b": 4, "c": 2}, valid={"b": 2, "c": 1})
    config = DataConfig(path=str(tmp_path), validation="val")
    every, training, held_out = labelled.divided(config, labelled.read_training(config), 0)
    assert (len(every), len(training), len(held_out)) == (12, 9, 3)
    assert held_out.labels.tolist() == [1, 1, 2] and held_out.classes == ("a", "b", "c")
    assert [chr(image[0, 0, 0]) for image in held_out.images] == ["b", "b", "c"]
    assert SAID.format(3) in training.notes
    by_class(tmp_path, valid={"d": 1})
    with pytest.raises(DataError, match="the split `val`: unknown class `d`"):
        labelled.divided(config, labelled.read_training(config), 0)


@pytest.mark.parametrize("path", [DIGITS, "train"])
def test_images_without_the_split(tmp_path: Path, path: str) -> None:
    by_class(tmp_path, train={"a": 3})
    config = DataConfig(path=path if path == DIGITS else str(tmp_path), validation="val")
    with pytest.raises(DataError, match=r"(?s)val, validation, valid are accepted.*a share of the training images"):
        labelled.divided(config, labelled.read_training(config), 0)


def test_maps_without_the_split() -> None:
    data = MaskData.model_validate(tiny.street_data(validation="val"))
    assert not reader.has_validation(data)
    with pytest.raises(DataError, match=r"(?s)no images of the split `val`.*`validation: val` asks for that split"):
        reader.divided(data, 0)


def test_yolo_in_one_folder_has_no_other_split(tmp_path: Path) -> None:
    """Images that nothing divides are for training: they must not be what is tested on."""
    yolo(tmp_path)
    data = MaskData(path=str(tmp_path), boxes="labels", objects=["cell"])
    assert len(reader.read(data)) == 3 and len(reader.read_test(data)) == 3 and not reader.has_validation(data)
    for split in ("val", "test"):
        with pytest.raises(DataError, match=f"no images of the split `{split}`"):
            reader.read(data, split)  # type: ignore[arg-type]


def yolo(folder: Path) -> None:
    for i in range(3):
        for name in ("images", "labels"):
            (folder / name).mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.full((32, 32, 3), 40 * i, dtype=np.uint8)).save(folder / "images" / f"{i}.png")
        (folder / "labels" / f"{i}.txt").write_text("0 0.5 0.5 0.25 0.25\n")


def test_other_images_of_the_split_are_other_data(tmp_path: Path) -> None:
    """A model that a recipe trains for itself is trained again when what it is measured on has changed."""
    streets.camvid(tmp_path, 4)
    data, share = street_data(tmp_path), street_data(tmp_path, validation=0.25)
    before = reader.sha256(data), reader.sha256(share)
    Image.fromarray(np.ones((48, 64), dtype=np.uint8)).save(tmp_path / "valannot" / "s00.png")
    assert reader.sha256(data) != before[0] and reader.sha256(share) == before[1]


@pytest.mark.parametrize("wrong", ["test", "validation", 0, 1, 1.5, -0.1])
def test_what_is_neither_a_share_nor_a_split(wrong: Any) -> None:
    for config in (MaskData, DataConfig):
        with pytest.raises(ValidationError):
            config(path="x", validation=wrong)


def test_a_training_says_what_it_is_measured_on(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    by_class(tmp_path / "real", train={"a": 8, "b": 9}, val={"a": 2, "b": 2})
    answer = cli("init", "real", "--name", "small")
    assert answer.code == 0, answer.err
    recipe = yaml.safe_load(Path("small-model.yaml").read_text())
    assert recipe["trainer"]["data"]["validation"] == "val"
    recipe["trainer"] |= {"use": "classifier", "steps": 2, "checkpoint_every": 2, "widths": [8]}
    kept = {name: recipe["trainer"][name] for name in ("use", "data", "steps", "checkpoint_every", "widths")}
    answer = cli("train", helpers.write(tmp_path, recipe | {"trainer": kept}, "m.yaml"), "--device", "cpu")
    assert answer.code == 0, answer.err
    assert f"note: {SAID.format(4)}\n" in answer.err
    assert "## Scores on the images of the validation split" in Path("models/small/README.md").read_text()


@pytest.mark.parametrize("has_split", [True, False])
def test_init_writes_it_where_there_is_such_a_split(cli: Any, tmp_path: Path, has_split: bool) -> None:
    streets.camvid(tmp_path / "drives", 10)
    if not has_split:
        (tmp_path / "drives" / "val").rename(tmp_path / "away")
    flags = ("--masks", "semantic", "--zero", "class", "--unknown", 5, "--classes", ",".join(streets.CLASSES))
    answer = cli("init", tmp_path / "drives", *flags, "-o", tmp_path / "out")
    assert answer.code == 0, answer.err
    for name in ("model", "filter"):
        data = yaml.safe_load((tmp_path / "out" / f"drives-{name}.yaml").read_text())["trainer"]["data"]
        assert data["validation"] == ("val" if has_split else 0.1)

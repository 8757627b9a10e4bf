"""Exports of class maps: every format reads back to the classes and objects that the dataset holds, pixel by pixel."""

from __future__ import annotations

import csv
import io
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

import helpers
import synthgen
from synthgen.exporters.class_maps import background_name
from synthgen.exporters.options import NoOptions
from synthgen.exporters.scene import CLASS_MAP_FORMATS, Scenes
from synthgen.exporters.voc import Voc
from synthgen.vision.palette import palette
from toy_plugins import Streets

CLASSES, COLOURS = Streets.classes, [tuple(bytes.fromhex(colour[1:])) for colour in Streets.colours]
SHAPE = (32, 48)
VARIANTS: dict[str, dict[str, Any]] = {
    "panoptic": {},
    "semantic": {"semantic": True},
    "covered": {"semantic": True, "background": False, "coloured": False},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The streets of a variant, generated once. Look, do not touch."""

    def make(name: str) -> Path:
        recipe = helpers.streets(**VARIANTS[name])
        folder = helpers.once(
            tmp_path_factory,
            f"streets-{name}",
            lambda folder: helpers.run(helpers.write(folder, recipe), folder / "out"),
        )
        return folder / "out"

    return make


@pytest.fixture(params=VARIANTS)
def streets(request: pytest.FixtureRequest, made: Callable[[str], Path]) -> Path:
    return made(request.param)


def samples(dataset: Path) -> list[dict[str, Any]]:
    loaded = synthgen.load(dataset)
    found = [loaded[i] for i in range(len(loaded))]
    assert len(found) == 12
    assert {255} < {int(value) for sample in found for value in np.unique(sample["segmentation"])}
    return found


def pixels(path: Path | io.BytesIO) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def settings(dataset: Path) -> dict[str, Any]:
    return VARIANTS[dataset.parent.name.removeprefix("streets-")]


def expected(dataset: Path) -> tuple[list[str], list[tuple[int, ...]], Callable[[np.ndarray], np.ndarray]]:
    """Names and colours in the order of ids from 0, and how stored ids become those."""
    changes = settings(dataset)
    colours = COLOURS if changes.get("coloured", True) else palette()[1:5]
    if changes.get("background", True):
        return ["background", *CLASSES], [(0, 0, 0), *colours], lambda stored: stored
    return list(CLASSES), colours, lambda stored: np.where(stored == 255, 255, stored.astype(int) - 1)


def exported(cli: Any, dataset: Path, name: str, out: Path, *words: str) -> str:
    answer = cli("export", dataset, "--to", name, "-o", out, *words)
    assert answer.code == 0, answer.err
    return answer.out


def note_on_background(dataset: Path) -> str:
    with_background = settings(dataset).get("background", True)
    return "background is class 0, `background`" if with_background else "no pixel is background, so `sky` is class 0"


def test_cityscapes(cli, streets: Path, tmp_path: Path) -> None:
    from torchvision.datasets import Cityscapes

    assert note_on_background(streets) in exported(cli, streets, "cityscapes", tmp_path / "out")
    names, colours, ids = expected(streets)
    with open(tmp_path / "out" / "classes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["id"]), row["class"]) for row in rows] == list(enumerate(names))
    things = set() if settings(streets).get("semantic") else {"car", "person"}
    assert {row["class"] for row in rows if row["kind"] == "thing"} == things
    assert [tuple(bytes.fromhex(row["colour"][1:])) for row in rows] == colours
    for sample in samples(streets):
        stem = f"{sample['split']}/synthgen/{sample['key']}"
        image = pixels(tmp_path / "out" / "leftImg8bit" / f"{stem}_leftImg8bit.png")
        assert np.array_equal(image, sample["image"])
        found = pixels(tmp_path / "out" / "gtFine" / f"{stem}_gtFine_labelTrainIds.png")
        assert found.dtype == np.uint8
        assert np.array_equal(found, ids(sample["segmentation"]))
        colour = pixels(tmp_path / "out" / "gtFine" / f"{stem}_gtFine_color.png")
        for i, rgb in enumerate(colours):
            assert (colour[found == i] == rgb).all()
    read = Cityscapes(str(tmp_path / "out"), split="train", target_type="color")
    assert len(read) == sum(sample["split"] == "train" for sample in samples(streets))
    assert read[0][0].size == read[0][1].size == SHAPE[::-1]


def test_ade20k(cli, streets: Path, tmp_path: Path) -> None:
    said = exported(cli, streets, "ade20k", tmp_path / "out")
    assert ("background is 0, as unknown pixels are" in said) == settings(streets).get("background", True)
    rows = [line.split("\t") for line in (tmp_path / "out" / "objectInfo4.txt").read_text().splitlines()]
    assert rows[0] == ["Idx", "Ratio", "Train", "Val", "Name"]
    assert [(int(row[0]), row[4]) for row in rows[1:]] == list(enumerate(CLASSES, start=1))
    assert sum(float(row[1]) for row in rows[1:]) == pytest.approx(1, abs=0.001)
    n_images = np.zeros((4, 2), dtype=int)
    for sample in samples(streets):
        folder = {"train": "training", "val": "validation"}[sample["split"]]
        assert np.array_equal(pixels(tmp_path / "out" / "images" / folder / f"{sample['key']}.png"), sample["image"])
        found = pixels(tmp_path / "out" / "annotations" / folder / f"{sample['key']}.png")
        assert np.array_equal(found, np.where(sample["segmentation"] == 255, 0, sample["segmentation"]))
        for i in range(1, 5):
            n_images[i - 1, int(folder == "validation")] += (found == i).any()
    assert [[int(text) for text in row[2:4]] for row in rows[1:]] == n_images.tolist()


def test_mmsegmentation(cli, streets: Path, tmp_path: Path) -> None:
    said = exported(cli, streets, "mmsegmentation", tmp_path / "out")
    assert note_on_background(streets) in said
    assert "there is no split `test`; synthgen_dataset.py names `val` for it" in said
    names, colours, ids = expected(streets)
    config = runpy.run_path(str(tmp_path / "out" / "synthgen_dataset.py"))
    assert config["METAINFO"] == {"classes": tuple(names), "palette": [list(colour) for colour in colours]}
    assert config["num_classes"] == len(names)
    for loader, split in (("train", "train"), ("val", "val"), ("test", "val")):
        dataset = config[f"{loader}_dataloader"]["dataset"]
        assert dataset["metainfo"] == config["METAINFO"]
        assert dataset["reduce_zero_label"] is False
        images, maps = (tmp_path / "out" / dataset["data_prefix"][key] for key in ("img_path", "seg_map_path"))
        wanted = {sample["key"]: sample for sample in samples(streets) if sample["split"] == split}
        assert {path.stem for path in images.iterdir()} == {path.stem for path in maps.iterdir()} == set(wanted)
        for key, sample in wanted.items():
            assert np.array_equal(pixels(images / f"{key}{dataset['img_suffix']}"), sample["image"])
            found = pixels(maps / f"{key}{dataset['seg_map_suffix']}")
            assert np.array_equal(found, ids(sample["segmentation"]))


def test_hf_segmentation(cli, streets: Path, tmp_path: Path) -> None:
    import datasets
    from transformers import SegformerImageProcessor

    assert note_on_background(streets) in exported(cli, streets, "hf-segmentation", tmp_path / "out")
    names, _, ids = expected(streets)
    id2label = json.loads((tmp_path / "out" / "id2label.json").read_text(encoding="utf-8"))
    assert {int(i): name for i, name in id2label.items()} == dict(enumerate(names))
    schema = pyarrow.parquet.read_schema(next((tmp_path / "out" / "data").iterdir()))
    assert json.loads(schema.field("label").metadata[b"id2label"]) == id2label
    read = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {"train", "val"}
    for split, rows in read.items():
        assert rows.column_names == ["image", "label"]
        wanted = [sample for sample in samples(streets) if sample["split"] == split]
        for row, sample in zip(rows, wanted, strict=True):
            assert np.array_equal(np.asarray(row["image"]), sample["image"])
            assert np.array_equal(np.asarray(row["label"]), ids(sample["segmentation"]))
    row = read["train"][0]
    processor = SegformerImageProcessor(do_resize=False)
    labels = processor(row["image"], row["label"], return_tensors="np")["labels"][0]
    assert np.array_equal(labels, np.asarray(row["label"]))


def test_coco_panoptic(cli, streets: Path, tmp_path: Path) -> None:
    said = exported(cli, streets, "coco-panoptic", tmp_path / "out")
    changes = settings(streets)
    assert ("there is no instance map, so all classes are stuff" in said) == changes.get("semantic", False)
    stored = {sample["key"]: sample for sample in samples(streets)}
    seen = 0
    for split in ("train", "val"):
        folder = tmp_path / "out" / "annotations"
        found = json.loads((folder / f"panoptic_{split}.json").read_text(encoding="utf-8"))
        categories = {entry["id"]: entry for entry in found["categories"]}
        names = [*CLASSES, "background"] if changes.get("background", True) else list(CLASSES)
        assert [categories[i]["name"] for i in sorted(categories)] == names
        things = {entry["name"] for entry in categories.values() if entry["isthing"]}
        assert things == (set() if changes.get("semantic") else {"car", "person"})
        if changes.get("coloured", True):
            assert [tuple(categories[i]["color"]) for i in range(1, 5)] == COLOURS
        for image, entry in zip(found["images"], found["annotations"], strict=True):
            assert image["id"] == entry["image_id"]
            sample = stored[Path(image["file_name"]).stem]
            assert np.array_equal(pixels(tmp_path / "out" / "images" / split / image["file_name"]), sample["image"])
            rgb = pixels(folder / f"panoptic_{split}" / entry["file_name"]).astype(int)
            ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
            classes, objects = np.full(SHAPE, 255), np.zeros(SHAPE, dtype=int)
            assert {segment["id"] for segment in entry["segments_info"]} == set(np.unique(ids)) - {0}
            for segment in entry["segments_info"]:
                mask = ids == segment["id"]
                assert segment["area"] == mask.sum()
                ys, xs = np.nonzero(mask)
                assert segment["bbox"] == [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
                assert segment["iscrowd"] == 0
                classes[mask] = segment["category_id"] % 5  # background is the fifth
                if categories[segment["category_id"]]["isthing"]:
                    objects[mask] = objects.max() + 1
            assert np.array_equal(classes, sample["segmentation"])
            if not changes.get("semantic"):
                assert np.array_equal(objects, sample["instances"])
            seen += 1
    assert seen == 12


def test_things_that_no_object_has_are_a_crowd() -> None:
    from synthgen.exporters.coco_panoptic import segments_of
    from synthgen.exporters.scene import Scene

    segmentation = np.array([[1, 1, 2, 2, 2, 255]], dtype=np.uint8)
    instances = np.array([[0, 0, 0, 7, 7, 0]], dtype=np.uint16)
    box = np.array([[3, 0, 5, 1, 2]], dtype=np.float32)
    scene = Scene("a", "train", b"", None, instances, segmentation, box, np.array([7]))
    ids, segments = segments_of(scene, {2: "car"}, 3)
    assert ids.tolist() == [[2, 2, 3, 1, 1, 0]]
    assert [(entry["category_id"], entry["iscrowd"]) for entry in segments] == [(2, 0), (1, 0), (2, 1)]


def test_more_than_255_segments_have_numbers_of_their_own(cli, scenes: Path, tmp_path: Path) -> None:
    exported(cli, scenes, "coco-panoptic", tmp_path / "out")
    stored = {sample["key"]: sample for sample in synthgen.load(scenes)}
    most = 0
    for path in (tmp_path / "out" / "annotations").glob("*/*.png"):
        rgb, instances = pixels(path).astype(int), stored[path.stem]["instances"]
        ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
        assert len(np.unique(ids[instances > 0])) == len(np.unique(instances)) - 1
        most = max(most, ids.max())
    assert most > 255


def test_boxes_are_those_of_things(cli, made: Callable[[str], Path], tmp_path: Path) -> None:
    dataset = made("panoptic")
    stored = {sample["key"]: sample for sample in samples(dataset)}
    n_objects = sum(len(np.unique(sample["instances"])) - 1 for sample in stored.values())
    assert n_objects > 5
    for name in ("coco", "yolo", "yolo-seg", "voc"):
        exported(cli, dataset, name, tmp_path / name)
    seen = 0
    for path in (tmp_path / "coco" / "annotations").iterdir():
        found = COCO(str(path))
        assert {entry["id"]: entry["name"] for entry in found.dataset["categories"]} == {3: "car", 4: "person"}
        for entry in found.dataset["annotations"]:
            sample = stored[Path(found.imgs[entry["image_id"]]["file_name"]).stem]
            mask = found.annToMask(entry).astype(bool)
            assert len(np.unique(sample["instances"][mask])) == 1
            assert set(np.unique(sample["segmentation"][mask])) == {entry["category_id"]}
            seen += 1
    assert seen == n_objects
    for name in ("yolo", "yolo-seg"):
        assert yaml.safe_load((tmp_path / name / "data.yaml").read_text())["names"] == {0: "car", 1: "person"}
        lines = [line for path in (tmp_path / name / "labels").rglob("*.txt") for line in path.read_text().splitlines()]
        assert len(lines) == n_objects
        assert {line.split()[0] for line in lines} == {"0", "1"}
    for key, sample in stored.items():
        with Image.open(tmp_path / "voc" / "SegmentationClass" / f"{key}.png") as picture:
            assert np.array_equal(np.asarray(picture), sample["segmentation"])
            colours = picture.getpalette()
        assert [tuple(colours[3 * i : 3 * i + 3]) for i in range(1, 5)] == COLOURS
        objects = pixels(tmp_path / "voc" / "SegmentationObject" / f"{key}.png")
        assert np.array_equal(objects, np.where(sample["segmentation"] == 255, 255, sample["instances"]))
        names = [line.strip() for line in (tmp_path / "voc" / "Annotations" / f"{key}.xml").read_text().splitlines()]
        n_things = len(np.unique(sample["instances"])) - 1
        assert sum(line in ("<name>car</name>", "<name>person</name>") for line in names) == n_things


def test_semantic_maps_as_voc_have_no_empty_annotations(made: Callable[[str], Path], tmp_path: Path) -> None:
    place = tmp_path / "voc"
    place.mkdir()
    Voc(NoOptions()).write(Scenes(str(made("semantic")), None), place, lambda n: None)
    names = {path.name for path in place.iterdir()}
    assert names == {"JPEGImages", "ImageSets", "SegmentationClass", "classes.csv"}
    with open(place / "classes.csv", encoding="utf-8", newline="") as file:
        assert [row["class"] for row in csv.DictReader(file)] == list(CLASSES)
    for split in ("train", "val"):
        keys = (place / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
        for key, sample in zip(keys, (s for s in samples(made("semantic")) if s["split"] == split), strict=True):
            assert np.array_equal(pixels(place / "SegmentationClass" / f"{key}.png"), sample["segmentation"])


@pytest.mark.parametrize("name", ["coco", "yolo", "yolo-seg"])
def test_formats_of_objects_refuse_semantic_maps(cli, name: str, made: Callable[[str], Path], tmp_path: Path) -> None:
    answer = cli("export", made("semantic"), "--to", name, "-o", tmp_path / "out")
    assert answer.code == 2
    assert "without objects" in answer.err
    assert all(f"`{other}`" in answer.err or f"--to {other}`" in answer.err for other in CLASS_MAP_FORMATS)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [name for name in CLASS_MAP_FORMATS if name != "voc"])
def test_formats_of_class_maps_refuse_datasets_without(cli, name: str, finished: Path, tmp_path: Path) -> None:
    answer = cli("export", finished, "--to", name, "-o", tmp_path / "out")
    assert answer.code == 2
    assert "files hold class maps; this dataset has none (try `--to imagefolder`)" in answer.err
    boxes = cli("export", finished, "--to", name, "-o", tmp_path / "out", "--field", "boxes=boxes")
    assert "must be instances=NAME or segmentation=NAME" in boxes.err


def test_ids_do_not_depend_on_the_split(cli, tmp_path: Path) -> None:
    """A split without background has the ids of the dataset that has some."""
    recipe = helpers.streets(background="first")
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "mixed")
    dataset = synthgen.load(tmp_path / "mixed")
    with_background = {sample["split"] for sample in dataset if (sample["segmentation"] == 0).any()}
    (other,) = {"train", "val"} - with_background
    exported(cli, tmp_path / "mixed", "cityscapes", tmp_path / "out", "--split", other)
    keys = {sample["key"]: sample for sample in dataset}
    for path in (tmp_path / "out" / "gtFine").rglob("*_labelTrainIds.png"):
        assert np.array_equal(pixels(path), keys[path.name.split("_")[0]]["segmentation"])


def test_images_of_other_formats_are_png_where_they_must_be(cli, tmp_path: Path) -> None:
    recipe = helpers.streets() | {"output": {"writers": ["webdataset"], "image_format": "jpeg"}}
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "jpeg")
    exported(cli, tmp_path / "jpeg", "cityscapes", tmp_path / "city")
    assert "look for .jpg" not in exported(cli, tmp_path / "jpeg", "ade20k", tmp_path / "ade")
    for sample in synthgen.load(tmp_path / "jpeg"):
        place = tmp_path / "city" / "leftImg8bit" / sample["split"] / "synthgen" / f"{sample['key']}_leftImg8bit.png"
        with Image.open(place) as picture:
            assert picture.format == "PNG"
            assert np.array_equal(np.asarray(picture), sample["image"])


def test_background_is_no_class_s_name() -> None:
    assert background_name(["sky"]) == "background"
    assert background_name(["background", "sky"]) == "no background"

"""Exports: every format reads back to the masks and boxes that the dataset holds."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
import yaml
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from skimage.draw import polygon2mask

import helpers
import synthgen
from synthgen.errors import UsageError
from synthgen.exporters.coco import Coco
from synthgen.exporters.imagefolder import ImageFolder
from synthgen.exporters.options import NoOptions
from synthgen.exporters.roles import fields_of_roles
from synthgen.exporters.scene import Scenes
from synthgen.exporters.voc import Voc
from synthgen.exporters.yolo import Yolo, YoloPolygons
from synthgen.fields import Boxes, InstanceMap, SegmentationMap
from synthgen.vision.palette import palette

SIDE = 48
COCO_MASKS, COCO_POLYGONS = Coco(Coco.Config()).write, Coco(Coco.Config(polygons=True)).write
YOLO, YOLO_POLYGONS = Yolo(NoOptions()).write, YoloPolygons(NoOptions()).write
VOC, IMAGEFOLDER = Voc(NoOptions()).write, ImageFolder(NoOptions()).write


@pytest.fixture
def samples(scenes: Path) -> dict[str, dict[str, Any]]:
    dataset = synthgen.load(scenes)
    return {sample["key"]: sample for sample in (dataset[i] for i in range(len(dataset)))}


def exported(export: Any, scenes: Path, out: Path) -> list[str]:
    ticks: list[int] = []
    notes = export(Scenes(str(scenes), None), out, ticks.append)
    assert sum(ticks) == 10
    return notes


def coco_files(out: Path) -> Iterator[COCO]:
    for path in sorted((out / "annotations").glob("*.json")):
        yield COCO(str(path))


def test_coco_masks_and_boxes_are_the_datasets(scenes: Path, samples: dict, tmp_path: Path) -> None:
    exported(COCO_MASKS, scenes, tmp_path)
    seen = 0
    for found in coco_files(tmp_path):
        for picture in found.dataset["images"]:
            sample = samples[Path(picture["file_name"]).stem]
            assert (tmp_path / "images" / sample["split"] / picture["file_name"]).is_file()
            entries = found.loadAnns(found.getAnnIds(imgIds=picture["id"]))
            rebuilt = np.zeros((SIDE, SIDE), dtype=np.uint16)
            classes = np.zeros((SIDE, SIDE), dtype=np.uint8)
            for number, entry in enumerate(entries, start=1):
                mask = found.annToMask(entry).astype(bool)
                assert entry["area"] == mask.sum()
                rebuilt[mask], classes[mask] = number, entry["category_id"]
            assert np.array_equal(rebuilt, sample["instances"])
            assert np.array_equal(classes, sample["segmentation"])
            boxes = np.array([entry["bbox"] for entry in entries]).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            assert np.array_equal(boxes, sample["boxes"][:, :4])
            seen += 1
    assert seen == 10


def test_coco_polygons_are_the_masks(scenes: Path, samples: dict, tmp_path: Path) -> None:
    exported(COCO_POLYGONS, scenes, tmp_path)
    for found in coco_files(tmp_path):
        for picture in found.dataset["images"]:
            instances = samples[Path(picture["file_name"]).stem]["instances"]
            entries = found.loadAnns(found.getAnnIds(imgIds=picture["id"]))
            assert all(isinstance(entry["segmentation"], list) for entry in entries)
            for number, entry in zip(np.unique(instances)[1:], entries, strict=True):
                assert np.array_equal(found.annToMask(entry).astype(bool), instances == number)


def test_coco_scores_itself_perfectly(scenes: Path, tmp_path: Path) -> None:
    exported(COCO_MASKS, scenes, tmp_path)
    truth = next(coco_files(tmp_path))
    entries = [{**entry, "score": 0.9} for entry in truth.dataset["annotations"]]
    for kind in ("segm", "bbox"):
        scores = COCOeval(truth, truth.loadRes(entries), kind)
        scores.params.maxDets = [1, 10, 500]
        scores.evaluate()
        scores.accumulate()
        precision = scores.eval["precision"][:, :, :, 0, 2]
        assert precision[precision >= 0].min() == pytest.approx(1.0)


def test_voc_maps_are_the_datasets_and_crowds_are_told(scenes: Path, samples: dict, tmp_path: Path) -> None:
    notes = exported(VOC, scenes, tmp_path)
    assert "2 images have more than 254 objects" in notes[0]
    for key, sample in samples.items():
        with PIL.Image.open(tmp_path / "SegmentationClass" / f"{key}.png") as picture:
            assert picture.mode == "P"
            assert np.array_equal(np.asarray(picture), sample["segmentation"])
        objects = tmp_path / "SegmentationObject" / f"{key}.png"
        assert objects.exists() == (sample["instances"].max() <= 254)
        if objects.exists():
            assert np.array_equal(np.asarray(PIL.Image.open(objects)), sample["instances"])
        root = ElementTree.parse(tmp_path / "Annotations" / f"{key}.xml").getroot()
        found = [
            [int(entry.findtext(f"bndbox/{name}")) for name in ("xmin", "ymin", "xmax", "ymax")]
            for entry in root.iter("object")
        ]
        want = sample["boxes"][:, :4] + [1, 1, 0, 0]
        assert np.array_equal(np.array(found).reshape(-1, 4), want)
    names = {path.stem: path.read_text().split() for path in (tmp_path / "ImageSets" / "Segmentation").iterdir()}
    assert sorted(key for keys in names.values() for key in keys) == sorted(samples)


def test_voc_palette_is_the_published_one() -> None:
    assert palette()[:4] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]
    assert palette()[255] == (224, 224, 192)


def test_yolo_boxes_are_the_datasets(scenes: Path, samples: dict, tmp_path: Path) -> None:
    exported(YOLO, scenes, tmp_path)
    facts = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert facts["names"] == {0: "cell", 1: "debris"}
    for key, sample in samples.items():
        text = (tmp_path / "labels" / sample["split"] / f"{key}.txt").read_text()
        rows = np.array([line.split() for line in text.splitlines()], dtype=float).reshape(-1, 5)
        corners = np.concatenate([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2], axis=1) * SIDE
        assert np.allclose(corners, sample["boxes"][:, :4], atol=1e-3)
        assert np.array_equal(rows[:, 0] + 1, sample["boxes"][:, 4])


def test_yolo_polygons_fill_to_the_masks(scenes: Path, samples: dict, tmp_path: Path) -> None:
    exported(YOLO_POLYGONS, scenes, tmp_path)
    for key, sample in samples.items():
        lines = (tmp_path / "labels" / sample["split"] / f"{key}.txt").read_text().splitlines()
        numbers = np.unique(sample["instances"])[1:]
        assert len(lines) == len(numbers)
        for line, number in zip(lines, numbers, strict=True):
            points = np.array(line.split()[1:], dtype=float).reshape(-1, 2)
            assert len(points) >= 3
            assert points.min() >= 0
            assert points.max() <= 1
            mask = sample["instances"] == number
            filled = polygon2mask(mask.shape, points[:, ::-1] * SIDE - 0.5)
            if mask.sum() >= 36:
                assert (filled & mask).sum() / (filled | mask).sum() > 0.95


def test_image_folders_are_by_class(scenes: Path, samples: dict, tmp_path: Path) -> None:
    exported(IMAGEFOLDER, scenes, tmp_path)
    classes = synthgen.load(scenes).classes
    for key, sample in samples.items():
        path = tmp_path / sample["split"] / classes[sample["label"]] / f"{key}.png"
        assert np.array_equal(np.asarray(PIL.Image.open(path)), sample["image"])


ODD = ["C++", "C--", "C##", "..", "a/b", "Cat", "cat", "re\x1b[31md <b>|`é", "con"]


def odd_classes(folder: Path, **changes: Any) -> Path:
    """A toy dataset with one image of each class whose name is hard."""
    recipe = helpers.toy(
        condition={"use": "classes", "quotas": dict.fromkeys(ODD, 1)}, splits={"train": 1.0}, **changes
    )
    helpers.run(helpers.write(folder, recipe), folder / "odd")
    return folder / "odd"


def test_every_class_has_a_folder_of_its_own_within_the_split(cli, tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    dataset = odd_classes(tmp_path)
    answer = cli("export", dataset, "--to", "imagefolder", "-o", tmp_path / "out")
    assert answer.code == 0
    assert "5 folders bear another name than their class; classes.csv says which" in answer.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["classes.csv", "train"]
    with open(tmp_path / "out" / "classes.csv", encoding="utf-8", newline="") as file:
        folder_of = {row["class"]: row["name"] for row in csv.DictReader(file)}
    assert list(folder_of) == ODD
    assert (folder_of["C##"], folder_of[".."], folder_of["cat"]) == ("C##", "%2E%2E", "cat (2)")
    read = ImageFolder(str(tmp_path / "out" / "train"))
    assert sorted(read.classes) == sorted(folder_of.values())
    for sample in synthgen.load(dataset):
        place = tmp_path / "out" / "train" / folder_of[ODD[sample["label"]]]
        assert [path.name for path in place.iterdir()] == [f"{sample['key']}.png"]


def test_class_names_in_xml_and_yaml_come_back(tmp_path: Path) -> None:
    objects = ["re\x1b[31md <b>|`é", "re\\x1b[31md <b>|`é", "..", "a\nb"]
    sampler = {"use": "scenes", "objects": objects}
    helpers.run(helpers.write(tmp_path, helpers.scenes(sampler=sampler, splits={"train": 1.0})), tmp_path / "odd")
    scenes = Scenes(str(tmp_path / "odd"), None)
    notes = VOC(scenes, tmp_path / "voc", lambda n: None)
    assert any("classes in the XML files bear another name than their class" in note for note in notes)
    roots = [ElementTree.parse(path).getroot() for path in (tmp_path / "voc" / "Annotations").iterdir()]
    names = {entry.text for root in roots for entry in root.iter("name")}
    assert names == {"re\\x1b[31md <b>|`é (2)", "re\\x1b[31md <b>|`é"}
    with open(tmp_path / "voc" / "classes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == objects
    assert {row["name"] for row in rows[:2]} == names
    YOLO(scenes, tmp_path / "yolo", lambda n: None)
    facts = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text(encoding="utf-8"))
    assert list(facts["names"].values()) == objects
    COCO_MASKS(scenes, tmp_path / "coco", lambda n: None)
    for found in coco_files(tmp_path / "coco"):
        assert [entry["name"] for entry in found.dataset["categories"]] == objects


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenes as labelers of named objects leave them: `sam_instances`, `sam_segmentation`, `dino_boxes`."""
    folder = tmp_path_factory.mktemp("labelled")
    boxes = {"use": "boxes", "instances": "sam_instances", "segmentation": "sam_segmentation", "field": "dino_boxes"}
    recipe = helpers.scenes(sampler={"use": "scenes", "prefix": "sam_"}, labelers=["class-label", boxes])
    helpers.run(helpers.write(folder, recipe), folder / "out")
    return folder / "out"


def test_fields_of_labelers_are_found(cli, labelled: Path, scenes: Path, tmp_path: Path) -> None:
    answer = cli("export", labelled, "--to", "coco", "-o", tmp_path / "theirs")
    assert answer.code == 0
    assert "note      objects are from `sam_instances`, `sam_segmentation`" in answer.out
    exported(COCO_MASKS, scenes, tmp_path / "ours")
    for path in (tmp_path / "ours" / "annotations").iterdir():
        assert path.read_bytes() == (tmp_path / "theirs" / "annotations" / path.name).read_bytes()
    boxes = cli("export", labelled, "--to", "coco", "-o", tmp_path / "boxes", "--field", "boxes=dino_boxes")
    assert boxes.code == 0
    for found in coco_files(tmp_path / "boxes"):
        assert not any("segmentation" in entry for entry in found.dataset["annotations"])
    wrong = cli("export", labelled, "--to", "coco", "-o", tmp_path / "x", "--field", "boxes=image")
    assert "`image` cannot be boxes; fields for `--field boxes=NAME`: dino_boxes" in wrong.err


SIZE = (8, 8)
FIELDS = {
    "instances": InstanceMap(*SIZE),
    "segmentation": SegmentationMap(*SIZE, ("cell",)),
    "boxes": Boxes(*SIZE, ("cell",)),
}


@pytest.mark.parametrize(
    ("names", "chosen", "roles"),
    [
        ("instances segmentation boxes", {}, {"instances": "instances", "segmentation": "segmentation"}),
        ("boxes filter_instances filter_segmentation", {}, {"boxes": "boxes"}),
        ("found_boxes", {}, {"boxes": "found_boxes"}),
        ("sam_instances", {}, {"instances": "sam_instances"}),
        ("sam_instances dino_boxes", {}, {"instances": "sam_instances", "boxes": "dino_boxes"}),
        ("a_boxes b_boxes", {"boxes": "b_boxes"}, {"boxes": "b_boxes"}),
        ("instances segmentation a_boxes", {"boxes": "a_boxes"}, {"boxes": "a_boxes"}),
        (
            "instances segmentation sam_instances",
            {"instances": "sam_instances"},
            {"instances": "sam_instances", "segmentation": "segmentation"},
        ),
    ],
)
def test_which_fields_are_the_objects(names: str, chosen: dict, roles: dict) -> None:
    fields = {name: FIELDS[name.split("_")[-1]] for name in names.split()}
    assert fields_of_roles("d", fields, chosen) == roles


def test_several_fields_for_a_role_are_listed() -> None:
    fields = {name: FIELDS[name.split("_")[-1]] for name in ("a_boxes", "b_boxes", "c_instances", "d_instances")}
    with pytest.raises(UsageError) as refused:
        fields_of_roles("d", fields, {})
    assert "choose with --field instances=c_instances or --field instances=d_instances" in str(refused.value)
    assert "choose with --field boxes=a_boxes or --field boxes=b_boxes" in str(refused.value)


def test_empty_splits_are_named(cli, scenes: Path, tmp_path: Path) -> None:
    recipe = helpers.scenes(splits={"train": 0.9999, "val": 0.0001})
    helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out")
    answer = cli("export", tmp_path / "out", "--to", "yolo", "-o", tmp_path / "yolo")
    assert "note      the split `val` is empty, so the export has none" in answer.out
    assert "note      there is no split `val`, and trainings want one: data.yaml names `train` for it" in answer.out
    alone = cli("export", tmp_path / "out", "--to", "yolo", "-o", tmp_path / "val", "--split", "val")
    assert alone.code == 2
    assert "the split `val` holds no samples yet" in alone.err
    assert not (tmp_path / "val").exists()


@pytest.mark.parametrize("export", [COCO_MASKS, VOC, YOLO, YOLO_POLYGONS])
def test_datasets_without_objects_are_refused(export: Any, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="try `--to"):
        export(Scenes(str(finished), None), tmp_path, lambda n: None)


def test_another_map_can_stand_for_the_first(scenes: Path) -> None:
    with pytest.raises(UsageError, match="has no field `sam_instances`"):
        Scenes(str(scenes), None, {"instances": "sam_instances"})


def test_command(cli, scenes: Path, tmp_path: Path) -> None:
    answer = cli("export", scenes, "--to", "coco", "-o", tmp_path / "out", "--split", "val")
    assert answer.code == 0
    assert [path.name for path in (tmp_path / "out" / "annotations").iterdir()] == ["instances_val.json"]
    again = cli("export", scenes, "--to", "coco", "-o", tmp_path / "out")
    assert again.code == 2
    assert "exists already" in again.err
    assert json.loads((tmp_path / "out" / "annotations" / "instances_val.json").read_text())["images"]
    failed = cli("export", scenes, "--to", "coco", "-o", tmp_path / "other", "--field", "masks=instances")
    assert failed.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_export_does_not_stand_among_the_datasets(
    cli, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = Path("runs")
    shutil.copytree(scenes, runs / "scenes-0123abcd")
    answer = cli("export", runs / "scenes-0123abcd", "--to", "coco")
    assert "exported  10 samples to exports/scenes-0123abcd-coco" in answer.out
    assert Path("exports/scenes-0123abcd-coco/annotations").is_dir()
    assert [path.name for path in runs.glob("scenes-*")] == ["scenes-0123abcd"]


def test_an_incomplete_dataset_is_exported_only_when_asked(cli, scenes: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(scenes, tmp_path / "copy"))
    lost = helpers.manifest(copy)["shards"][0]
    (copy / lost["files"][0]["path"]).unlink()
    assert cli("verify", copy).code == 1
    answer = cli("export", copy, "--to", "yolo", "-o", tmp_path / "out")
    assert answer.code == 1
    assert "--allow-incomplete" in answer.err
    assert not (tmp_path / "out").exists()
    allowed = cli("export", copy, "--to", "yolo", "-o", tmp_path / "out", "--allow-incomplete")
    assert allowed.code == 0
    assert "exported  5 samples" in allowed.out
    assert "note      the dataset is incomplete: damaged shards were handed back" in allowed.out


def test_yolo_s_data_file_works_from_anywhere(scenes: Path, tmp_path: Path) -> None:
    """Ultralytics takes a `path` from its own folder of data sets, and the file's folder where there is none."""
    exported(YOLO, scenes, tmp_path / "all")
    YOLO(Scenes(str(scenes), "train"), tmp_path / "train", lambda n: None)
    for name, val in (("all", "images/val"), ("train", "images/train")):
        facts = yaml.safe_load((tmp_path / name / "data.yaml").read_text())
        assert "path" not in facts
        assert (facts["train"], facts["val"]) == ("images/train", val)
        assert (tmp_path / name / facts["val"]).is_dir()

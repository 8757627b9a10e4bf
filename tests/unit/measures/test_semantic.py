"""The measure of class maps: what `synthgen evaluate` finds on streets, and real data that do not suit it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen.fields import Image, InstanceMap, SegmentationMap
from synthgen.measures.images import maps, semantic
from synthgen.measures.images.segmentation import Segmentation, of_classes
from synthgen.measures.images.semantic import SemanticSegmentation
from synthgen.readers.masks.types import Example, Examples
from synthgen.vision.layouts import Layout

STREET = tiny.STREET


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Street scenes with class maps, from a model of random weights."""
    folder = tmp_path_factory.mktemp("streets")
    recipe = {
        "kind": "dataset",
        "name": "streets",
        "samples": 6,
        "shard_size": 3,
        "batch_size": 3,
        "splits": {"train": 1.0},
        "condition": {"use": "edited-layouts", "data": tiny.street_data(), "size": [48, 32], "paste": {"car": 0.5}},
        "sampler": {"use": "layout-to-image", "model": tiny.street_painter(), "steps": 2},
        "labelers": [{"use": "segmenter", "model": tiny.street_segmenter()}],
        "scorers": [{"use": "class-agreement", "name": "filter", "classes": ["car"]}],
    }
    synthgen.run(helpers.write(folder, recipe), folder / "out", workers=1, device="cpu")
    return folder / "out"


def model(folder: Path, **data: Any) -> Path:
    trainer = {"use": "segmenter", "data": tiny.street_data(**data)}
    return helpers.write(folder, {"kind": "model", "name": "m", "trainer": trainer}, "m.yaml")


def test_evaluation_of_class_maps(cli: Any, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real scenes teach real scenes; images of random weights teach less; what is found is there by class."""
    monkeypatch.setattr(semantic, "WIDTHS", (8, 16))
    words = ("evaluate", dataset, "--real", model(tmp_path), "--seeds", 2, "--steps", 60)
    found = json.loads(cli(*words, "--evaluator", tiny.street_segmenter(), "--json").out)["class_maps"]
    assert (found["n_test"], found["n_train"]) == (4, {"synthetic": 6, "real": 8, "both": 14})
    assert found["classes"] == list(STREET)
    real, synthetic = (found["scores"][arm]["mIoU"]["mean"] for arm in ("real", "synthetic"))
    assert real > 50 > synthetic
    assert len(found["scores"]["both"]["pixel accuracy"]["values"]) == 2
    assert set(found["iou"]["real"]) == set(STREET)
    assert np.shape(found["confusion"]["real"]) == (6, 6)
    assert np.sum(found["confusion"]["real"], axis=1)[1:] == pytest.approx([100] * 5, abs=0.1)
    assert sum(found["pixels"]["test"].values()) == pytest.approx(1, abs=1e-4)
    assert set(found["agreement"]) == {"synthetic", "real test"}
    text = cli(*words[:-2], "--steps", 1).out
    assert "mIoU of synthetic over real" in text and "IoU by class" in text and "person" in text
    text = cli(*words[:-2], "--steps", "1,3", "--tricks", "jitter").out
    assert "1, 3 steps, the best on 2 real validation images:" in text and "mIoU of both less real: " in text
    assert "mIoU of synthetic less real: " in text


def test_real_data_of_objects_are_refused(cli: Any, dataset: Path, tmp_path: Path) -> None:
    words = ("evaluate", dataset, "--steps", 1, "--seeds", 1, "--real")
    answer = cli(*words, model(tmp_path, mask_kind="classes"))
    assert answer.code == 2 and "give `mask_kind: semantic`" in answer.err
    other = tiny.street_data()["objects"]
    answer = cli(*words, model(tmp_path, objects=[*other[:4], "bus"]))
    assert answer.code == 1 and "bus" in answer.err


def test_class_maps_are_refused_for_datasets_of_objects(cli: Any, scenes: Path, tmp_path: Path) -> None:
    answer = cli("evaluate", scenes, "--real", model(tmp_path), "--steps", 1, "--seeds", 1, "--split", "all")
    assert answer.code == 2
    assert "are class maps without objects, and the dataset has objects" in answer.err


def test_which_measure_fits() -> None:
    image = Image(8, 8, 3)
    street = {"image": image, "segmentation": SegmentationMap(8, 8, STREET, STREET)}
    cells = {"image": image, "instances": InstanceMap(8, 8), "segmentation": SegmentationMap(8, 8, ("cell",))}
    assert (SemanticSegmentation.fits(street), Segmentation.fits(street)) == (True, False)
    assert (SemanticSegmentation.fits(cells), Segmentation.fits(cells)) == (False, True)
    assert not SemanticSegmentation.fits({"image": image})


def examples(*shapes: tuple[int, int]) -> Examples:
    items = [
        Example(str(i), np.zeros((*s, 3), np.uint8), 0, Layout(np.zeros(s, np.uint16), np.ones(s, np.uint8)))
        for i, s in enumerate(shapes)
    ]
    return Examples(tuple(items), ("picture",), STREET, stuff=STREET)


def test_classes_that_nobody_sees_have_no_iou() -> None:
    assert semantic._where_seen([np.nan, np.nan]) == {"mean": None, "deviation": None, "values": []}
    assert semantic._where_seen([0.5, np.nan])["values"] == [50.0]


def test_classes_of_images_are_matched_by_name_in_both() -> None:
    one = examples((8, 8), (8, 8))
    synthetic = replace(one, items=(one.items[0], replace(one.items[1], label=1)), classes=("malignant", "benign"))
    real = replace(one, items=(replace(one.items[0], label=1),), classes=("benign", "malignant"))
    both = maps.joined(synthetic, real)
    assert [both.classes[item.label] for item in both.items] == ["malignant", "benign", "malignant"]
    assert maps.joined(one, real).classes == ("benign", "malignant", "picture")


def test_probes_see_whole_scenes() -> None:
    assert semantic.probe_of(examples((32, 48), (33, 50), (33, 50))).crop == (48, 32)
    assert semantic.probe_of(examples((70, 70))).crop == 64
    assert semantic.probe_of(examples((9, 70))).crop == (64, 16)


def test_shares_leave_unknown_pixels_out() -> None:
    one = examples((10, 10))
    assert one.items[0].layout is not None
    one.items[0].layout.segmentation[:5] = 255
    one.items[0].layout.segmentation[5, :5] = 4
    assert semantic.shares(one) == {"sky": 0.9, "building": 0, "road": 0, "car": 0.1, "person": 0}


def test_a_dataset_is_read_without_instances(dataset: Path) -> None:
    found = maps.from_dataset(str(dataset), "train", "segmentation")
    assert (len(found), found.objects, found.stuff) == (6, STREET, STREET)
    assert found.is_semantic
    for item in found.items:
        assert item.layout is not None and item.image.shape == (32, 48, 3)
        assert not item.layout.instances.any()


def test_panoptic_quality_of_several_classes_is_a_mean_over_them() -> None:
    """One class is found as it is, the other is missed: half of the quality."""
    classes = np.zeros((8, 8), np.uint8)
    classes[:3, :3], classes[5:, 5:] = 1, 2
    true = Layout((classes > 0).astype(np.uint16) * classes, classes)
    seen = Layout(np.where(classes == 1, 1, 0).astype(np.uint16), np.where(classes == 1, 1, 0).astype(np.uint8))

    class Half:
        def segment(self, images: np.ndarray) -> list[Layout]:
            return [seen]

    found = of_classes(Half(), [Example("a", np.zeros((8, 8, 3), np.uint8), 0, true)], 2)
    assert found == {"PQ": pytest.approx(0.5), "mIoU": pytest.approx((46 / 55 + 1 + 0) / 3)}

"""The measure of boxes: what `synthgen evaluate` finds on cells, and real data that do not suit it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen.fields import Boxes, Image, InstanceMap
from synthgen.measures.images import detection
from synthgen.measures.images.detection import Detection, from_dataset
from synthgen.measures.settings import Way
from synthgen.models.images.unet import prepare
from synthgen.readers.masks.types import Example, Examples


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images for boxes, from a model of random weights."""
    folder = tmp_path_factory.mktemp("cells")
    recipe = {
        **{"kind": "dataset", "name": "cells", "samples": 6, "shard_size": 3, "batch_size": 3, "splits": {"train": 1}},
        "condition": {"use": "random-boxes", "size": 32, "objects": {"cell": {"count": [1, 3], "side_px": [8, 12]}}},
        "sampler": {"use": "layout-to-image", "model": tiny.one_style(), "steps": 2},
    }
    synthgen.run(helpers.write(folder, recipe), folder / "out", workers=1, device="cpu")
    return folder / "out"


def model(folder: Path, **data: Any) -> Path:
    trainer = {"use": "detector", "data": tiny.box_data(**data)}
    return helpers.write(folder, {"kind": "model", "name": "m", "trainer": trainer}, "m.yaml")


def test_evaluation_of_boxes(cli: Any, dataset: Path, tmp_path: Path) -> None:
    """Real images teach to find real cells; images of random weights do not."""
    words = ("evaluate", dataset, "--real", model(tmp_path), "--seeds", 2, "--steps", 60)
    found = json.loads(cli(*words, "--json").out)["detection"]
    assert (found["n_test"], found["n_train"]) == (4, {"synthetic": 6, "real": 12, "both": 18})
    real, synthetic = (found["scores"][arm]["AP50"]["mean"] for arm in ("real", "synthetic"))
    assert real > 50 > synthetic
    assert found["scores"]["real"]["mAP"]["mean"] < real
    assert found["scores"]["real"]["AP50 cell"] == found["scores"]["real"]["AP50"], "there is one class"
    assert len(found["scores"]["both"]["mAP"]["values"]) == 2
    text = cli(*words[:-2], "--steps", 1).out
    assert "on 4 real test images, 2 seeds, 1 steps" in text and "mAP of synthetic over real" in text


def test_each_detector_has_the_way_that_is_best_on_real_images(cli: Any, dataset: Path, tmp_path: Path) -> None:
    words = ("evaluate", dataset, "--real", model(tmp_path, validation=0.25), "--seeds", 1, "--tricks", "jitter")
    answer = cli(*words, "--steps", "1,60")
    assert "1, 60 steps, the best on 3 real validation images" in answer.out
    assert re.search(r"trained on +9 real .* in 60 steps", answer.out)


def test_weights_of_samples_count_in_the_loss_of_detectors() -> None:
    """Images whose boxes are of another class do not matter if their weight is 0."""
    box = np.array([[8, 8, 24, 24]], dtype=np.float32)
    shown = np.zeros((32, 32, 3), np.uint8)
    shown[8:24, 8:24] = 255

    def seen(n_wrong: int, weight: float) -> float:
        items = [Example(str(i), shown, 0, None, box, np.array([1])) for i in range(8)]
        items += [Example(f"wrong {i}", shown, 0, None, box, np.array([2]), weight=weight) for i in range(n_wrong)]
        examples = Examples(tuple(items), ("picture",), ("cell", "speck"))
        network = detection.train(examples, 0, Detection.Config(), 32, Way(40))
        heat = network(prepare(shown[None]))[0].sigmoid().amax((2, 3))[0]
        return float((heat[1] - heat[0]).detach())

    assert seen(24, 0.0) < 0 < seen(24, 1.0)


def test_boxes_of_samples_are_read_as_real_ones_are(dataset: Path) -> None:
    examples, samples = from_dataset(str(dataset), "train"), synthgen.load(dataset)
    assert examples.objects == ("cell",)
    for item, sample in zip(examples.items, samples, strict=True):
        assert item.boxes is not None and item.box_classes is not None
        assert item.boxes.tolist() == sample["boxes"][:, :4].tolist()
        assert set(item.box_classes) == {1}


def test_real_data_that_do_not_suit_are_refused(cli: Any, dataset: Path, tmp_path: Path) -> None:
    words = ("evaluate", dataset, "--steps", 1, "--seeds", 1, "--real")
    answer = cli(*words, model(tmp_path, boxes=None))
    assert answer.code == 2 and "the real data have none; name `data.boxes`" in answer.err
    (tmp_path / "more").mkdir()
    answer = cli(*words, model(tmp_path / "more", objects=["cell", "speck"]))
    assert answer.code == 1 and "speck" in answer.err


def test_boxes_are_not_tested_on_images_that_were_trained_on(cli: Any, dataset: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copytree(tiny.masks(), tmp_path / "mine"))
    for file in (mine / "boxes.json", mine / "table.csv"):
        file.write_text(file.read_text().replace("train", "test"))
    answer = cli("evaluate", dataset, "--steps", 1, "--seeds", 1, "--real", model(tmp_path), "--test", mine)
    assert answer.code == 1 and "12 of 16 test images are also among the training images of" in answer.err


def test_datasets_with_masks_are_measured_by_masks() -> None:
    boxes = {"image": Image(32, 32, 3), "boxes": Boxes(32, 32, ("cell",))}
    assert Detection.fits(boxes)
    assert not Detection.fits({**boxes, "instances": InstanceMap(32, 32)})
    assert not Detection.fits({"image": Image(32, 32, 3), "found_boxes": Boxes(32, 32, ("cell",))})

"""`synthgen label`: which images it takes, what it names their labels, and that these are used like any others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen.fields import Boxes, InstanceMap, SegmentationMap


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are called in, with four images in `cells`, two of them in a subfolder."""
    images = sorted((Path(tiny.masks(12)) / "images").iterdir())
    (tmp_path / "cells" / "sub dir").mkdir(parents=True)
    for i, image in enumerate(images[:4]):
        shutil.copy(image, tmp_path / "cells" / ("sub dir" if i % 2 else "") / image.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(cli: Any, folder: object, model: str, *words: object) -> Any:
    return cli("label", folder, "--model", model, "--size", 48, "--device", "cpu", *words)


def made() -> Path:
    (out,) = Path("runs").iterdir()
    return out


def model(data: dict[str, Any]) -> Path:
    return helpers.write(
        Path(), {"kind": "model", "name": "m", "trainer": {"use": "segmenter", "data": data}}, "m.yaml"
    )


def test_masks_are_labels_that_exporters_and_measures_take(cli: Any, tmp_path: Path) -> None:
    assert label(cli, Path(tiny.masks(12)) / "images", tiny.segmenter(), "--quiet").code == 0
    found = synthgen.load(made())
    assert isinstance(found.fields["instances"], InstanceMap)
    assert isinstance(found.fields["segmentation"], SegmentationMap)
    for sample in found:
        assert np.array_equal(sample["instances"] > 0, sample["segmentation"] > 0)
        assert 0 < sample["confidence"] <= 1
    answer = cli("export", made(), "--to", "coco", "-o", tmp_path / "coco")
    assert answer.code == 0, answer.err
    coco = json.loads((tmp_path / "coco" / "annotations" / "instances_train.json").read_text())
    assert len(coco["annotations"]) == sum(int(sample["instances"].max()) for sample in found)
    answer = cli("evaluate", made(), "--real", model(tiny.mask_data()), "--seeds", 1, "--steps", 1, "--json")
    assert json.loads(answer.out)["n_train"]["synthetic"] == 12


def test_test_images_that_were_labelled_are_no_training_data(cli: Any) -> None:
    assert label(cli, Path(tiny.masks()) / "images", tiny.segmenter(), "--quiet").code == 0
    answer = cli("evaluate", made(), "--real", model(tiny.mask_data()), "--seeds", 1, "--steps", 1)
    assert answer.code == 1 and f"4 of 4 test images are also among the images of {made()}" in answer.err


def test_boxes_are_labels_that_measures_take(cli: Any) -> None:
    assert label(cli, Path(tiny.masks(12)) / "images", tiny.detector(), "--quiet").code == 0
    found = synthgen.load(made())
    assert isinstance(found.fields["boxes"], Boxes)
    for sample in found:
        scores = sample["detector_score"]
        assert len(scores) == len(sample["boxes"])
        assert not len(scores) or sample["confidence"] == pytest.approx(scores.mean(), abs=1e-4)
    answer = cli("evaluate", made(), "--real", model(tiny.box_data()), "--seeds", 1, "--steps", 1, "--json")
    assert json.loads(answer.out)["detection"]["n_train"]["synthetic"] == 12


def test_class_maps_are_labels_without_objects(cli: Any) -> None:
    streets = Path(tiny.streets()) / "train" / "images"
    answer = cli("label", streets, "--model", tiny.street_segmenter(), "--size", "48x32", "--device", "cpu")
    assert answer.code == 0, answer.err
    assert list(synthgen.load(made()).fields) == ["image", "source", "segmentation", "confidence"]


def test_images_of_subfolders_are_labelled_as_well(cli: Any, place: Path) -> None:
    answer = label(cli, "cells", tiny.segmenter())
    assert answer.code == 0 and "images that lie in no subfolder, and those of subfolders, are of one" in answer.err
    assert len(synthgen.load(made())) == 4


def test_broken_images_are_named_before_anything_is_labelled_or_left_out(cli: Any, place: Path) -> None:
    (place / "cells" / "sub dir" / "bad.png").write_bytes(b"no image")
    answer = label(cli, "cells", tiny.segmenter())
    assert answer.code == 1 and not (place / "runs").exists()
    assert "cells: 1 image cannot be read: sub dir/bad.png; mend" in answer.err and "--skip-broken" in answer.err
    answer = label(cli, "cells", tiny.segmenter(), "--skip-broken")
    assert answer.code == 0, answer.err
    assert "1 image cannot be read and is left out: sub dir/bad.png" in answer.err
    assert len(synthgen.load(made())) == 4

"""`use: nsfw`: the summed probability of a classifier's unsafe classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import tiny
from synthgen.errors import ModelError
from synthgen.scorers.nsfw import Nsfw


def scorer(model: str, **settings: object) -> Nsfw:
    part = Nsfw(Nsfw.Config(model=model, **settings))
    assert part.bind(tiny.pictures(1)[0]) == []
    part.setup("cpu")
    return part


def test_probabilities_are_those_of_the_library_and_are_summed() -> None:
    _, columns = tiny.pictures(3)
    added = scorer(tiny.vit()).annotate(columns, [0] * 3)["nsfw"]
    processor = transformers.AutoImageProcessor.from_pretrained(tiny.vit())
    network = transformers.AutoModelForImageClassification.from_pretrained(tiny.vit()).eval()
    for image, value in zip(columns["image"], added, strict=True):
        with torch.no_grad():
            theirs = network(**processor(images=image, return_tensors="pt")).logits[0].softmax(0)
        assert value == pytest.approx(float(theirs[1]), abs=1e-6)
    both = scorer(tiny.vit(), unsafe=["nsfw", "normal", "nsfw"], name="any").annotate(columns, [0] * 3)["any"]
    assert both == pytest.approx([1, 1, 1])


def test_classes_that_the_classifier_lacks_are_told() -> None:
    with pytest.raises(ModelError, match="unknown class `nsfv`; did you mean `nsfw`"):
        scorer(tiny.vit(), unsafe=["nsfv"])


def test_probabilities_that_cannot_be_summed_are_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny.vit(), tmp_path / "several"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"problem_type": "multi_label_classification"}))
    with pytest.raises(ModelError, match="a classifier with one class an image is needed"):
        scorer(str(folder))


def test_a_recipe_can_be_tried_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = Nsfw.smoke({"model": "owner/name@" + "0" * 40, "unsafe": ["drawings", "porn"]})
    (value,) = scorer(**small).annotate({"image": [np.zeros((32, 32, 1), dtype=np.uint8)]}, [0])["nsfw"]
    assert 0 < value < 1

"""`synthgen models guidance`: the least guidance with which classes are recognised."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen.errors import RecipeError
from synthgen.models.images import guidance

STARTER, JUDGE = "starter/fashion-mnist", "starter/fashion-mnist-evaluator"


def test_the_least_scale_that_is_nearly_best_is_chosen() -> None:
    shares = np.array([[0.90, 0.50, 1.0], [0.94, 0.80, 1.0], [0.95, 0.99, 0.2]])
    scales, names = [1.0, 2.0, 3.0], ["a", "b", "c"]
    assert guidance.least(shares, scales, names, 0.05) == {"a": 1.0, "b": 3.0, "c": 1.0}
    assert guidance.least(shares, scales, names, 0.02) == {"a": 2.0, "b": 3.0, "c": 1.0}
    turned = guidance.least(shares[::-1], scales[::-1], names, 0.05)
    assert turned == {"a": 1.0, "b": 3.0, "c": 1.0}


def test_the_command(cli: Any) -> None:
    """Without guidance towards the class, which a scale of 0 is, no class is recognised more often than by chance."""
    words = ("models", "guidance", STARTER, "--judge", JUDGE, "--samples", 4, "--steps", 6, "--device", "cpu")
    found = json.loads(cli(*words, "--scales", "0,1.5", "--json").out)
    assert len(found["shares"]) == 10
    means = [np.mean([shares[scale] for shares in found["shares"].values()]) for scale in ("0.0", "1.5")]
    assert means[0] < 0.4 and means[1] > 0.7
    assert set(found["guidance"].values()) <= {0.0, 1.5}
    text = cli(*words[:6], 2, *words[7:], "--scales", "1").out
    assert "share of 2 images of each class" in text and "mean" in text
    assert "guidance: {T-shirt/top: 1, Trouser: 1" in text


def test_what_does_not_fit_is_said(cli: Any) -> None:
    answer = cli("models", "guidance", STARTER, "--judge", JUDGE, "--interval", "0.8", "0.2")
    assert answer.code == 2 and "--interval: must rise within 0 and 1, such as 0.25 0.75 (got 0.8 0.2)" in answer.err
    answer = cli("models", "guidance", STARTER, "--judge", JUDGE, "--scales", "1,x")
    assert answer.code == 2 and "1,x is neither a number from 0 on nor several" in answer.err
    answer = cli("models", "guidance", "starter/nuclei", "--judge", JUDGE)
    assert answer.code == 1 and "a ClassConditionalPipeline is needed here" in answer.err
    answer = cli("models", "guidance", STARTER, "--judge", tiny.class_head())
    assert answer.code == 2 and "unknown class `T-shirt/top`" in answer.err


def test_guidance_by_class_is_that_of_each_image(tmp_path: Any) -> None:
    """Images of classes that are named differ from those without guidance, and no others do."""
    recipe = {
        "kind": "dataset",
        "name": "clothes",
        "condition": {"use": "classes", "quotas": {"Bag": 2, "Shirt": 2}},
        "sampler": {"use": "class-conditional", "model": STARTER, "steps": 4},
        "labelers": ["class-label"],
        "shard_size": 4,
        "batch_size": 4,
    }
    images = {}
    for name, scale in (("none", 1.0), ("shirt", {"Shirt": 3.0}), ("all", 3.0)):
        recipe["sampler"]["guidance"] = scale
        synthgen.run(helpers.write(tmp_path, recipe), tmp_path / name, workers=1, device="cpu")
        dataset = synthgen.load(tmp_path / name)
        images[name] = {dataset[i]["key"]: (dataset[i]["image"], int(dataset[i]["label"])) for i in range(4)}
    shirt = list(synthgen.load(tmp_path / "all").classes).index("Shirt")
    for key, (image, label) in images["shirt"].items():
        like = "all" if label == shirt else "none"
        np.testing.assert_allclose(image.astype(int), images[like][key][0].astype(int), atol=2)
        other = images["none" if label == shirt else "all"][key][0]
        assert np.abs(image.astype(int) - other).max() > 2
    recipe["sampler"]["guidance"] = {"Shrit": 3.0}
    with pytest.raises(RecipeError, match="unknown class `Shrit`; did you mean `Shirt`"):
        synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "wrong", workers=1, device="cpu")

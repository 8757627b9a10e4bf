"""The starters against real images that nothing was trained on; skipped where the data are absent."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import helpers
from synthgen import seeds
from synthgen.fields import Label
from synthgen.models import folders, registry
from synthgen.protocols import Slot
from synthgen.realdata import labelled as data
from synthgen.samplers.class_conditional import ClassConditional

FOLDER = helpers.ROOT.parent / "shared" / "data" / "fashion_mnist"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real data are not here"),
]


@pytest.fixture(scope="module")
def test_images() -> data.LabelledImages:
    return data.read(str(FOLDER), split="test")


@pytest.mark.parametrize("name", ["starter/fashion-mnist-critic", "starter/fashion-mnist-judge"])
def test_classifiers_are_as_good_as_their_cards_say(name: str, test_images: data.LabelledImages) -> None:
    folder = folders.resolve(name)
    match = re.search(r"validation accuracy \| ([\d.]+)", (Path(folder) / "README.md").read_text())
    assert match
    found = registry.load_network(folder, "cpu").predict_proba(test_images.images).argmax(1)
    assert (found == test_images.labels).mean() == pytest.approx(float(match[1]), abs=0.015)


def test_the_judge_recognises_what_the_starter_draws() -> None:
    part = ClassConditional(ClassConditional.Config(model="starter/fashion-mnist", steps=18))
    assert part.bind({"label": Label(tuple(part.names))}) == []
    part.setup("cpu")
    slots = [Slot(i, {"label": i % 10}, "train") for i in range(200)]
    images = part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(200)])["image"]
    judge = registry.load_network(folders.resolve("starter/fashion-mnist-judge"), "cpu")
    found = judge.predict_proba(np.stack(images)).argmax(1)
    assert (found == np.arange(200) % 10).mean() > 0.8

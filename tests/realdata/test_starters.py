"""The starters against real images that nothing was trained on; skipped where the data are absent."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import helpers
from synthgen import seeds
from synthgen.conditions.real_layouts import Window
from synthgen.fields import Image, InstanceMap, Label
from synthgen.labelers.segment_anything import SegmentAnything
from synthgen.measures.images import maps, segmentation
from synthgen.models import folders, registry
from synthgen.parts.protocols import Slot
from synthgen.readers import origin
from synthgen.readers.images import labelled as data
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Examples
from synthgen.samplers.class_conditional import ClassConditional
from synthgen.samplers.layout_to_image import LayoutToImage
from synthgen.vision.matching import Match

REAL = helpers.ROOT.parent / "shared" / "data"
FOLDER = REAL / "fashion_mnist"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the real data are not here"),
]


@pytest.fixture(scope="module")
def test_images() -> data.LabelledImages:
    return data.read(str(FOLDER), split="test")


@pytest.mark.parametrize("name", ["starter/fashion-mnist-filter", "starter/fashion-mnist-evaluator"])
def test_classifiers_are_as_good_as_their_cards_say(name: str, test_images: data.LabelledImages) -> None:
    folder = folders.resolve(name)
    match = re.search(r"validation accuracy \| ([\d.]+)", (Path(folder) / "README.md").read_text())
    assert match
    found = registry.load_network(folder, "cpu").predict_proba(test_images.images).argmax(1)
    assert (found == test_images.labels).mean() == pytest.approx(float(match[1]), abs=0.015)


def test_the_evaluator_recognises_what_the_starter_draws() -> None:
    part = ClassConditional(ClassConditional.Config(model="starter/fashion-mnist", steps=18))
    assert part.bind({"label": Label(tuple(part.names))}) == []
    part.setup("cpu")
    slots = [Slot(i, {"label": i % 10}, "train") for i in range(200)]
    images = part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(200)])["image"]
    evaluator = registry.load_network(folders.resolve("starter/fashion-mnist-evaluator"), "cpu")
    found = evaluator.predict_proba(np.stack(images)).argmax(1)
    assert (found == np.arange(200) % 10).mean() > 0.8


@pytest.fixture(scope="module")
def nuclei() -> Examples:
    """The test images of the nuclei, grey and colour."""
    recipe = str(helpers.ROOT / "recipes" / "train" / "nuclei-filter.yaml")
    return reader.read(maps.mask_data(origin.data_section(recipe), recipe), "test")


@pytest.mark.parametrize("name", ["starter/nuclei-filter", "starter/nuclei-evaluator"])
def test_segmenters_are_as_good_as_their_cards_say(name: str, nuclei: Examples) -> None:
    folder = folders.resolve(name)
    match = re.search(r"validation dice \| ([\d.]+)", (Path(folder) / "README.md").read_text())
    assert match
    found = segmentation.by_class(registry.load_network(folder, "cpu"), nuclei)
    assert found["grey"]["dice"] == pytest.approx(float(match[1]), abs=0.05)
    assert found["colour"]["dice"] > 0.6


def test_segment_anything_outlines_nuclei_in_boxes_around_them(nuclei: Examples) -> None:
    part = SegmentAnything(SegmentAnything.Config(model="starter/sam-nuclei", of="instances", stretch=True))
    grey = [item for item in nuclei.items if item.label == 0 and min(item.image.shape[:2]) >= 96][:40]
    columns = {
        "image": [item.image[:96, :96] for item in grey],
        "instances": [Window(0, 0, (96, 96), 0, False).cut(item.layout.instances) for item in grey if item.layout],
    }
    fields = {"image": Image(96, 96, 3), "instances": InstanceMap(96, 96)}
    assert part.bind(fields) == []
    part.setup("cpu")
    found = part.annotate(columns, [0] * len(grey))["sam_instances"]
    scores = [Match(a, b).mean_iou for a, b in zip(columns["instances"], found, strict=True) if a.any()]
    assert np.mean(scores) > 0.75


def test_the_evaluator_finds_the_nuclei_that_were_drawn() -> None:
    config = LayoutToImage.Config(model="starter/nuclei", layout_model="starter/nuclei-layouts", size=96, guidance=2)
    part = LayoutToImage(config)
    assert part.bind({"label": Label(("grey", "colour"))}) == []
    part.setup("cpu")
    slots = [Slot(i, {"label": 0}, "train") for i in range(20)]
    drawn = part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(20)])
    evaluator = registry.load_network(folders.resolve("starter/nuclei-evaluator"), "cpu")
    found = evaluator.segment(np.stack(drawn["image"]))
    scores = [Match(a, b.instances).dice for a, b in zip(drawn["instances"], found, strict=True)]
    assert np.mean(scores) > 0.6

"""Segmenters that see what a frozen diffusion model sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, ModelError
from synthgen.models import registry
from synthgen.models.images import activations
from synthgen.trainers.images.segmenter import SegmenterTrainer

QUICK = {"steps": 4, "checkpoint_every": 2, "batch_size": 4, "warmup_steps": 1, "crop": 32, "widths": [8]}


def train(folder: Path, features: str | None, **settings: Any) -> Path:
    trainer = {"use": "segmenter", "data": tiny.mask_data(), "features": features, **QUICK, **settings}
    recipe = helpers.write(folder, {"kind": "model", "name": "tiny", "trainer": trainer})
    return synthgen.train(recipe, folder / "segmenter", device="cpu", quiet=True)


@pytest.mark.parametrize("features", [tiny.layout_to_image, tiny.class_conditional])
def test_the_diffusion_model_stays_as_it_was_and_is_seen(tmp_path: Path, features: Any) -> None:
    network = registry.load_network(train(tmp_path, features()), "cpu")
    base = registry.load_pipeline(Path(features()), "cpu", torch.float32)
    for name, value in base.unet.state_dict().items():
        if name != "class_embedding.weight":
            assert torch.equal(network.activations.unet.state_dict()[name], value), name
    image = np.random.default_rng(0).integers(0, 256, (1, 30, 45, 3), dtype=np.uint8)
    before = network.outputs(image)
    assert before[0].shape == (1, 2, 30, 45)
    assert np.array_equal(before[0], network.outputs(image)[0]), "the noise is the same every time"
    assert network.segment(image)[0].instances.shape == (30, 45)
    with torch.no_grad():
        for layer in network.activations.sums:
            layer.weight.zero_()
    assert not np.allclose(before[0], network.outputs(image)[0])


def test_neighbours_make_no_difference() -> None:
    facts = activations.facts_of(registry.load_pipeline(Path(tiny.layout_to_image()), "cpu", torch.float32))
    torch.manual_seed(0)
    seen = activations.Activations(facts, 8).eval()
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(seen(x)[1:2], seen(x[1:2]))


def test_no_condition_is_that_of_a_layout_model_on_average() -> None:
    pipeline = registry.load_pipeline(Path(tiny.layout_to_image()), "cpu", torch.float32)
    found = activations.unconditional(pipeline)["class_embedding.weight"]
    assert torch.allclose(found[0], pipeline.unet.class_embedding.weight.mean(0)), "two styles that are as frequent"
    pipeline = registry.load_pipeline(Path(tiny.class_conditional()), "cpu", torch.float32)
    found = activations.unconditional(pipeline)["class_embedding.weight"]
    assert torch.equal(found[0], pipeline.unet.class_embedding.weight[-1])


def test_another_model_makes_another_segmenter() -> None:
    first, second = (
        SegmenterTrainer(SegmenterTrainer.Config.model_validate({"data": tiny.mask_data(), "features": name}))
        for name in (tiny.layout_to_image(), tiny.class_conditional())
    )
    assert first.identity()["features"] != second.identity()["features"]
    assert "/" not in first.identity()["features"]
    assert first.sources[0].sha256 == first.identity()["features"]


def test_models_and_crops_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds a Segmenter; ClassConditionalPipeline or LayoutToImagePipeline"):
        train(tmp_path, tiny.segmenter())
    with pytest.raises(DataError, match=r"crop: must be a multiple of 4 for 1 level of `widths` and .*set it to 28"):
        train(tmp_path, tiny.layout_to_image(), crop=30)
    with pytest.raises(DataError, match=r"crop: must be a multiple of 4 for 3 levels of `widths` \(got 30\)"):
        train(tmp_path, None, crop=30, widths=[8, 8, 8])

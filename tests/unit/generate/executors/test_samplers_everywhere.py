"""Every sampler that holds a pipeline of diffusers, in every family: the same bytes on Ray, whole or grown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import helpers
import synthgen
import tiny

SIZE = [32, 32]
OBJECTS = {"fox": {"samples": 5, "side_px": [8, 16]}, "deer": {"samples": 3, "side_px": [8, 12]}}
PHOTOS = {"path": "sklearn:photos", "size": SIZE, "vary": {"weather": ["rain", "fog"]}}
REGIONS = {"use": "random-regions", **PHOTOS, "objects": OBJECTS}
MAPS = {
    "use": "random-boxes",
    "size": 32,
    "shape": "ellipse",
    "objects": {"tree": {"count": [1, 3], "side_px": [6, 12]}},
}
ANIMALS = {"use": "prompts", "template": "a {animal}, far away", "axes": {"animal": ["fox", "deer"]}, "label": "animal"}


def prompted(condition: dict[str, Any], use: str, model: Callable[[], str], **more: Any) -> dict[str, Any]:
    sampler = {"use": use, "model": model(), "steps": 2, "size": SIZE, "guidance": [1.5, 3.0]}
    return {"condition": condition, "sampler": sampler | more}


def photos(use: str, condition: dict[str, Any]) -> dict[str, Any]:
    return prompted(condition, use, tiny.stable_diffusion, prompt="a {label}, {weather}")


def control() -> dict[str, Any]:
    more = {"controlnet": tiny.controlnet(), "control": "segmentation", "prompt": "a meadow"}
    return prompted(MAPS, "controlnet", tiny.stable_diffusion, **more)


def family(model: Callable[[], str]) -> dict[str, Any]:
    return prompted(ANIMALS, "text-to-image", model)


def layouts() -> dict[str, Any]:
    """A generated layout, the image that fits it, and all that is said of such images."""
    sampler = {"model": tiny.layout_to_image(), "layout_model": tiny.layouts(), "layout_steps": 2, "steps": 2}
    segmenter = {"model": tiny.segmenter()}
    return {
        "condition": {"use": "classes", "quotas": {"grey": 8, "colour": 4}},
        "sampler": {"use": "layout-to-image", "guidance": 2.0, **sampler},
        "labelers": [
            "class-label",
            "boxes",
            {"use": "segment-anything", "model": tiny.segment_anything(), "min_area_px": 1, "stretch": True},
            {"use": "segmenter", **segmenter},
            {"use": "noisy-to-ignore", **segmenter},
        ],
        "scorers": [{"use": "mask-agreement", "name": "sam", "predicted": "sam_instances"}],
    }


def varied() -> dict[str, Any]:
    """Real images that are generated again, with their masks."""
    return {
        "condition": {"use": "masked-images", "data": tiny.mask_data(), "size": 32, "turn": True},
        "sampler": {"use": "layout-to-image", "model": tiny.layout_to_image(), "steps": 4, "strength": 0.5},
        "labelers": ["class-label"],
    }


RECIPES: dict[str, Callable[[], dict[str, Any]]] = {
    "image-to-image": lambda: photos("image-to-image", {"use": "images", **PHOTOS}),
    "inpaint": lambda: photos("inpaint", REGIONS),
    "controlnet": control,
    "layout-to-image": layouts,
    "varied": varied,
    "stable-diffusion-xl": lambda: family(tiny.stable_diffusion_xl),
    "stable-diffusion-3": lambda: family(tiny.stable_diffusion_3),
    "flux": lambda: family(tiny.flux),
    "qwen-image": lambda: family(tiny.qwen_image),
    "z-image": lambda: family(tiny.z_image),
}


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("name", RECIPES)
def test_one_process_and_two_actors_write_the_same_bytes(cluster: str, tmp_path: Path, name: str) -> None:
    """On actors of a running cluster, which all of these share: starting one takes as long as drawing."""
    base = {"kind": "dataset", "name": name, "samples": 12, "shard_size": 4, "batch_size": 3}
    path = helpers.write(tmp_path, base | RECIPES[name]() | {"output": {"writers": ["webdataset", "parquet"]}})
    dataset = helpers.check_actors_write_the_same(path, tmp_path, cluster)
    samples = list(synthgen.load(dataset))
    assert len({sample["image"].tobytes() for sample in samples}) == 12, "equal images are easily equal elsewhere"
    if name == "layout-to-image":
        assert any(len(sample["sam_predicted_iou"]) for sample in samples)

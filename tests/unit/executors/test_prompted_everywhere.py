"""Samplers that follow prompts and pictures: in one process and on Ray, whole or grown, the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import helpers
import tiny

SIZE = [32, 32]
OBJECTS = {"fox": {"samples": 5, "side_px": [8, 16]}, "deer": {"samples": 3, "side_px": [8, 12]}}
MAPS = {
    "use": "random-boxes",
    "size": 32,
    "shape": "ellipse",
    "objects": {"tree": {"count": [1, 3], "side_px": [6, 12]}},
}
PHOTOS = {"path": "sklearn:photos", "size": SIZE, "vary": {"weather": ["rain", "fog"]}}


def recipe(folder: Path, condition: dict[str, Any], sampler: dict[str, Any]) -> Path:
    base = {"steps": 2, "size": SIZE, "guidance": [1.5, 3.0]}
    content = {
        "kind": "dataset",
        "name": sampler["use"],
        "samples": 12,
        "shard_size": 4,
        "batch_size": 3,
        "condition": condition,
        "sampler": {**base, **sampler},
        "output": {"writers": ["webdataset", "parquet"]},
    }
    path = folder / f"{sampler['use']}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def recipes(folder: Path) -> list[Path]:
    model = {"model": tiny.stable_diffusion()}
    said = {**model, "prompt": "a {label}, {weather}"}
    control = {**model, "controlnet": tiny.controlnet(), "control": "segmentation", "prompt": "a meadow"}
    return [
        recipe(folder, {"use": "images", **PHOTOS}, {"use": "image-to-image", **said}),
        recipe(folder, {"use": "random-regions", **PHOTOS, "objects": OBJECTS}, {"use": "inpaint", **said}),
        recipe(folder, MAPS, {"use": "controlnet", **control}),
    ]


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("number", range(3), ids=["image-to-image", "inpaint", "controlnet"])
def test_one_process_and_two_actors_write_the_same_bytes(tmp_path: Path, number: int) -> None:
    path = recipes(tmp_path)[number]
    helpers.run(path, tmp_path / "local", samples=8)
    grown = helpers.run(path, tmp_path / "local")
    assert grown.complete and grown.n_rendered == 1
    words = ["-o", tmp_path / "ray", "--device", "cpu", "--executor", "ray", "--workers", 2]
    done = helpers.call(helpers.command("run", path, *words))
    assert done.returncode == 0, done.stderr
    assert helpers.snapshot(tmp_path / "local") == helpers.snapshot(tmp_path / "ray")

"""A model that gives no numbers ends a run in one sentence, and not in black images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import helpers
from synthgen.models.folders import STARTERS

RECIPE = """\
kind: dataset
name: broken
shard_size: 4
condition: {use: classes, quotas: {Bag: 2, Dress: 2}}
sampler: {use: class-conditional, model: MODEL, steps: 2}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "model/unet: weights are not finite (float32) in conv_out.weight"),
        (3e38, "sampler class-conditional (model {model}, float32): returned "),
    ],
)
def test_a_broken_model_ends_the_run(tmp_path: Path, value: float, message: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(STARTERS / "fashion-mnist", model)
    file = next((model / "unet").glob("*.safetensors"))
    tensors = load_file(file)
    tensors["conv_out.weight"] = torch.full_like(tensors["conv_out.weight"], value)
    save_file(tensors, file)
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace("MODEL", str(model)))
    ended = helpers.call(helpers.command("run", path, "-o", tmp_path / "out", "--device", "cpu", "--workers", 1))
    assert ended.returncode == 1, ended.stderr
    assert message.format(model=model) in ended.stderr
    assert "Traceback" not in ended.stderr

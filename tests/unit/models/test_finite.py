"""Numbers that are none: in weights when a model is loaded, and in what networks return."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import tiny
from synthgen.errors import ModelError, NonFiniteError
from synthgen.labelers import detected
from synthgen.models import hub, registry, sampling
from synthgen.models.finite import finite
from synthgen.models.folders import STARTERS


def changed(tmp_path: Path, model: str | Path, part: str, change: Any) -> Path:
    """A copy of a model folder, after `change` was called with the tensors of one of its parts."""
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    file = next((copy / part).glob("*.safetensors"))
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, {"format": "pt"})
    return copy


def name_of_one(tensors: dict[str, torch.Tensor]) -> str:
    return "conv_out.bias" if "conv_out.bias" in tensors else min(tensors)


def spoil(tensors: dict[str, torch.Tensor], value: float = float("nan")) -> None:
    tensors[name_of_one(tensors)].view(-1)[0] = value


def drop(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[name_of_one(tensors)]


def add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["more.weight"] = torch.zeros(2)


def test_numbers_pass_and_others_are_counted() -> None:
    values = np.array([1.0, 2.0])
    assert finite(values, "scores") is values
    with pytest.raises(NonFiniteError, match="returned nan; 1 of 2 scores are not finite"):
        finite(np.array([1.0, np.nan]), "scores")
    with pytest.raises(NonFiniteError, match="returned inf; 2 of 4 logits"):
        finite(torch.tensor([[1.0, float("inf")], [float("-inf"), 0.0]]), "logits")


def test_no_picture_is_made_of_what_is_no_number() -> None:
    assert sampling.as_pixels(np.array([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]
    with pytest.raises(NonFiniteError, match="pixel values"):
        sampling.as_pixels(np.array([0.0, np.nan]))


def test_a_box_without_a_score_is_no_missing_box() -> None:
    config = detected.DetectSettings(model="m", objects={"cat": "a cat"})
    boxes = np.array([[1.0, 1.0, 5.0, 5.0]])
    with pytest.raises(NonFiniteError, match="scores of boxes"):
        detected.kept(config, [(boxes, np.array([np.nan]))], (8, 8))
    with pytest.raises(NonFiniteError, match="corners of boxes"):
        detected.kept(config, [(boxes * np.nan, np.array([0.9]))], (8, 8))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil, r"unet: weights are not finite \(float32\) in conv_out.bias"),
        (drop, r"unet: the file of weights lacks 1 tensor \(conv_out.bias\)"),
        (add, r"unet: the file of weights holds 1 tensor \(more.weight\), for which there is no place"),
    ],
)
def test_a_damaged_pipeline_is_refused_when_it_is_loaded(tmp_path: Path, change: Any, message: str) -> None:
    own = changed(tmp_path, STARTERS / "fashion-mnist", "unet", change)
    with pytest.raises(ModelError, match=message):
        registry.load_pipeline(own, "cpu", torch.float32)
    shutil.rmtree(own)
    other = changed(tmp_path, tiny.stable_diffusion(), "unet", change)
    with pytest.raises(ModelError, match=message):
        hub.load_pipeline(hub.pipeline_reference(hub.ModelSettings(model=str(other))), "Text2Image", torch.float32)


def test_a_damaged_text_encoder_is_refused(tmp_path: Path) -> None:
    copy = changed(tmp_path, tiny.stable_diffusion(), "text_encoder", drop)
    with pytest.raises(ModelError, match="text_encoder: the file of weights lacks 1 tensor"):
        hub.load_pipeline(hub.pipeline_reference(hub.ModelSettings(model=str(copy))), "Text2Image", torch.float32)


@pytest.mark.parametrize("change", [spoil, drop, add])
def test_a_damaged_network_is_refused_when_it_is_loaded(tmp_path: Path, change: Any) -> None:
    copy = changed(tmp_path, STARTERS / "fashion-mnist-filter", ".", change)
    with pytest.raises(ModelError, match="weights"):
        registry.load_network(copy, "cpu")


def test_a_weight_too_large_for_its_number_format_is_refused(tmp_path: Path) -> None:
    copy = changed(tmp_path, STARTERS / "fashion-mnist", "unet", lambda tensors: spoil(tensors, 1e6))
    with pytest.raises(ModelError, match=r"not finite \(float16\)"):
        registry.load_pipeline(copy, "cpu", torch.float16)


def test_what_a_network_makes_of_sound_weights_is_checked_as_well() -> None:
    pipeline = registry.load_pipeline(STARTERS / "fashion-mnist", "cpu", torch.float32)
    with torch.no_grad():
        pipeline.unet.conv_out.weight.fill_(3e38)
    with pytest.raises(NonFiniteError, match="denoised numbers"):
        pipeline([0], num_inference_steps=1, output_type="uint8")
    network = registry.load_network(STARTERS / "fashion-mnist-filter", "cpu")
    with torch.no_grad():
        network.head.weight.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="outputs"):
        network.predict_proba(np.zeros((1, 28, 28, 1), dtype=np.uint8))

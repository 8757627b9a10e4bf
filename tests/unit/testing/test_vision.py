"""Small models that see: of the library's own classes, the same every time, and different for different images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import transformers

import tiny
from synthgen import testing
from synthgen.testing import words

CLASSES = {
    "sam2": ("AutoModelForMaskGeneration", "Sam2Model"),
    "sam3": ("AutoModel", "Sam3Model"),
    "sam3_tracker": ("AutoModelForMaskGeneration", "Sam3TrackerModel"),
    "clip": ("AutoModel", "CLIPModel"),
    "siglip": ("AutoModel", "SiglipModel"),
    "owlv2": ("AutoModelForZeroShotObjectDetection", "Owlv2ForObjectDetection"),
    "grounding-dino": ("AutoModelForZeroShotObjectDetection", "GroundingDinoForObjectDetection"),
    "depth_anything": ("AutoModelForDepthEstimation", "DepthAnythingForDepthEstimation"),
    "vit": ("AutoModelForImageClassification", "ViTForImageClassification"),
    "dinov2": ("AutoModel", "Dinov2Model"),
}


def test_every_kind_of_this_module_is_looked_at() -> None:
    assert {kind for kind, module in testing.KINDS.items() if module.endswith(".vision")} == set(CLASSES)


@pytest.mark.parametrize("kind", CLASSES)
def test_it_is_called_by_its_model_type_and_loads_as_the_real_thing(kind: str) -> None:
    folder = Path(tiny.small(kind))
    assert json.loads((folder / "config.json").read_text())["model_type"] == kind
    auto, name = CLASSES[kind]
    model, info = getattr(transformers, auto).from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__ == name
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    assert sum(parameter.numel() for parameter in model.parameters()) < 1e6
    transformers.AutoImageProcessor.from_pretrained(folder)
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md", ".jinja"}
    assert "license: cc0-1.0" in (folder / "README.md").read_text()


@pytest.mark.parametrize("kind", ["clip", "owlv2", "grounding-dino"])
def test_weights_are_the_same_every_time(kind: str, tmp_path: Path) -> None:
    again = Path(testing.make(kind, tmp_path))
    first = Path(tiny.small(kind))
    assert (again / "model.safetensors").read_bytes() == (first / "model.safetensors").read_bytes()


def test_a_letter_has_the_same_number_in_every_text() -> None:
    tokenizer, n_words = words.bert_tokenizer()
    ids = tokenizer("a cat. zebra?")["input_ids"]
    assert (ids[0], ids[-1], ids.count(1012), ids.count(1029)) == (101, 102, 1, 1)
    assert 100 not in ids and max(ids) < n_words
    tokenizer, n_words = words.owl_tokenizer()
    ids = tokenizer("a cat", padding="max_length")["input_ids"]
    assert len(ids) == words.LIMIT and ids[-1] == 0, "filled up with number 0"
    assert ids[0] == n_words - 2 and max(ids) == n_words - 1, "the last number ends a text"


def test_what_is_found_depends_on_the_picture_and_on_the_text() -> None:
    from synthgen.models import embeddings, hub

    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(2)]
    for kind in ("clip", "siglip", "dinov2"):
        reference = hub.reference(hub.ModelSettings(model=tiny.small(kind)), kind)
        embedder = embeddings.Embedder(reference, "cpu", texts=kind != "dinov2")
        a, b = embedder.pictures(images)
        assert (a * a).sum() == pytest.approx(1) and (a * b).sum() < 1 - 1e-6
        if kind != "dinov2":
            assert (embedder.text("a cat") * embedder.text("a zebra")).sum() < 1 - 1e-6

"""The classifier network: shapes, save and load, probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthgen.models import registry
from synthgen.models.images.classifier import ImageClassifier


@pytest.mark.parametrize("kind", ["plain", "resnet"])
def test_folder_predicts_what_the_network_predicted(tmp_path: Path, kind: str) -> None:
    torch.manual_seed(0)
    network = ImageClassifier({"0": "cat", "1": "dog"}, 12, 3, kind, (8, 16), temperature=2.0).eval()
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 3), dtype=np.uint8)
    before = network.predict_proba(images)
    network.save_pretrained(tmp_path)
    loaded = registry.load_network(tmp_path, "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(images), before)
    assert loaded.classes == ["cat", "dog"]
    np.testing.assert_allclose(before.sum(1), 1, rtol=1e-5)
    assert loaded.features(images).shape == (5, 16)


def test_temperature_softens_probabilities() -> None:
    torch.manual_seed(0)
    sharp = ImageClassifier({"0": "a", "1": "b"}, 8, 1, "plain", (8,)).eval()
    soft = ImageClassifier({"0": "a", "1": "b"}, 8, 1, "plain", (8,), temperature=5.0).eval()
    soft.load_state_dict(sharp.state_dict())
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    assert (soft.predict_proba(images).max(1) <= sharp.predict_proba(images).max(1)).all()

"""What a starter generates has neither a frame nor a grid, by the measures of its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import helpers
import synthgen
from synthgen.vision import roughness

pytestmark = pytest.mark.slow


def test_nuclei_have_no_frame_and_no_grid(tmp_path: Path) -> None:
    """Real ones have 0.9 to 1.1 of both; with patches of two pixels and zeros at the border it was 1.8 and 2 to 25."""
    out = tmp_path / "out"
    first_tries = ["keep=[]", "labelers=[]", "scorers=[]", "splits={train: 1.0}"]
    synthgen.run(helpers.ROOT / "recipes" / "segmentation.yaml", out, samples=20, overrides=first_tries)
    images = np.stack([sample["image"] for sample in synthgen.load(out)])
    assert roughness.border(images) < 1.3
    assert roughness.highest_frequency(images) < 1.3

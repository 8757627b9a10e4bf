"""The same recipe on a GPU: repeatable there, and close to what the CPU generates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import helpers
import synthgen
from synthgen import api

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]
SMALL = ["shard_size=16", "batch_size=16", "sampler.steps=6", "keep=[]"]


def drawn(name: str, out: Path, device: str) -> list[np.ndarray]:
    recipe = helpers.ROOT / "recipes" / name
    assert api.run(recipe, out, samples=32, overrides=SMALL, device=device, executor="local", workers=1).complete
    return [sample["image"] for sample in synthgen.load(out)]


@pytest.mark.parametrize("name", ["classification.yaml", "segmentation.yaml", "detection.yaml"])
def test_repeatable_and_close_to_the_cpu(name: str, tmp_path: Path) -> None:
    first, second = drawn(name, tmp_path / "a", "cuda"), drawn(name, tmp_path / "b", "cuda")
    assert helpers.snapshot(tmp_path / "a") == helpers.snapshot(tmp_path / "b")
    differences = [
        np.abs(a.astype(int) - b).mean() for a, b in zip(first, drawn(name, tmp_path / "c", "cpu"), strict=True)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert np.median(differences) < 2


def test_prompted_pictures_are_decoded_beside_the_next_batch(tmp_path: Path) -> None:
    """Drawing ahead and decoding in a stream of its own change nothing: batches come out as they do one by one."""
    import tiny
    from synthgen import seeds
    from synthgen.fields import Text
    from synthgen.parts.protocols import Slot
    from synthgen.samplers.text_to_image import TextToImage

    part = TextToImage(TextToImage.Config(model=tiny.stable_diffusion(), steps=4))
    assert part.bind({"prompt": Text()}) == []
    part.setup("cuda")
    slots = [Slot(i, {"prompt": "a cat"}, "train") for i in range(8)]
    some = [seeds.seed_of(0, "s", i) for i in range(8)]
    ahead = [part.sample(slots[i : i + 4], some[i : i + 4])["image"] for i in (0, 4)]
    for start, pictures in zip((0, 4), ahead, strict=True):
        alone = part.sample(slots[start : start + 4], some[start : start + 4])["image"]
        assert all((a == b).all() for a, b in zip(pictures, alone, strict=True))

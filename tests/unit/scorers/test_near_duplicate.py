"""`use: near-duplicate`: copies of a folder's images are found, and other images are not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

import tiny
from synthgen.errors import DataError, ModelError
from synthgen.fields import Image
from synthgen.scorers.near_duplicate import NearDuplicate

SIDE = 48


def scene(seed: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """An image of soft coloured spots."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Pillow.fromarray(coarse).resize((width, height), Pillow.Resampling.BICUBIC))


def jpeg(picture: np.ndarray, quality: int = 60) -> np.ndarray:
    out = io.BytesIO()
    Pillow.fromarray(picture).save(out, "JPEG", quality=quality)
    return np.asarray(Pillow.open(out))


@pytest.fixture
def real(tmp_path: Path) -> str:
    (tmp_path / "real").mkdir()
    for i in range(18):
        Pillow.fromarray(scene(i)).save(tmp_path / "real" / f"p{i:02d}.png")
    return str(tmp_path / "real")


def scored(images: list[np.ndarray], **settings: Any) -> dict[str, Any]:
    part = NearDuplicate(NearDuplicate.Config(**settings))
    height, width, channels = images[0].shape
    assert part.bind({"image": Image(height, width, channels)}) == []
    part.setup("cpu")
    added = dict(part.annotate({"image": images}, [0] * len(images)))
    assert set(added) == set(part.fields)
    return added


def test_copies_are_found_and_other_pictures_are_not(real: str) -> None:
    copies = [scene(5), jpeg(scene(5)), jpeg(scene(17), 30), (scene(3) * 0.8).astype(np.uint8)]
    others = [scene(100 + i) for i in range(8)]
    bits = scored([*copies, *others], folder=real)["copy_bits"]
    assert bits[0] == 0
    assert max(bits[:4]) <= 4
    assert min(bits[4:]) >= 12


def test_embeddings_are_compared_if_a_model_is_given(real: str) -> None:
    copies, others = [scene(0), scene(17)], [scene(100 + i) for i in range(6)]
    for model in (tiny.dinov2(), tiny.clip(), tiny.siglip()):
        added = scored([*copies, *others], folder=real, model=model, name="train")
        assert added["train_similarity"][:2] == pytest.approx([1, 1], abs=1e-5)
        assert max(added["train_similarity"][2:]) < 1 - 1e-5
        assert added["train_bits"][:2] == [0, 0]


def test_a_similarity_is_the_largest_one_of_all(real: str) -> None:
    import torch
    import transformers

    processor = transformers.AutoImageProcessor.from_pretrained(tiny.dinov2())
    network = transformers.AutoModel.from_pretrained(tiny.dinov2()).eval()

    def vector(picture: np.ndarray) -> torch.Tensor:
        with torch.no_grad():
            return network(**processor(images=picture, return_tensors="pt")).pooler_output[0]

    asked = scene(100)
    theirs = [float(torch.cosine_similarity(vector(asked), vector(scene(i)), dim=0)) for i in range(18)]
    (value,) = scored([asked], folder=real, model=tiny.dinov2())["copy_similarity"]
    assert value == pytest.approx(max(theirs), abs=1e-5)


def test_larger_and_wider_pictures_are_cut_as_training_cuts_them(tmp_path: Path) -> None:
    (tmp_path / "wide").mkdir()
    wide = np.zeros((4 * SIDE, 6 * SIDE, 3), dtype=np.uint8)
    wide[:, SIDE : 5 * SIDE] = scene(1, 4 * SIDE, 4 * SIDE)
    Pillow.fromarray(wide).save(tmp_path / "wide" / "photo.png")
    bits = scored([scene(1), scene(2)], folder=str(tmp_path / "wide"))["copy_bits"]
    assert bits[0] <= 2 and bits[1] >= 12


def test_grey_samples(real: str) -> None:
    grey = [np.asarray(Pillow.fromarray(scene(i)).convert("L"))[..., None] for i in (4, 100)]
    bits = scored(grey, folder=real)["copy_bits"]
    assert bits[0] <= 2 and bits[1] >= 12


def test_sources_and_what_is_refused(real: str, tmp_path: Path) -> None:
    part = NearDuplicate(NearDuplicate.Config(folder=real, folder_licence="cc-by-4.0", model=tiny.dinov2()))
    assert [(source.kind, source.licence) for source in part.sources] == [("data", "cc-by-4.0"), ("model", "cc0-1.0")]
    assert part.identity() != NearDuplicate(NearDuplicate.Config(folder=real)).identity()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no images"):
        NearDuplicate(NearDuplicate.Config(folder=str(tmp_path / "empty")))
    with pytest.raises(ModelError, match="type vit; clip or siglip or siglip2 or dinov2 is needed"):
        NearDuplicate(NearDuplicate.Config(folder=real, model=tiny.vit()))
    Path(real, "p00.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"p00\.png: is no readable image"):
        scored([scene(0)], folder=real)

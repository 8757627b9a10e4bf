"""Class-conditional training with few labels: what images without labels and the balance of classes change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from synthgen.models import registry
from synthgen.models.images.layout_to_image import HIDDEN
from synthgen.readers.images.labelled import LabelledImages
from synthgen.trainers.images.class_conditional import ClassConditionalTrainer, LabelledSource
from synthgen.trainers.images.classifier import ClassifierTrainer
from synthgen.trainers.images.layout_to_image import LayoutToImageTrainer
from synthgen.training.batches import part_of

SETTINGS = {
    "network": {"patch_size": 2, "channels": [16, 16], "attention_levels": 0},
    "steps": 150,
    "learning_rate": 5e-3,
    "ema_decay": 0.9,
    "batch_size": 32,
    "warmup_steps": 10,
    "checkpoint_every": 1000,
    "sample_every": 1000,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of 8 x 8 pixels with a bright band at the top or at the bottom: the four labelled ones are dark on the
    right, and half of those without labels are dark on the left.
    """
    root = tmp_path_factory.mktemp("bands")
    random = np.random.default_rng(0)
    for i in range(104):
        pixels = random.normal(60, 12, (8, 8))
        pixels[slice(0, 3) if i % 2 else slice(5, 8)] += 120
        pixels[:, :2] += 60
        has_label = i < 8
        if not has_label and i % 4 >= 2:
            pixels = pixels[:, ::-1]
        folder = root / "labelled" / ("bottom", "top")[i % 2] if has_label else root / "more"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:03d}.png")
    return root


def train(root: Path, out: Path, **more: Any) -> Path:
    data = {"path": str(root / "labelled"), "validation": 0.25, **more}
    config = ClassConditionalTrainer.Config.model_validate({"data": data, **SETTINGS})
    return ClassConditionalTrainer(config).train(out, 0, device="cpu", quiet=True)


def drawn(out: Path, guidance: float) -> np.ndarray:
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    made = pipeline([0] * 64, guidance, latents=latents, num_inference_steps=10, output_type="uint8").images
    return made[..., 0].astype(float)


def test_images_without_labels_teach_what_images_look_like(root: Path, tmp_path: Path) -> None:
    alone, more = train(root, tmp_path / "alone"), train(root, tmp_path / "more", unlabelled=str(root / "more"))
    sides = [drawn(out, 0.0)[:, :, 6:].mean((1, 2)) - drawn(out, 0.0)[:, :, :2].mean((1, 2)) for out in (alone, more)]
    assert (sides[0] > 0).mean() < 0.05, "without them, no image is bright on the right"
    assert 0.25 < (sides[1] > 0).mean() < 0.75
    bottoms = drawn(more, 1.0)
    assert (bottoms[:, 5:].mean((1, 2)) > bottoms[:, :3].mean((1, 2)) + 40).mean() > 0.9, "classes are kept apart"
    card = (more / "README.md").read_text()
    assert "images without labels | 72, 50% of a batch" in card
    assert "## Scores on held-out images without labels" in card


def test_one_image_of_a_class_is_enough_beside_others_without(root: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    for name in ("bottom", "top"):
        path = sorted((root / "labelled" / name).iterdir())[0]
        (few / name).mkdir(parents=True)
        (few / name / path.name).write_bytes(path.read_bytes())
    data = {"path": str(few), "unlabelled": str(root / "more")}
    config = ClassConditionalTrainer.Config.model_validate({"data": data, **SETTINGS, "steps": 2})
    out = ClassConditionalTrainer(config).train(tmp_path / "out", 0, device="cpu", quiet=True)
    assert "validation loss" in (out / "README.md").read_text()


@pytest.mark.parametrize(("size", "share", "n"), [(64, 0.5, 32), (8, 0.01, 1), (8, 0.99, 7)])
def test_both_kinds_are_in_every_batch(size: int, share: float, n: int) -> None:
    assert part_of(size, share) == n


@pytest.mark.parametrize(("balance", "low", "high"), [(0.0, 0.05, 0.05), (0.5, 0.11, 0.28), (1.0, 0.4, 0.6)])
def test_rare_classes_are_drawn_more_often(balance: float, low: float, high: float) -> None:
    labels = np.repeat([0, 1], [190, 10])
    images = LabelledImages(np.zeros((200, 4, 4, 1), np.uint8), labels, ("common", "rare"))
    source = LabelledSource(images, images, flip=False, dropout=0.0, balance=balance)
    batch = source.batch(torch.arange(200), torch.Generator().manual_seed(0))
    assert low <= (batch.labels == 1).sum() / 200 <= high


def test_a_classifier_says_that_it_needs_labels(root: Path) -> None:
    with pytest.raises(ValueError, match="a classifier learns from labelled images alone"):
        ClassifierTrainer.Config.model_validate({"data": {"path": str(root / "labelled"), "unlabelled": "more"}})


def test_images_without_masks_teach_what_images_look_like(tmp_path: Path) -> None:
    """Discs are bright on a dark ground; where the disc is, masks of four images say. Only images without masks have a
    bright frame at the left."""
    random = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    ys, xs = np.mgrid[:16, :16]
    for i in range(64):
        top, left = random.integers(4, 12, 2)
        disc = (ys - top) ** 2 + (xs - left) ** 2 < 10
        pixels = random.normal(60, 8, (16, 16)) + 120 * disc
        pixels[:, :3] += 150 if i >= 8 else 0
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "images" / f"{i:02d}.png")
        if i < 8:
            Image.fromarray(disc.astype(np.uint8)).save(tmp_path / "masks" / f"{i:02d}.png")
    data = {"path": str(tmp_path), "mask_kind": "binary", "objects": ["disc"], "validation": 0.25}
    made = {}
    for name, more in (("alone", {}), ("more", {"unlabelled": str(tmp_path / "images")})):
        layered = {"network": {"patch_size": 1, "channels": [16, 16], "attention_levels": 0}, "crop": 16, "steps": 200}
        config = LayoutToImageTrainer.Config.model_validate({"data": {**data, **more}, **SETTINGS, **layered})
        if not more:
            (tmp_path / "hidden").mkdir()
            for path in sorted((tmp_path / "images").iterdir())[8:]:
                path.rename(tmp_path / "hidden" / path.name)
        out = LayoutToImageTrainer(config).train(tmp_path / name, 0, device="cpu", quiet=True)
        for path in (tmp_path / "hidden").iterdir():
            path.rename(tmp_path / "images" / path.name)
        pipeline = registry.load_pipeline(out, "cpu", torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        noise = torch.randn(32, 3, 16, 16, generator=torch.Generator().manual_seed(1))
        hidden = torch.full((32, 1, 16, 16), HIDDEN)
        drawn = pipeline(hidden, [0] * 32, [0] * 32, latents=noise, num_inference_steps=10, output_type="uint8").images
        made[name] = (drawn[:, :, :3].astype(float).mean((1, 2, 3)) > 120).mean()
    assert made["alone"] < 0.05 and made["more"] > 0.4
    card = (tmp_path / "more" / "README.md").read_text()
    assert "images without masks | 42, 50% of a batch" in card, "a quarter is what validation sees"
    assert "held-out images without labels" in card

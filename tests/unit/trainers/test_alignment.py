"""Alignment: a frozen segmenter's loss on predicted images, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from synthgen.errors import ModelError
from synthgen.models import folders, registry
from synthgen.models.images.unet import normalised, prepare
from synthgen.models.losses import Denoised
from synthgen.trainers.images.alignment import Alignment, AlignmentSettings

OBJECTS = ("cell",)


def alignment(covered: bool = False, **settings: float) -> Alignment:
    wanted = AlignmentSettings.model_validate({"model": str(tiny.segmenter()), "max_sigma": 0.5, **settings})
    return Alignment(wanted, OBJECTS, covered, 1.0, "cpu")


def seen(sigma: tuple[float, ...]) -> Denoised:
    random = torch.Generator().manual_seed(0)
    clean = torch.rand(len(sigma), 3, 24, 32, generator=random).mul(2).sub(1).requires_grad_()
    return Denoised(torch.zeros(len(sigma)), clean, torch.tensor(sigma))


def layout(n: int) -> torch.Tensor:
    channels = torch.full((n, 1, 24, 32), -1.0)
    channels[:, 0, 4:12, 4:12] = 0.7
    return channels


def test_noisy_images_and_hidden_layouts_add_nothing() -> None:
    channels = layout(3)
    channels[1] = 0.0
    found, images = alignment(), seen((0.1, 0.1, 2.0))
    losses = found.losses(images, channels)
    assert losses[0] > 0 and losses[1] == losses[2] == 0
    losses.sum().backward()
    assert images.clean.grad is not None
    assert images.clean.grad[0].abs().sum() > 0 and not images.clean.grad[1:].any()


def test_the_loss_is_the_cross_entropy_of_the_segmenter() -> None:
    network = registry.load_network(folders.resolve(str(tiny.segmenter())), "cpu")
    images = seen((0.1,))
    losses = alignment(weight=0.5).losses(images, layout(1))
    pixels = images.clean.detach().add(1).div(2).mul(255)
    with torch.no_grad():
        logits, _ = network(normalised(pixels))
    classes = torch.zeros(1, 24, 32, dtype=torch.long)
    classes[:, 4:12, 4:12] = 1
    expected = torch.nn.functional.cross_entropy(logits[:, :, :24, :32], classes)
    assert float(losses[0].detach()) == pytest.approx(0.5 * float(expected), rel=1e-4)


def test_where_layouts_cover_images_other_pixels_are_unknown() -> None:
    images = seen((0.1,))
    assert float(alignment(covered=True).losses(images, layout(1))[0]) != pytest.approx(
        float(alignment().losses(images, layout(1))[0])
    )


def test_segmenters_of_other_classes_are_refused() -> None:
    with pytest.raises(ModelError, match=r"alignment\.model: .* knows cell; the data have sky"):
        Alignment(AlignmentSettings(model=str(tiny.segmenter())), ("sky",), True, 1.0, "cpu")


def test_pixels_with_gradients_are_scaled_as_images_are() -> None:
    images = np.random.default_rng(0).integers(10, 200, (2, 16, 16, 3), dtype=np.uint8)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    assert torch.equal(normalised(floats), prepare(images))

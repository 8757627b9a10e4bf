"""Frames and grids are seen; smooth, rough and noisy images without them are not taken for any."""

import numpy as np
import pytest

from synthgen.vision import roughness


@pytest.fixture
def images() -> np.ndarray:
    """Smoothed noise, as photographs have less and less of finer structure."""
    noise = np.random.default_rng(0).normal(size=(8, 48, 64, 3))
    for axis in (1, 2):
        noise = 2 * noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
    return (128 + 8 * noise).clip(0, 255).astype(np.uint8)


def test_images_without_frame_and_grid(images: np.ndarray) -> None:
    assert roughness.border(images) == pytest.approx(1, abs=0.1)
    assert roughness.highest_frequency(images) < 1.1
    white = np.random.default_rng(0).integers(0, 255, images.shape, np.uint8)
    assert roughness.border(white) == pytest.approx(1, abs=0.1)
    assert roughness.highest_frequency(white) == pytest.approx(1, abs=0.3)


def test_a_frame_is_seen(images: np.ndarray) -> None:
    images[:, [0, -1]] //= 2
    images[:, :, [0, -1]] //= 2
    assert roughness.border(images) > 1.3
    assert roughness.highest_frequency(images) < 1.1


@pytest.mark.parametrize("channel", [0, 2])
def test_a_grid_is_seen_in_any_channel(images: np.ndarray, channel: int) -> None:
    images[:, ::2, ::2, channel] //= 2
    assert roughness.highest_frequency(images) > 2
    assert roughness.border(images) == pytest.approx(1, abs=0.15)


def test_the_laplacian_is_that_of_the_grey_image() -> None:
    image = np.zeros((1, 9, 9, 3), np.uint8)
    image[0, 4, 4] = 30
    found = roughness.laplacian(image)
    assert found[0, 3, 3] == 120 and found[0, 3, 4] == 30 and found.sum() == 240

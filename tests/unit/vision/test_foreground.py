"""Foreground by colour: dark on light and light on dark, pale beside strong, and images that have none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from synthgen.vision.foreground import foreground, unboxed

SIDE = 64


def discs(background: tuple[int, ...], *objects: tuple[int, int, int, tuple[int, ...]], noise: float = 0) -> np.ndarray:
    """An image with discs of (x, y, radius, colour)."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    image = np.tile(np.array(background, dtype=float), (SIDE, SIDE, 1))
    for centre_x, centre_y, radius, colour in objects:
        image[np.hypot(x - centre_x, y - centre_y) < radius] = colour
    image += np.random.default_rng(0).normal(0, noise, image.shape)
    return image.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("background", "colour"), [((220,), (120,)), ((20,), (160,)), ((230, 225, 235), (200, 150, 150))]
)
@pytest.mark.parametrize("noise", [0, 8])
def test_objects_are_found_on_light_and_dark_backgrounds(
    background: tuple[int, ...], colour: tuple[int, ...], noise: float
) -> None:
    image = discs(background, (20, 20, 10, colour), (45, 45, 8, colour), noise=noise)
    found, truth = foreground(image), (discs((0,), (20, 20, 10, (1,)), (45, 45, 8, (1,)))[..., 0] > 0)
    assert found[truth].all()
    beside = found & ~ndimage.binary_dilation(truth, iterations=2)  # the blur makes objects a little larger
    assert beside.mean() < 0.01


def test_a_strong_stain_does_not_hide_pale_objects() -> None:
    image = discs((225, 225, 225), (16, 16, 12, (60, 20, 130)), (46, 46, 10, (205, 175, 175)), noise=3)
    assert foreground(image)[40:52, 40:52].all()


def test_objects_may_cover_most_of_the_image() -> None:
    """Their colours differ, so the background is still the most frequent one."""
    rows = [(x, y, 9, (190 - 2 * x, 120 + x, 90 + y)) for x in (10, 30, 50) for y in (10, 30, 50)]
    image = discs((225, 225, 225), *rows, noise=2)
    found = foreground(image)
    assert found[30, 30] and found[10, 50]
    assert not found[20, 20] and not found[60, 62]


def test_images_without_objects_have_no_foreground() -> None:
    assert not foreground(discs((128, 130, 127))).any()
    assert not foreground(discs((128,), noise=2)).any()


def test_what_boxes_cover_is_left_out() -> None:
    image = discs((220,), (20, 20, 10, (90,)), (45, 45, 8, (90,)))
    boxes = np.array([[10, 10, 30, 30, 1]], dtype=np.float32)
    found, outside = unboxed(image, boxes, 2)
    assert (found[:32, :32] & ~outside[:32, :32]).sum() == found[:32, :32].sum()
    assert outside[35:55, 35:55].sum() == outside.sum() == found[32:, 32:].sum()


def test_the_margin_is_in_pixels() -> None:
    image = np.full((SIDE, SIDE, 1), 230, np.uint8)
    image[20:40, 20:40] = 40
    box = np.array([[25, 20, 35, 40, 1]], dtype=np.float32)
    areas = [int(unboxed(image, box, margin)[1][22:38].sum()) / 16 for margin in (0, 3, 10)]
    assert areas[0] - areas[1] == 6
    assert areas[2] == 0

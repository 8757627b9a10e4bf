"""Magnified and recoloured crops, and what a pixel of each class counts."""

import numpy as np
import pytest
import torch

from synthgen.fields import IGNORE
from synthgen.readers.masks.types import Example, Examples
from synthgen.trainers.images import augment
from synthgen.trainers.images.segmenter import class_weights
from synthgen.vision.layouts import Layout


def example(segmentation: np.ndarray) -> Example:
    image = np.repeat(segmentation[..., None] * 60, 3, axis=2).astype(np.uint8)
    return Example("one", image, 0, Layout(np.zeros(segmentation.shape, np.uint16), segmentation.astype(np.uint8)))


def test_images_and_maps_are_magnified_together() -> None:
    quarters = np.kron(np.array([[1, 2], [3, IGNORE]]), np.ones((4, 6), int))
    found = augment.magnified(example(quarters), (16, 24))
    assert found.layout is not None
    np.testing.assert_array_equal(found.layout.segmentation, np.kron(quarters, np.ones((2, 2), int)))
    assert found.image.shape == (16, 24, 3)
    for row, column in ((2, 2), (2, 20), (12, 2)):
        assert found.image[row, column, 0] == found.layout.segmentation[row, column] * 60
    assert set(np.unique(found.layout.segmentation)) == {1, 2, 3, IGNORE}  # ids are never mixed


def test_the_window_is_smaller_by_the_factor_at_most() -> None:
    random = torch.Generator().manual_seed(0)
    assert augment.window((72, 96), 1.0, random) == (72, 96)
    windows = [augment.window((72, 96), 2.0, random) for _ in range(200)]
    heights = [height for height, _ in windows]
    assert 36 <= min(heights) < 40 and 68 < max(heights) <= 72
    assert all(abs(width - height * 4 / 3) < 2 for height, width in windows)


def test_jitter_changes_colours_and_nothing_else() -> None:
    item = example(np.arange(12).reshape(3, 4) % 4)
    assert augment.jittered(item, 0.0, torch.Generator()) is item
    one = augment.jittered(item, 0.5, torch.Generator().manual_seed(1))
    other = augment.jittered(item, 0.5, torch.Generator().manual_seed(2))
    assert one.layout is item.layout and one.image.dtype == np.uint8
    assert (one.image != item.image).any() and (one.image != other.image).any()
    same = augment.jittered(item, 0.5, torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(one.image, same.image)


@pytest.mark.parametrize(("balance", "ratio"), [(0.5, 3.0), (1.0, 9.0)])
def test_rare_classes_count_more_and_the_mean_stays_one(balance: float, ratio: float) -> None:
    segmentation = np.full((10, 10), 1)
    segmentation[0, :] = 2  # a ninth of the other class
    with_unknown = np.vstack([segmentation, np.full((3, 10), IGNORE)])
    examples = Examples((example(with_unknown),), ("street",), ("road", "pole", "never"))
    assert class_weights(examples, 0.0) is None
    found = class_weights(examples, balance)
    assert found is not None and found[0] == 0 and found[3] == 0
    assert float(found[2] / found[1]) == pytest.approx(ratio)
    assert float(found[1] * 0.9 + found[2] * 0.1) == pytest.approx(1)

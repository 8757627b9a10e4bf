"""Magnified and recoloured crops, and what a pixel of each class counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import tiny
from synthgen.fields import IGNORE
from synthgen.readers.masks.types import Example, Examples
from synthgen.trainers.images import augment
from synthgen.trainers.images.segmenter import SegmenterTask, SegmenterTrainer, class_weights
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


def discs(classes: list[int], value: int) -> Example:
    """Squares of 4 x 6 pixels side by side on black, each with its class and its own brightness."""
    instances, image = np.zeros((16, 8 * len(classes)), np.uint16), np.zeros((16, 8 * len(classes), 3), np.uint8)
    for i, _ in enumerate(classes):
        instances[6:10, 8 * i + 1 : 8 * i + 7] = i + 1
        image[6:10, 8 * i + 1 : 8 * i + 7] = value + i
    segmentation = np.array([0, *classes], np.uint8)[instances]
    return Example("squares", image, 0, Layout(instances, segmentation))


def test_objects_are_pasted_with_their_pixels_and_classes() -> None:
    item, source = discs([1], 50), discs([1, 2, 3, 2], 100)
    before = item.image.copy()
    seen = set[int]()
    for seed in range(20):
        found = augment.pasted(item, source, True, False, torch.Generator().manual_seed(seed))
        assert found.layout is not None and item.layout is not None
        layout = found.layout
        numbers = np.unique(layout.instances[layout.instances > 1])
        assert len(numbers) >= 1
        for number in numbers:
            inside = layout.instances == number
            (value,) = np.unique(found.image[inside])
            (cls,) = np.unique(layout.segmentation[inside])
            assert cls == [1, 2, 3, 2][value - 100]
            assert inside.sum() <= 24
            seen.add(int(np.ptp(np.nonzero(inside)[0])))
        rest = layout.instances <= 1
        np.testing.assert_array_equal(layout.segmentation[rest], item.layout.segmentation[rest])
        np.testing.assert_array_equal(found.image[rest], item.image[rest])
    np.testing.assert_array_equal(item.image, before)
    assert {3, 5} <= seen, "some are turned"
    upright = [augment.pasted(item, source, False, False, torch.Generator().manual_seed(i)) for i in range(20)]
    spans = [np.ptp(np.nonzero(one.layout.instances > 1)[0]) for one in upright if one.layout is not None]
    assert min(spans) == 3


def test_large_objects_and_images_without_any_are_left_out() -> None:
    item = discs([1], 50)
    large = Example("large", np.full((40, 40, 3), 9, np.uint8), 0, Layout(*(np.ones((40, 40), t) for t in "HB")))
    empty = Example("empty", item.image, 0, Layout(np.zeros((4, 4), np.uint16), np.zeros((4, 4), np.uint8)))
    for source in (large, empty):
        found = augment.pasted(item, source, False, False, torch.Generator().manual_seed(0))
        np.testing.assert_array_equal(found.image, item.image)


def test_segmenters_paste_from_images_of_the_same_class() -> None:
    items = [replace(discs([1], 20), label=0), replace(discs([1], 40), label=0), replace(discs([1], 200), label=1)]
    examples = Examples(tuple(items), ("a", "b"), ("cell",))
    settings = {"data": tiny.mask_data(), "crop": 16, "widths": [8], "copy_paste": 1.0}
    config = SegmenterTrainer.Config.model_validate(settings)
    task = SegmenterTask(config, examples, examples, examples, 0, "cpu")
    views = [task.view(0, torch.Generator().manual_seed(seed)) for seed in range(20)]
    values = {value for view in views for value in np.unique(view.image)}
    assert values == {0, 20, 40}
    with pytest.raises(ValidationError, match="`copy_paste` puts objects into images, and the data have none"):
        SegmenterTrainer.Config.model_validate({**settings, "data": tiny.street_data()})


def test_weights_of_images_count_in_the_loss() -> None:
    config = SegmenterTrainer.Config.model_validate({"data": tiny.mask_data(), "crop": 16, "widths": [8]})

    def losses(*weights: float) -> torch.Tensor:
        items = tuple(replace(discs([1], 20), weight=weight) for weight in weights)
        examples = Examples(items, ("a",), ("cell",))
        task = SegmenterTask(config, examples, examples, examples, 0, "cpu")
        return task.losses(task.batch(0, task.batches.generator(task.stream, 0)))

    alike, doubled = losses(1, 1), losses(2, 2)
    assert torch.allclose(doubled, 2 * alike) and (alike > 0).all()
    assert sorted((losses(0, 1) > 0).tolist())[0] is False

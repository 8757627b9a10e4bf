"""Layouts: what networks see of objects, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

import tiny
from synthgen.vision import layouts
from synthgen.vision.layouts import Layout


def of(instances: np.ndarray, classes: np.ndarray | None = None) -> Layout:
    segmentation = (instances > 0).astype(np.uint8) if classes is None else classes
    return Layout(instances.astype(np.uint16), segmentation)


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal up to the numbers of the objects."""
    pairs = {(int(x), int(y)) for x, y in zip(a.ravel(), b.ravel(), strict=True)}
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs}) and (0, 0) in pairs


@pytest.mark.parametrize("seed", range(5))
def test_decoding_gives_the_objects_back(seed: int) -> None:
    instances = tiny.discs(8, 64, seed)
    classes = np.where(instances > 0, 1 + instances % 2, 0).astype(np.uint8)
    layout = of(instances, classes)
    channels = layouts.encode(layout, 2)
    assert channels.shape == (2, 64, 64)
    assert channels.dtype == np.float32
    back = layouts.decode(channels, min_area_px=1)
    assert np.array_equal(back.segmentation, classes)
    assert same_partition(back.instances, instances)


def test_objects_that_touch_stay_two() -> None:
    instances = np.zeros((30, 40), dtype=np.uint16)
    instances[8:22, 6:20], instances[8:22, 20:34] = 1, 2
    back = layouts.decode(layouts.encode(of(instances), 1))
    assert same_partition(back.instances, instances)


def test_channels_are_minus_one_outside_and_peak_at_one() -> None:
    channels = layouts.encode(of(tiny.discs(4, 48, 1)), 1)[0]
    outside = tiny.discs(4, 48, 1) == 0
    assert (channels[outside] == -1).all()
    assert (channels[~outside] >= 0).all()
    assert channels.max() == 1


def test_nothing_is_nothing() -> None:
    empty = of(np.zeros((16, 16)))
    assert (layouts.encode(empty, 3) == -1).all()
    assert layouts.decode(layouts.encode(empty, 3)).instances.max() == 0
    assert layouts.boxes_of(empty.instances)[0].shape == (0, 4)


def test_single_pixels_and_a_frame_survive_encoding() -> None:
    instances = np.zeros((20, 20), dtype=np.uint16)
    instances[0] = instances[-1] = instances[:, 0] = instances[:, -1] = 1
    instances[9, 9] = 2
    back = layouts.decode(layouts.encode(of(instances), 1), min_area_px=1)
    assert (back.segmentation > 0).sum() == (instances > 0).sum()
    assert back.instances[9, 9] != back.instances[0, 0]


def test_many_objects_keep_their_numbers_apart() -> None:
    instances = np.zeros((64, 64), dtype=np.uint16)
    places = [(y, x) for y in range(0, 62, 3) for x in range(0, 62, 3)][:374]
    for number, (y, x) in enumerate(places, start=1):
        instances[y : y + 2, x : x + 2] = number
    assert layouts.decode(layouts.encode(of(instances), 1), min_area_px=1).instances.max() == 374


def test_small_objects_are_dropped_and_numbers_close_up() -> None:
    instances = np.zeros((12, 12), dtype=np.uint16)
    instances[0, 0], instances[4:8, 4:8] = 1, 2
    kept = layouts.renumbered(of(instances), min_area_px=4)
    assert kept.instances.max() == 1
    assert kept.segmentation[0, 0] == 0
    assert kept.segmentation[5, 5] == 1


def test_class_maps_become_objects_and_255_none() -> None:
    classes = np.zeros((10, 10), dtype=np.uint8)
    classes[0:3, 0:3], classes[6:9, 0:3], classes[6:9, 5:8], classes[9, 9] = 1, 1, 2, 255
    layout = layouts.from_class_map(classes)
    assert layout.instances.max() == 3
    assert layout.instances[9, 9] == 0
    _, ids = layouts.boxes_of(layout.instances)
    assert sorted(layouts.class_of_each(layout, ids)) == [1, 1, 2]


def test_boxes_are_exact() -> None:
    instances = np.zeros((10, 12), dtype=np.uint16)
    instances[2:5, 3:9] = 4
    boxes, ids = layouts.boxes_of(instances)
    assert boxes.tolist() == [[3, 2, 9, 5]]
    assert ids.tolist() == [4]


def test_boxes_become_cones_that_may_reach_over_the_border() -> None:
    boxes = np.array([[2, 2, 10, 8], [-4, -4, 4, 4]], dtype=np.float32)
    channels = layouts.from_boxes(boxes, np.array([1, 2]), (16, 16), 2)
    assert channels[0, 4:6, 5:7].min() > 0.5
    assert channels[0, 0, 0] == -1
    assert channels[1, 0, 0] > 0.5
    assert (channels[1, 8:] == -1).all()


def test_the_central_point_is_inside() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[2:18, 2:6] = mask[14:18, 2:18] = True
    x, y = layouts.central_point(mask)
    assert mask[int(y), int(x)]


def test_smoothing_rounds_objects_and_keeps_where_they_are() -> None:
    y, x = np.mgrid[:40, :40]
    left, right = (x - 12) ** 2 + (y - 20) ** 2 < 64, (x - 27) ** 2 + (y - 20) ** 2 < 36
    ragged = left & ((x + y) % 2 == 0) | ((x - 12) ** 2 + (y - 20) ** 2 < 52)
    instances = np.where(right, 2, np.where(ragged, 1, 0)).astype(np.uint16)
    instances[0, 39] = 3
    layout = Layout(instances, np.where(instances > 0, instances % 2 + 1, 0).astype(np.uint8))
    smooth = layouts.smoothed(layout, 1.5)
    assert smooth.instances.max() == 2
    assert smooth.instances.dtype == np.uint16 and smooth.segmentation.dtype == np.uint8
    for number, cls, shape in ((1, 2, left), (2, 1, right)):
        found = smooth.instances == number
        assert (smooth.segmentation[found] == cls).all()
        assert (found & shape).sum() > 0.8 * (found | shape).sum()
    edges = [np.diff(m.instances == 1).sum() for m in (layout, smooth)]
    assert edges[1] < edges[0]


def test_objects_at_the_border_stay_there_when_smoothed() -> None:
    instances = np.zeros((24, 24), dtype=np.uint16)
    instances[:, :8] = 1
    layout = Layout(instances, (instances > 0).astype(np.uint8))
    assert np.array_equal(layouts.smoothed(layout, 1.5).instances, instances)
    empty = Layout(np.zeros_like(instances), np.zeros((24, 24), dtype=np.uint8))
    assert not layouts.smoothed(empty, 1.5).instances.any()


def street() -> Layout:
    """Sky (1) over road (2) with two cars (3) that touch, and one unknown corner."""
    classes = np.full((24, 32), 1, dtype=np.uint8)
    classes[12:] = 2
    instances = np.zeros((24, 32), dtype=np.uint16)
    for number, left in ((1, 4), (2, 12)):
        instances[10:18, left : left + 8], classes[10:18, left : left + 8] = number, 3
    classes[:3, :3] = 255
    return Layout(instances, classes)


def test_regions_are_flat_and_objects_beside_them_are_not() -> None:
    layout = street()
    channels = layouts.encode(layout, 3)
    for cls in (1, 2):
        assert np.array_equal(channels[cls - 1], np.where(layout.segmentation == cls, 1, -1))
    cars = layout.segmentation == 3
    assert np.array_equal(channels[2][cars], layouts.encode(Layout(layout.instances, cars * np.uint8(3)), 3)[2][cars])
    assert channels[2][cars].min() < 0.1
    assert (channels[:, :3, :3] == -1).all(), "what is unknown belongs to no class"


def test_regions_and_objects_are_decoded_apart() -> None:
    layout = street()
    back = layouts.decode(layouts.encode(layout, 3), stuff=(1, 2))
    known = layout.segmentation != 255
    assert np.array_equal(back.segmentation[known], layout.segmentation[known])
    assert (back.segmentation[~known] == 0).all()
    assert same_partition(back.instances, layout.instances)


def test_maps_without_objects_are_decoded_without_objects() -> None:
    classes = street().segmentation
    back = layouts.decode(layouts.encode(Layout(np.zeros((24, 32), np.uint16), classes), 3), stuff=(1, 2, 3))
    assert not back.instances.any() and back.instances.dtype == np.uint16
    assert np.array_equal(back.segmentation, np.where(classes == 255, 0, classes))


def test_maps_that_cover_images_are_decoded_without_background() -> None:
    channels = np.full((3, 8, 8), -1.0, dtype=np.float32)
    channels[0, :, :4], channels[1, :, 4:] = -0.9, -0.8
    channels[2, 2, 2] = 1
    assert not layouts.decode(channels, stuff=(1, 2)).segmentation.any(), "all is below the outline, and one is small"
    back = layouts.decode(channels, stuff=(1, 2), covered=True)
    assert np.array_equal(back.segmentation, np.repeat([[1, 1, 1, 1, 2, 2, 2, 2]], 8, axis=0))
    assert not back.instances.any(), "an object that is too small leaves no hole"


def test_regions_of_a_class_map_have_no_numbers() -> None:
    layout = layouts.from_class_map(street().segmentation, stuff=(1, 2))
    assert np.array_equal(layout.instances > 0, street().segmentation == 3)
    assert layout.instances.max() == 1, "cars that touch are one region"
    renumbered = layouts.renumbered(layout, min_area_px=200)
    assert not renumbered.instances.any()
    assert np.array_equal(renumbered.segmentation == 1, layout.segmentation == 1)


def test_a_layout_is_empty_if_nothing_is_known() -> None:
    zeros = np.zeros((4, 4), np.uint16)
    assert Layout(zeros, np.full((4, 4), 255, np.uint8)).is_empty
    assert not Layout(zeros, np.full((4, 4), 254, np.uint8)).is_empty


def test_smoothed_regions_lose_specks_and_keep_their_borders() -> None:
    classes = np.full((24, 32), 4, dtype=np.uint8)
    classes[12:] = 7
    ragged = classes.copy()
    ragged[5, 9], ragged[20, 3], ragged[11, ::2] = 7, 0, 7
    smooth = layouts.smoothed_regions(ragged, 1.5)
    assert smooth.dtype == np.uint8
    assert set(np.unique(smooth)) == {4, 7}
    assert (smooth == classes).mean() > 0.95
    assert np.array_equal(layouts.smoothed_regions(classes, 1.5), classes)


def test_unknown_pixels_are_smoothed_away_unless_nothing_is_known() -> None:
    classes = np.full((16, 16), 2, dtype=np.uint8)
    classes[4:6, 4:6] = 255
    assert (layouts.smoothed_regions(classes, 1) == 2).all()
    unknown = np.full((16, 16), 255, dtype=np.uint8)
    assert np.array_equal(layouts.smoothed_regions(unknown, 1), unknown)


def test_regions_stay_when_objects_are_smoothed() -> None:
    layout = street()
    smooth = layouts.smoothed(layout, 1)
    known = layout.segmentation != 255
    assert (smooth.segmentation == layout.segmentation)[known].mean() > 0.97
    assert smooth.instances.max() == 2
    assert np.array_equal(smooth.instances > 0, smooth.segmentation == 3)
    assert set(np.unique(smooth.segmentation)) == {1, 2, 3}


def test_unknown_pixels_are_filled_with_what_is_nearest() -> None:
    """Objects grow as a whole; what is known stays as it is."""
    segmentation = np.array([[1, 255, 255, 2], [1, 255, 255, 2], [0, 255, 255, 255]], dtype=np.uint8)
    instances = np.array([[1, 0, 0, 2], [1, 0, 0, 2], [0, 0, 0, 0]], dtype=np.uint16)
    found = layouts.filled(of(instances, segmentation), 255)
    assert found.segmentation.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2]]
    assert found.instances.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2]]
    nothing = of(np.zeros((2, 2)), np.full((2, 2), 255, dtype=np.uint8))
    assert layouts.filled(nothing, 255) is nothing

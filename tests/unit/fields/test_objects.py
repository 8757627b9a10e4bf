"""What is counted by class: objects, and pixels of regions."""

from __future__ import annotations

import numpy as np

from synthgen.fields import IGNORE, Field, InstanceMap, SegmentationMap
from synthgen.fields.objects import count_objects, count_regions, countable_names, region_names

CLASSES = ("sky", "road", "car")


def stored(field: Field, *maps: list[list[int]]) -> list[bytes]:
    return [field.encode(np.array(ids, dtype=field.dtype)) for ids in maps]  # type: ignore[attr-defined]


def test_pixels_of_a_semantic_map_are_all_counted_and_images_once() -> None:
    schema: dict[str, Field] = {"segmentation": SegmentationMap(2, 3, CLASSES, CLASSES)}
    maps = stored(schema["segmentation"], [[1, 1, 1], [2, 0, IGNORE]], [[1, 2, 2], [2, 2, IGNORE]])
    samples = [{"segmentation": one} for one in maps]
    assert count_regions(schema, samples) == {"background": (1, 1), "road": (5, 2), "sky": (4, 2), "unknown": (2, 2)}
    assert region_names(schema) == CLASSES
    assert count_objects(schema, samples) == {}


def test_a_class_called_background_is_counted_with_it() -> None:
    schema: dict[str, Field] = {"map": SegmentationMap(1, 3, ("background", "road"), ("background", "road"))}
    samples = [{"map": one} for one in stored(schema["map"], [[0, 1, 2]])]
    assert count_regions(schema, samples) == {"background": (2, 1), "road": (1, 1)}


def test_maps_without_regions_are_not_counted() -> None:
    schema: dict[str, Field] = {"segmentation": SegmentationMap(1, 3, CLASSES)}
    assert count_regions(schema, [{"segmentation": one} for one in stored(schema["segmentation"], [[1, 2, 3]])]) == {}
    assert region_names(schema) == ()


def test_panoptic_samples_have_objects_of_things_alone_and_pixels_of_all() -> None:
    schema: dict[str, Field] = {
        "instances": InstanceMap(1, 4),
        "segmentation": SegmentationMap(1, 4, CLASSES, ("sky", "road")),
    }
    (instances,), (ids,) = stored(schema["instances"], [[0, 0, 1, 2]]), stored(schema["segmentation"], [[1, 2, 3, 3]])
    samples = [{"instances": instances, "segmentation": ids}]
    assert countable_names(schema) == ("car",)
    assert count_objects(schema, samples) == {"car": 2}
    assert count_regions(schema, samples) == {"car": (2, 1), "road": (1, 1), "sky": (1, 1)}

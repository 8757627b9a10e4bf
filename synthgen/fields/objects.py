"""What samples hold, counted by class: objects (cells with outlines, faults of a series) and pixels of regions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.fields.field import Field
from synthgen.fields.pictures import IGNORE, InstanceMap, SegmentationMap

Schema = Mapping[str, Field]


def object_names(schema: Schema) -> tuple[str, ...]:
    """Names of the objects' classes, by class id less one, or of the kinds of events; empty if there are no objects."""
    if not (fields := _fields(schema)):
        return ()
    field = schema[fields[-1]]
    return field.classes if isinstance(field, SegmentationMap) else field.object_classes


def countable_names(schema: Schema) -> tuple[str, ...]:
    """`object_names` without the classes that are regions and have no objects."""
    fields = _fields(schema)
    field = schema[fields[-1]] if fields else None
    return field.things if isinstance(field, SegmentationMap) else object_names(schema)


def count_objects(schema: Schema, samples: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Objects by class over samples in stored form, classes of which there are none included.

    They are counted in the field `boxes`, else in the maps `instances` and `segmentation`, else in the first field of
    whatever name that has objects.
    """
    names, fields = countable_names(schema), _fields(schema)
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    for values in samples if names else ():
        counts.update(_names_of(schema, fields, values))
    return dict(counts)


def region_names(schema: Schema) -> tuple[str, ...]:
    """Names of the classes whose pixels are counted, in id order; empty if no field has regions."""
    name = _region_field(schema)
    return schema[name].region_classes if name else ()


def count_regions(schema: Schema, samples: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, int]]:
    """Pixels by class over samples in stored form, and how many samples have any, classes without any left out.

    They are counted in the first field that has regions. `background` and `unknown` are counted as classes are, so that
    the pixels are all that there are.
    """
    name = _region_field(schema)
    pixels: Counter[str] = Counter()
    images: Counter[str] = Counter()
    for values in samples if name else ():
        found = schema[name].pixels(values[name])
        pixels.update(found)
        images.update(found.keys())
    return {cls: (pixels[cls], images[cls]) for cls in sorted(pixels)}


def _region_field(schema: Schema) -> str:
    return next((name for name, field in schema.items() if field.region_classes), "")


def _fields(schema: Schema) -> tuple[str, ...]:
    """The field, or the instance map and the class map, that objects are counted in."""
    if "boxes" in schema and schema["boxes"].object_classes:
        return ("boxes",)
    if isinstance(schema.get("instances"), InstanceMap) and isinstance(schema.get("segmentation"), SegmentationMap):
        return ("instances", "segmentation")
    return next(((name,) for name, field in schema.items() if field.object_classes), ())


def _names_of(schema: Schema, fields: tuple[str, ...], values: Mapping[str, Any]) -> Sequence[str]:
    if len(fields) == 1:
        return schema[fields[0]].objects(values[fields[0]])
    instances, classes = (schema[name].decode(values[name]) for name in fields)
    return [object_names(schema)[cls - 1] for cls in classes_of_instances(instances, classes) if cls]


def classes_of_instances(instances: np.ndarray, classes: np.ndarray) -> list[int]:
    """The most frequent class among the pixels of each object, in the order of their numbers; 0 if it is unknown.

    Args:
        instances: object numbers (H, W), 0 background; classes: class ids (H, W), 0 background, 255 unknown.
    """
    numbers, rows = np.unique(instances, return_inverse=True)
    table = np.zeros((len(numbers), IGNORE + 1), dtype=np.int64)
    np.add.at(table, (rows.ravel(), classes.ravel()), 1)
    found: list[int] = table[numbers > 0, :IGNORE].argmax(1).tolist()
    return found

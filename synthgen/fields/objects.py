"""Objects: what a sample holds several of (cells with boxes or outlines, faults of a series), counted by class."""

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


def count_objects(schema: Schema, samples: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Objects by class over samples in stored form, classes of which there are none included.

    They are counted in the field `boxes`, else in the maps `instances` and `segmentation`, else in the first field of
    whatever name that has objects.
    """
    names, fields = object_names(schema), _fields(schema)
    counts: Counter[str] = Counter(dict.fromkeys(names, 0))
    for values in samples if names else ():
        counts.update(_names_of(schema, fields, values))
    return dict(counts)


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

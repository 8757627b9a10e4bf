"""Fields: what a column holds, how one value is checked, stored and read back. The only place that knows codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from synthgen.errors import DataError
from synthgen.fields.cells import Column
from synthgen.fields.events import Events, StepClasses, StepLabels
from synthgen.fields.field import Field
from synthgen.fields.marked import Answers, Spans
from synthgen.fields.pictures import IGNORE, IMAGE_SUFFIX, DepthMap, Image, ImageFormat, InstanceMap, SegmentationMap
from synthgen.fields.series import Series, Times
from synthgen.fields.shown import Shown
from synthgen.fields.texts import Acts, Chat, Plan, Text, Translation
from synthgen.fields.values import Boxes, Label, Number, Numbers, Probabilities, Timestamp

__all__ = [
    "IGNORE",
    "IMAGE_SUFFIX",
    "Acts",
    "Answers",
    "Boxes",
    "Chat",
    "Column",
    "Columns",
    "DepthMap",
    "Events",
    "Field",
    "Image",
    "ImageFormat",
    "InstanceMap",
    "Label",
    "Number",
    "Numbers",
    "Plan",
    "Probabilities",
    "Schema",
    "SegmentationMap",
    "Series",
    "Spans",
    "StepClasses",
    "StepLabels",
    "Text",
    "Times",
    "Timestamp",
    "Translation",
    "check_columns",
    "class_field",
    "classes_of",
    "first",
    "first_shown",
    "label_of",
]


Schema = Mapping[str, Field]
Columns = Mapping[str, Sequence[Any]]
F = TypeVar("F")
S = TypeVar("S", bound=Shown)


def first(schema: Mapping[str, Any], kind: type[F]) -> tuple[str, F | None]:
    """Name and value of the first entry of a kind, for a part that needs such a field; ("", None) if there is none."""
    return next(((name, field) for name, field in schema.items() if isinstance(field, kind)), ("", None))


def first_shown(schema: Schema, way: type[S]) -> tuple[str, S | None]:
    """Name of the first field that is shown in a way, and the way; ("", None) if there is none."""
    return first({name: field.shown for name, field in schema.items()}, way)


def class_field(schema: Schema) -> str | None:
    """The field whose classes samples are counted and grouped by: `label`, else the first that has some, else None."""
    return next((name for name, field in _label_first(schema) if field.sample_classes), None)


def label_of(schema: Schema) -> tuple[str, Label | None]:
    """Name and field of the class of a sample: `label`, else the first of its kind; ("", None) if there is none."""
    return first(dict(_label_first(schema)), Label)


def _label_first(schema: Schema) -> list[tuple[str, Field]]:
    return sorted(schema.items(), key=lambda entry: entry[0] != "label")


def classes_of(schema: Schema) -> tuple[str, ...]:
    """Names of the classes that samples are counted by, in id order; empty if there are none."""
    name = class_field(schema)
    return schema[name].sample_classes if name is not None else ()


def check_columns(columns: Columns, schema: Schema, n: int, before: Columns | None = None) -> None:
    """Raises DataError unless `columns` has exactly the fields of `schema`, each with `n` valid values.

    Values that are about another field must fit that one, which stands in `columns` or among those `before` them.
    """
    if set(columns) != set(schema):
        raise DataError(f"promised the fields {sorted(schema)} and returned {sorted(columns)}")
    for name, field in schema.items():
        if len(columns[name]) != n:
            raise DataError(f"field `{name}`: {len(columns[name])} values for {n} samples")
        for value in columns[name]:
            field.check(name, value)
    known = {**(before or {}), **columns}
    for name, field in schema.items():
        if not field.refers_to:
            continue
        if field.refers_to not in known:
            raise DataError(f"field `{name}`: is about the field `{field.refers_to}`, which samples do not have")
        for value, other in zip(columns[name], known[field.refers_to], strict=True):
            field.check_beside(name, value, other)

"""Fields: what a column holds, how one value is checked, stored and read back. The only place that knows codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from synthgen.errors import DataError
from synthgen.fields.events import Events, StepClasses
from synthgen.fields.pictures import IGNORE, IMAGE_SUFFIX, DepthMap, Image, ImageFormat, InstanceMap, SegmentationMap
from synthgen.fields.series import Series, Times
from synthgen.fields.values import Boxes, Label, Number, Numbers, Text

__all__ = [
    "IGNORE",
    "IMAGE_SUFFIX",
    "Boxes",
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
    "Schema",
    "SegmentationMap",
    "Series",
    "StepClasses",
    "Text",
    "Times",
]


class Field(Protocol):
    """A named column's type.

    `encode` turns one value into its stored form (bytes, int, float or str), the same for every
    writer; `decode` is its inverse. `suffix` is the WebDataset member's ending, None for values
    that live in the sample's `.json` member only.
    """

    @property
    def suffix(self) -> str | None: ...
    def check(self, name: str, value: Any) -> None: ...
    def encode(self, value: Any) -> Any: ...
    def decode(self, stored: Any) -> Any: ...
    def arrow(self) -> Any: ...
    def hf_feature(self) -> dict[str, Any]: ...
    def describe(self) -> dict[str, Any]: ...


Schema = Mapping[str, Field]
Columns = Mapping[str, Sequence[Any]]

FIELD_TYPES: Mapping[str, type] = {
    "image": Image,
    "label": Label,
    "number": Number,
    "instances": InstanceMap,
    "segmentation": SegmentationMap,
    "depth": DepthMap,
    "boxes": Boxes,
    "numbers": Numbers,
    "text": Text,
    "series": Series,
    "times": Times,
    "step-classes": StepClasses,
    "events": Events,
}
PICTURES = (Image, InstanceMap, SegmentationMap, DepthMap)
"""Fields whose stored form is the bytes of a picture file."""
ARRAYS = (Series, Times, StepClasses)
"""Fields whose stored form is the bytes of an `.npy` file; lists in a table."""
RAGGED = (Boxes, Numbers)
"""Fields whose arrays have another length in each sample."""
ENDINGS: Mapping[str, str] = {"image": "", "label": "", "segmentation": "seg.", "instances": "inst."}


def from_description(description: Mapping[str, Any]) -> Field:
    """The field that `describe()` described; a dataset's manifest is read back with it."""
    values = dict(description)
    kind = values.pop("type", None)
    if kind not in FIELD_TYPES:
        raise DataError(f"unknown field type {kind!r}; this version knows {', '.join(FIELD_TYPES)}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    field: Field = FIELD_TYPES[kind](**values)
    return field


def to_cell(field: Field, stored: Any, key: str) -> Any:
    """A stored value as a cell of a table: pictures as HF datasets have them, arrays as lists."""
    if isinstance(field, PICTURES):
        return {"bytes": stored, "path": f"{key}.{field.suffix}"}
    return field.decode(stored).tolist() if isinstance(field, ARRAYS) else stored


def from_cell(field: Field, cell: Any) -> Any:
    """The stored value that `to_cell` made a cell of."""
    if isinstance(field, PICTURES):
        return cell["bytes"]
    if isinstance(field, ARRAYS):
        return field.encode(np.array(cell, dtype=field.dtype))
    return cell


def check_columns(columns: Columns, schema: Schema, n: int) -> None:
    """Raises DataError unless `columns` has exactly the fields of `schema`, each with `n` valid values."""
    if set(columns) != set(schema):
        raise DataError(f"promised the fields {sorted(schema)} and returned {sorted(columns)}")
    for name, field in schema.items():
        if len(columns[name]) != n:
            raise DataError(f"field `{name}`: {len(columns[name])} values for {n} samples")
        for value in columns[name]:
            field.check(name, value)


def member_name(name: str, suffix: str) -> str:
    """The WebDataset ending of a field: short for `image`, `label`, `segmentation` and `instances`, else its name."""
    return ENDINGS.get(name, f"{name.replace('.', '_')}.") + suffix

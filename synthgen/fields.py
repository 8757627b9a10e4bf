"""Fields: what a column holds, how one value is checked, stored and read back. The only place that knows codecs."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from synthgen.errors import DataError

ImageFormat = Literal["png", "jpeg", "webp"]
IMAGE_SUFFIX: Mapping[str, str] = {"png": "png", "jpeg": "jpg", "webp": "webp"}


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


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: uint8 array of shape (height, width, channels), 1 channel grey or 3 RGB.

    PNG and lossless WebP give the same pixels back; JPEG is written at quality 95. WebP has no
    grey: other readers see three equal channels.
    """

    height: int
    width: int
    channels: int
    format: ImageFormat = "png"

    @property
    def suffix(self) -> str:
        return IMAGE_SUFFIX[self.format]

    def check(self, name: str, value: Any) -> None:
        want = (self.height, self.width, self.channels)
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != want:
            got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise DataError(f"field `{name}`: must be a uint8 array of shape {want} (got {got})")

    def encode(self, value: np.ndarray) -> bytes:
        from PIL import Image as Pillow

        picture = Pillow.fromarray(value[:, :, 0] if self.channels == 1 else value)
        out = io.BytesIO()
        if self.format == "png":
            picture.save(out, "PNG", compress_level=1)
        elif self.format == "jpeg":
            picture.save(out, "JPEG", quality=95)
        else:
            picture.save(out, "WEBP", lossless=True, quality=50)
        return out.getvalue()

    def decode(self, stored: bytes) -> np.ndarray:
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(stored)) as picture:
            array = np.array(picture.convert("L" if self.channels == 1 else "RGB"))  # a copy that may be written to
        return array[:, :, None] if self.channels == 1 else array

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "Image"}

    def describe(self) -> dict[str, Any]:
        return {
            "type": "image",
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "format": self.format,
        }


@dataclass(frozen=True, slots=True)
class Label:
    """A class: an int from 0 to len(classes) - 1; the names are listed in id order."""

    classes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        return "cls"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, int | np.integer) or not 0 <= value < len(self.classes):
            raise DataError(f"field `{name}`: must be a class id from 0 to {len(self.classes) - 1} (got {value!r})")

    def encode(self, value: Any) -> int:
        return int(value)

    def decode(self, stored: Any) -> int:
        return int(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.int64()

    def hf_feature(self) -> dict[str, Any]:
        return {"names": list(self.classes), "_type": "ClassLabel"}

    def describe(self) -> dict[str, Any]:
        return {"type": "label", "classes": list(self.classes)}


@dataclass(frozen=True, slots=True)
class Number:
    """One finite float64, such as a score; a value that could not be computed is an error, never a number."""

    unit: str = "1"

    @property
    def suffix(self) -> None:
        return None

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, int | float | np.integer | np.floating) or not math.isfinite(value):
            raise DataError(f"field `{name}`: must be a finite number (got {value!r})")

    def encode(self, value: Any) -> float:
        return float(value)

    def decode(self, stored: Any) -> float:
        return float(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.float64()

    def hf_feature(self) -> dict[str, Any]:
        return {"dtype": "float64", "_type": "Value"}

    def describe(self) -> dict[str, Any]:
        return {"type": "number", "unit": self.unit}


FIELD_TYPES: Mapping[str, type] = {"image": Image, "label": Label, "number": Number}


def from_description(description: Mapping[str, Any]) -> Field:
    """The field that `describe()` described; a dataset's manifest is read back with it."""
    values = dict(description)
    kind = values.pop("type", None)
    if kind not in FIELD_TYPES:
        raise DataError(f"unknown field type {kind!r}; this version knows {', '.join(FIELD_TYPES)}")
    if "classes" in values:
        values["classes"] = tuple(values["classes"])
    field: Field = FIELD_TYPES[kind](**values)
    return field


def check_columns(columns: Columns, schema: Schema, n: int, part: str) -> None:
    """Raises DataError unless `columns` has exactly the fields of `schema`, each with `n` valid values."""
    if set(columns) != set(schema):
        raise DataError(f"{part}: promised the fields {sorted(schema)} and returned {sorted(columns)}")
    for name, field in schema.items():
        if len(columns[name]) != n:
            raise DataError(f"{part}: field `{name}`: {len(columns[name])} values for {n} samples")
        for value in columns[name]:
            field.check(f"{part}: {name}", value)


def member_name(name: str, suffix: str) -> str:
    """The WebDataset ending of field `name`: the plain suffix for `image` and `label`, else `name.suffix`."""
    return suffix if name in ("image", "label") else f"{name.replace('.', '_')}.{suffix}"

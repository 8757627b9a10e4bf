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

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width * self.channels

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
        return _picture_type()

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


@dataclass(frozen=True, slots=True)
class InstanceMap:
    """Which object each pixel belongs to: uint16 array (height, width), 0 background, stored as a 16-bit PNG."""

    height: int
    width: int

    @property
    def suffix(self) -> str:
        return "png"

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width * 2

    def check(self, name: str, value: Any) -> None:
        _check_map(name, value, np.uint16, (self.height, self.width))

    def encode(self, value: np.ndarray) -> bytes:
        return _png(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return _from_png(stored).astype(np.uint16)

    def arrow(self) -> Any:
        return _picture_type()

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "Image"}

    def describe(self) -> dict[str, Any]:
        return {"type": "instances", "height": self.height, "width": self.width}


IGNORE = 255
"""The class id of pixels whose class is not known; training and scores leave them out."""


@dataclass(frozen=True, slots=True)
class SegmentationMap:
    """The class of each pixel: uint8 array (height, width), stored as a PNG.

    0 is background, `classes` have the ids from 1 on in their order, 255 is unknown (ignore).
    """

    height: int
    width: int
    classes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        return "png"

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width

    def check(self, name: str, value: Any) -> None:
        _check_map(name, value, np.uint8, (self.height, self.width))
        odd = set(np.unique(value).tolist()) - set(range(len(self.classes) + 1)) - {IGNORE}
        if odd:
            raise DataError(f"field `{name}`: has the class ids {sorted(odd)}; 0 to {len(self.classes)} and 255 exist")

    def encode(self, value: np.ndarray) -> bytes:
        return _png(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return _from_png(stored)

    def arrow(self) -> Any:
        return _picture_type()

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "Image"}

    def describe(self) -> dict[str, Any]:
        return {"type": "segmentation", "height": self.height, "width": self.width, "classes": list(self.classes)}


@dataclass(frozen=True, slots=True)
class DepthMap:
    """How near each pixel is: uint16 array (height, width), stored as a 16-bit PNG.

    65535 is the nearest pixel of the picture and 0 the farthest, as depth maps of MiDaS, Depth Anything and ControlNet
    have it; values of different pictures cannot be compared.
    """

    height: int
    width: int

    @property
    def suffix(self) -> str:
        return "png"

    @property
    def raw_bytes(self) -> int:
        """Size without compression."""
        return self.height * self.width * 2

    def check(self, name: str, value: Any) -> None:
        _check_map(name, value, np.uint16, (self.height, self.width))

    def encode(self, value: np.ndarray) -> bytes:
        return _png(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return _from_png(stored).astype(np.uint16)

    def arrow(self) -> Any:
        return _picture_type()

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "Image"}

    def describe(self) -> dict[str, Any]:
        return {"type": "depth", "height": self.height, "width": self.width}


@dataclass(frozen=True, slots=True)
class Boxes:
    """Objects in a picture of (height, width) as boxes: float32 array (N, 5) of left, top, right, bottom, class id.

    Corners are in pixels. Class ids are those of `SegmentationMap`: `classes` from 1 on. A pixel covers [i, i + 1), so
    that a box around pixel 0 is 0 to 1. Stored as `{"bbox": [[x, y, width, height], ...], "category": [...]}` with
    categories from 0 and hundredths of pixels, as COCO and HF datasets have them.
    """

    height: int
    width: int
    classes: tuple[str, ...]

    @property
    def suffix(self) -> None:
        return None

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 2 or value.shape[1] != 5:
            raise DataError(f"field `{name}`: must be a float32 array of shape (N, 5)")
        if not np.isfinite(value).all() or (value[:, :2] >= value[:, 2:4]).any():
            raise DataError(f"field `{name}`: has boxes without an area: left < right and top < bottom must hold")
        if not np.isin(value[:, 4], np.arange(1, len(self.classes) + 1)).all():
            raise DataError(f"field `{name}`: class ids must be whole numbers from 1 to {len(self.classes)}")

    def encode(self, value: np.ndarray) -> dict[str, Any]:
        corners = np.round(value[:, :4].astype(np.float64), 2)
        xywh = np.round(np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1), 2)
        return {"bbox": xywh.tolist(), "category": (value[:, 4].astype(int) - 1).tolist()}

    def decode(self, stored: Mapping[str, Any]) -> np.ndarray:
        xywh = np.array(stored["bbox"], dtype=np.float64).reshape(-1, 4)
        classes = np.array(stored["category"], dtype=np.float64)[:, None] + 1
        return np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:], classes], axis=1).astype(np.float32)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.struct([("bbox", pa.list_(pa.list_(pa.float64(), 4))), ("category", pa.list_(pa.int64()))])

    def hf_feature(self) -> dict[str, Any]:
        box = {"_type": "List", "length": 4, "feature": {"dtype": "float64", "_type": "Value"}}
        category = {"names": list(self.classes), "_type": "ClassLabel"}
        return {"bbox": {"_type": "List", "feature": box}, "category": {"_type": "List", "feature": category}}

    def describe(self) -> dict[str, Any]:
        return {"type": "boxes", "height": self.height, "width": self.width, "classes": list(self.classes)}


@dataclass(frozen=True, slots=True)
class Numbers:
    """Some finite numbers, one an object for instance: float array (N,)."""

    unit: str = "1"

    @property
    def suffix(self) -> None:
        return None

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.ndim != 1 or not np.isfinite(value).all():
            raise DataError(f"field `{name}`: must be a finite array of shape (N,)")

    def encode(self, value: np.ndarray) -> list[float]:
        return [float(number) for number in value]

    def decode(self, stored: Any) -> np.ndarray:
        return np.array(stored, dtype=np.float64)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.float64())

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "feature": {"dtype": "float64", "_type": "Value"}}

    def describe(self) -> dict[str, Any]:
        return {"type": "numbers", "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text, such as where a condition comes from."""

    @property
    def suffix(self) -> None:
        return None

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise DataError(f"field `{name}`: must be a text (got {type(value).__name__})")

    def encode(self, value: str) -> str:
        return value

    def decode(self, stored: Any) -> str:
        return str(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.string()

    def hf_feature(self) -> dict[str, Any]:
        return {"dtype": "string", "_type": "Value"}

    def describe(self) -> dict[str, Any]:
        return {"type": "text"}


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
}
PICTURES = (Image, InstanceMap, SegmentationMap, DepthMap)
"""Fields whose stored form is the bytes of a picture file."""
ENDINGS: Mapping[str, str] = {"image": "", "label": "", "segmentation": "seg.", "instances": "inst."}


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
    """The WebDataset ending of a field: short for `image`, `label`, `segmentation` and `instances`, else its name."""
    return ENDINGS.get(name, f"{name.replace('.', '_')}.") + suffix


def _check_map(name: str, value: Any, dtype: Any, shape: tuple[int, int]) -> None:
    if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != shape:
        got = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"field `{name}`: must be a {np.dtype(dtype).name} array of shape {shape} (got {got})")


def _png(array: np.ndarray) -> bytes:
    from PIL import Image as Pillow

    out = io.BytesIO()
    Pillow.fromarray(array).save(out, "PNG", compress_level=6)
    return out.getvalue()


def _from_png(stored: bytes) -> np.ndarray:
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(stored)) as picture:
        return np.array(picture)


def _picture_type() -> Any:
    import pyarrow as pa

    return pa.struct([("bytes", pa.binary()), ("path", pa.string())])

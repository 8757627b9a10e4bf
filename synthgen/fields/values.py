"""Fields that are numbers, classes, moments and boxes: JSON values in a tar, columns in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from synthgen.errors import DataError, NonFiniteError
from synthgen.fields.cells import Column
from synthgen.fields.field import Field
from synthgen.fields.names import numbered
from synthgen.fields.pictures import Image
from synthgen.fields.shown import Curves, Frames, Moment, Picture, Shown, Words


class Value(Field):
    """A value of Python's own, stored as it is; `dtype` is what Arrow and Hugging Face call it."""

    __slots__ = ()
    python: ClassVar[Callable[[Any], Any]]
    dtype: ClassVar[str]

    def encode(self, value: Any) -> Any:
        return type(self).python(value)

    def decode(self, stored: Any) -> Any:
        return type(self).python(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return getattr(pa, self.dtype)()

    def hf_feature(self) -> dict[str, Any]:
        return {"dtype": self.dtype, "_type": "Value"}

    def rows(self, value: Any) -> list[list[Any]]:
        return [[value]]


@dataclass(frozen=True, slots=True)
class Label(Value):
    """A class: an int from 0 to len(classes) - 1; the names are listed in id order."""

    classes: tuple[str, ...]
    type: ClassVar[str] = "label"
    python = int
    dtype: ClassVar[str] = "int64"
    croissant_type: ClassVar[str] = "sc:Integer"

    @property
    def suffix(self) -> str:
        return "cls"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, int | np.integer) or not 0 <= value < len(self.classes):
            raise DataError(f"field `{name}`: must be a class id from 0 to {len(self.classes) - 1} (got {value!r})")

    def hf_feature(self) -> dict[str, Any]:
        return {"names": list(self.classes), "_type": "ClassLabel"}

    def recorded(self, value: Any) -> str:
        return self.classes[int(value)]

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "string", classes=self.classes)]

    def rows(self, value: Any) -> list[list[str]]:
        return [[self.classes[value]]]

    def text(self, quote: Callable[[str], str]) -> str:
        return f"class id, {len(self.classes)} classes"

    def task(self, schema: Mapping[str, Field]) -> str:
        if any(isinstance(field, Image) for field in schema.values()):
            return "image-classification"
        ways = [field.shown for field in schema.values()]
        texts = any(isinstance(way, Words) for way in ways) and not any(
            isinstance(way, Curves | Picture) for way in ways
        )
        return "text-classification" if texts else ""

    @property
    def sample_classes(self) -> tuple[str, ...]:
        return self.classes


@dataclass(frozen=True, slots=True)
class Number(Value):
    """One finite float64, such as a score; a value that could not be computed is an error, never a number."""

    unit: str = "1"
    type: ClassVar[str] = "number"
    python = float
    dtype: ClassVar[str] = "float64"
    is_number: ClassVar[bool] = True
    croissant_type: ClassVar[str] = "sc:Float"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, int | float | np.integer | np.floating):
            raise DataError(f"field `{name}`: must be a number (got {value!r})")
        if not math.isfinite(value):
            raise NonFiniteError(f"field `{name}`: must be a finite number (got {float(value)})")

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "float64", self.unit)]

    def text(self, quote: Callable[[str], str]) -> str:
        return "number"


@dataclass(frozen=True, slots=True)
class Timestamp(Value):
    """A moment: `numpy.datetime64` in microseconds, of UTC if `zoned`, else of the clock where it was taken.

    Stored as text in ISO form; in Parquet a timestamp, which pandas reads as one.
    """

    zoned: bool = False
    type: ClassVar[str] = "timestamp"
    croissant_type: ClassVar[str] = "sc:DateTime"

    @property
    def dtype(self) -> str:  # type: ignore[override]
        return "timestamp[us, tz=UTC]" if self.zoned else "timestamp[us]"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.datetime64) or value.dtype != "datetime64[us]":
            raise DataError(f"field `{name}`: must be a numpy.datetime64 in microseconds (got {value!r})")
        if np.isnat(value):
            raise NonFiniteError(f"field `{name}`: must be a moment (got NaT)")

    def encode(self, value: Any) -> str:
        text = str(value)
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return f"{text}+00:00" if self.zoned else text

    def decode(self, stored: Any) -> np.datetime64:
        return np.datetime64(str(stored).removesuffix("+00:00"), "us")

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.timestamp("us", "UTC" if self.zoned else None)

    def to_cells(self, stored: Sequence[str], keys: Sequence[str]) -> Any:
        import pyarrow as pa

        moments = np.array([self.decode(value) for value in stored], dtype="datetime64[us]")
        return pa.array(moments.astype(np.int64), pa.int64()).cast(self.arrow())

    def from_cells(self, cells: Any) -> Sequence[str]:
        import pyarrow as pa

        counts = cells.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return [self.encode(moment) for moment in counts.astype("datetime64[us]")]

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "timestamp_utc" if self.zoned else "timestamp")]

    def rows(self, value: Any) -> list[np.ndarray]:  # type: ignore[override]
        return [np.array([value])]

    def text(self, quote: Callable[[str], str]) -> str:
        return "moment, in UTC" if self.zoned else "moment, in clock time"

    @property
    def shown(self) -> Shown:
        return Moment(self.zoned)


@dataclass(frozen=True, slots=True)
class Boxes(Field):
    """Objects in an image of (height, width) as boxes: float32 array (N, 5) of left, top, right, bottom, class id.

    Corners are in pixels. Class ids are those of `SegmentationMap`: `classes` from 1 on. A pixel covers [i, i + 1), so
    that a box around pixel 0 is 0 to 1. Stored as `{"bbox": [[x, y, width, height], ...], "category": [...]}` with
    categories from 0 and hundredths of pixels, as COCO and HF datasets have them.
    """

    height: int
    width: int
    classes: tuple[str, ...]
    type: ClassVar[str] = "boxes"
    croissant_type: ClassVar[str] = "cr:BoundingBox"
    repeated: ClassVar[bool] = True
    ragged: ClassVar[bool] = True

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 2 or value.shape[1] != 5:
            raise DataError(f"field `{name}`: must be a float32 array of shape (N, 5)")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"field `{name}`: has boxes whose numbers are not finite")
        if (value[:, :2] >= value[:, 2:4]).any():
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

    def text(self, quote: Callable[[str], str]) -> str:
        listed = numbered([quote(name) for name in self.classes])
        return f"boxes `bbox` (left, top, width, height in pixels) with `category`: {listed}"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "object-detection"

    @property
    def object_classes(self) -> tuple[str, ...]:
        return self.classes

    def objects(self, stored: Mapping[str, Any]) -> list[str]:
        return [self.classes[category] for category in stored["category"]]

    @property
    def shown(self) -> Shown:
        return Frames(self.classes)


@dataclass(frozen=True, slots=True)
class Numbers(Field):
    """Some finite numbers, one per object for instance: float array (N,)."""

    unit: str = "1"
    type: ClassVar[str] = "numbers"
    croissant_type: ClassVar[str] = "sc:Float"
    repeated: ClassVar[bool] = True
    ragged: ClassVar[bool] = True

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != 1:
            raise DataError(f"field `{name}`: must be an array of numbers of shape (N,)")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"field `{name}`: has numbers that are not finite")

    def encode(self, value: np.ndarray) -> list[float]:
        return [float(number) for number in value]

    def decode(self, stored: Any) -> np.ndarray:
        return np.array(stored, dtype=np.float64)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.float64())

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "feature": {"dtype": "float64", "_type": "Value"}}

    def text(self, quote: Callable[[str], str]) -> str:
        return "numbers, one per object"


@dataclass(frozen=True, slots=True)
class Probabilities(Field):
    """How much a sample is of each class: float32 array (K,) in id order, from 0 to 1, of the sum 1. A soft label."""

    classes: tuple[str, ...]
    type: ClassVar[str] = "probabilities"
    croissant_type: ClassVar[str] = "sc:Float"
    repeated: ClassVar[bool] = True

    def check(self, name: str, value: Any) -> None:
        shape = (len(self.classes),)
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.shape != shape:
            raise DataError(f"field `{name}`: must be a float32 array of shape ({shape[0]},), a number for each class")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"field `{name}`: has numbers that are not finite")
        if (value < 0).any() or abs(float(value.sum(dtype=np.float64)) - 1) > 1e-3:
            raise DataError(f"field `{name}`: must be numbers from 0 to 1 with the sum 1 (got {value.tolist()})")

    def encode(self, value: np.ndarray) -> list[float]:
        return [float(str(number)) for number in value]

    def decode(self, stored: Any) -> np.ndarray:
        return np.array(stored, dtype=np.float32)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.float32(), len(self.classes))

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "length": len(self.classes), "feature": {"dtype": "float32", "_type": "Value"}}

    def columns(self, name: str) -> list[Column]:
        return [Column(f"{name}:{cls}", "float64") for cls in self.classes]

    def rows(self, value: np.ndarray) -> list[list[float]]:
        return [[number] for number in self.encode(value)]

    def text(self, quote: Callable[[str], str]) -> str:
        return f"probabilities of {numbered([quote(name) for name in self.classes])}"

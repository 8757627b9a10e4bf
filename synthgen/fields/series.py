"""Fields that are series: `.npy` members in a tar, lists in a table."""

from __future__ import annotations

import io
import json
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from synthgen.errors import DataError, NonFiniteError
from synthgen.fields.cells import Column
from synthgen.fields.field import Field
from synthgen.fields.names import quoted, with_units
from synthgen.fields.shown import Curves, Shown, TimeAxis


class NpyArray(Field):
    """What arrays have in common: `.npy` files in a tar, lists of fixed size in a table."""

    __slots__ = ()
    repeated: ClassVar[bool] = True

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of every value."""

    @property
    @abstractmethod
    def number(self) -> np.dtype[Any]:
        """The dtype of every value."""

    @property
    def suffix(self) -> str:
        return "npy"

    @property
    def raw_bytes(self) -> int:
        return self.number.itemsize * math.prod(self.shape)

    def encode(self, value: np.ndarray) -> bytes:
        return npy_bytes(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return from_npy_bytes(stored)

    def recorded(self, value: Any) -> None:
        return None

    def cell_type(self) -> Any:
        """The pyarrow type of a number in a table."""
        import pyarrow as pa

        return pa.from_numpy_dtype(self.number)

    def arrow(self) -> Any:
        import pyarrow as pa

        kind = self.cell_type()
        for size in reversed(self.shape):
            kind = pa.list_(kind, size)
        return kind

    def to_cells(self, stored: Sequence[bytes], keys: Sequence[str]) -> Any:
        import pyarrow as pa

        flat = np.concatenate([self.decode(value).ravel() for value in stored]) if stored else np.zeros(0, self.number)
        cells = pa.array(flat.astype(self.cell_type().to_pandas_dtype(), copy=False))
        for size in reversed(self.shape):
            cells = pa.FixedSizeListArray.from_arrays(cells, size)
        return cells

    def from_cells(self, cells: Any) -> list[bytes]:
        n = len(cells)
        for _ in self.shape:
            cells = cells.flatten()
        values = cells.to_numpy(zero_copy_only=False).astype(self.number, copy=False)
        return [self.encode(value) for value in values.reshape(n, *self.shape)]

    def column_metadata(self) -> dict[str, str]:
        facts = self.describe().items()
        return {name: json.dumps(value) for name, value in facts if name not in ("type", "length")}


@dataclass(frozen=True, slots=True)
class Series(NpyArray):
    """Channels over time: array (length, channels), NaN where a value is missing.

    `units` names the unit of each channel, `1` if there is none. `dtype` is float32, or float64 where float32 is too
    coarse for a channel, as for a level around 5.8 million that changes by tenths.
    """

    length: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    dtype: Literal["float32", "float64"] = "float32"
    type: ClassVar[str] = "series"
    croissant_type: ClassVar[str] = "sc:Float"

    @property
    def shape(self) -> tuple[int, int]:
        return self.length, len(self.channels)

    @property
    def number(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != self.dtype or value.shape != self.shape:
            raise DataError(f"field `{name}`: must be a {self.dtype} array of shape {self.shape}")
        if np.isinf(value).any():
            raise NonFiniteError(f"field `{name}`: has infinite values; missing ones are NaN")

    def n_missing(self, value: np.ndarray) -> int:
        return int(np.isnan(value).sum())

    def hf_feature(self) -> dict[str, Any]:
        step = {"_type": "List", "length": len(self.channels), "feature": {"dtype": self.dtype, "_type": "Value"}}
        return {"_type": "List", "length": self.length, "feature": step}

    def describe(self) -> dict[str, Any]:
        """`dtype` is left out if it is float32: older datasets do not state it."""
        found = NpyArray.describe(self)
        return {name: value for name, value in found.items() if (name, value) != ("dtype", "float32")}

    def columns(self, name: str) -> list[Column]:
        return [Column(channel, self.dtype, unit) for channel, unit in zip(self.channels, self.units, strict=True)]

    @property
    def n_rows(self) -> int:
        return self.length

    def rows(self, value: np.ndarray) -> list[np.ndarray]:
        return list(value.T)

    def text(self, quote: Callable[[str], str]) -> str:
        channels = quoted(with_units(self.channels, self.units), quote)
        return f"series, {self.length} steps of {channels}, {self.dtype}, NaN where missing"

    def task(self, schema: Mapping[str, Field]) -> str:
        return "time-series-forecasting"

    @property
    def shown(self) -> Shown:
        return Curves(self.channels, self.units)


@dataclass(frozen=True, slots=True)
class Times(NpyArray):
    """When each step of a series is: float64 array (length,), strictly increasing, in `unit` from its beginning."""

    length: int
    unit: str
    type: ClassVar[str] = "times"
    croissant_type: ClassVar[str] = "sc:Float"

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)

    @property
    def number(self) -> np.dtype[Any]:
        return np.dtype(np.float64)

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float64 or value.shape != (self.length,):
            raise DataError(f"field `{name}`: must be a float64 array of shape ({self.length},)")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"field `{name}`: has times that are not finite")
        if not (np.diff(value) > 0).all():
            raise DataError(f"field `{name}`: times must be strictly increasing")

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "length": self.length, "feature": {"dtype": "float64", "_type": "Value"}}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"time of each step in {quote(self.unit)}, {self.length} numbers, increasing"

    @property
    def shown(self) -> Shown:
        return TimeAxis(self.unit)


def npy_bytes(value: np.ndarray) -> bytes:
    """The array as an `.npy` file, format 1.0, rows first; equal arrays give equal bytes."""
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(value), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def from_npy_bytes(stored: bytes) -> np.ndarray:
    """Raises DataError if the bytes are no `.npy` file of numbers."""
    try:
        found: np.ndarray = np.load(io.BytesIO(stored), allow_pickle=False)
    except ValueError as error:
        raise DataError(f"is no readable .npy file: {error}") from None
    return found

"""Fields that are series: `.npy` members in a tar, lists in a table."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from synthgen.errors import DataError, NonFiniteError


@dataclass(frozen=True, slots=True)
class Series:
    """Channels over time: array (length, channels), NaN where a value is missing.

    `units` names the unit of each channel, `1` if there is none. `dtype` is float32, or float64 where float32 is too
    coarse for a channel, as for a level around 5.8 million that changes by tenths.
    """

    length: int
    channels: tuple[str, ...]
    units: tuple[str, ...]
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def suffix(self) -> str:
        return "npy"

    @property
    def raw_bytes(self) -> int:
        return np.dtype(self.dtype).itemsize * self.length * len(self.channels)

    def check(self, name: str, value: Any) -> None:
        shape = (self.length, len(self.channels))
        if not isinstance(value, np.ndarray) or value.dtype != self.dtype or value.shape != shape:
            raise DataError(f"field `{name}`: must be a {self.dtype} array of shape {shape}")
        if np.isinf(value).any():
            raise NonFiniteError(f"field `{name}`: has infinite values; missing ones are NaN")

    def encode(self, value: np.ndarray) -> bytes:
        return npy_bytes(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return from_npy_bytes(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        number = pa.float64() if self.dtype == "float64" else pa.float32()
        return pa.list_(pa.list_(number, len(self.channels)), self.length)

    def hf_feature(self) -> dict[str, Any]:
        step = {"_type": "List", "length": len(self.channels), "feature": {"dtype": self.dtype, "_type": "Value"}}
        return {"_type": "List", "length": self.length, "feature": step}

    def describe(self) -> dict[str, Any]:
        return {
            "type": "series",
            "length": self.length,
            "channels": list(self.channels),
            "units": list(self.units),
            **({} if self.dtype == "float32" else {"dtype": self.dtype}),
        }


@dataclass(frozen=True, slots=True)
class Times:
    """When each step of a series is: float64 array (length,), strictly increasing, in `unit` from its beginning."""

    dtype: ClassVar[type] = np.float64
    length: int
    unit: str

    @property
    def suffix(self) -> str:
        return "npy"

    @property
    def raw_bytes(self) -> int:
        return 8 * self.length

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float64 or value.shape != (self.length,):
            raise DataError(f"field `{name}`: must be a float64 array of shape ({self.length},)")
        if not np.isfinite(value).all():
            raise NonFiniteError(f"field `{name}`: has times that are not finite")
        if not (np.diff(value) > 0).all():
            raise DataError(f"field `{name}`: times must be strictly increasing")

    def encode(self, value: np.ndarray) -> bytes:
        return npy_bytes(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return from_npy_bytes(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.float64(), self.length)

    def hf_feature(self) -> dict[str, Any]:
        return {"_type": "List", "length": self.length, "feature": {"dtype": "float64", "_type": "Value"}}

    def describe(self) -> dict[str, Any]:
        return {"type": "times", "length": self.length, "unit": self.unit}


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

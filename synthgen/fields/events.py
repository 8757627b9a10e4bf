"""Fields that say what happens when in a series: a class for each value, and events."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from synthgen.errors import DataError
from synthgen.fields.series import from_npy_bytes, npy_bytes


@dataclass(frozen=True, slots=True)
class StepClasses:
    """The class of each value of a series: uint8 array (length, channels), 0 normal, `classes` from 1 on in order.

    Stored as `.npy`; in a table, as lists of class ids whose names HF datasets knows.
    """

    dtype: ClassVar[type] = np.uint8
    length: int
    channels: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def suffix(self) -> str:
        return "npy"

    @property
    def raw_bytes(self) -> int:
        return self.length * len(self.channels)

    def check(self, name: str, value: Any) -> None:
        shape = (self.length, len(self.channels))
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != shape:
            raise DataError(f"field `{name}`: must be a uint8 array of shape {shape}")
        if value.max(initial=0) > len(self.classes):
            raise DataError(f"field `{name}`: has the class id {value.max()}; 0 to {len(self.classes)} exist")

    def encode(self, value: np.ndarray) -> bytes:
        return npy_bytes(value)

    def decode(self, stored: bytes) -> np.ndarray:
        return from_npy_bytes(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.list_(pa.list_(pa.int64(), len(self.channels)), self.length)

    def hf_feature(self) -> dict[str, Any]:
        one = {"names": ["normal", *self.classes], "_type": "ClassLabel"}
        step = {"_type": "List", "length": len(self.channels), "feature": one}
        return {"_type": "List", "length": self.length, "feature": step}

    def describe(self) -> dict[str, Any]:
        return {
            "type": "step-classes",
            "length": self.length,
            "channels": list(self.channels),
            "classes": list(self.classes),
        }


@dataclass(frozen=True, slots=True)
class Events:
    """What happens in a series of `length` steps: a list of dicts, one an event, stored as they are.

    `kind` (one of `kinds`); `start` and `end` in steps, `end` exclusive; `start_time` and `end_time`, of these steps,
    in `unit`; `channels`, the names of those that it is in; `severity`, in robust standard deviations of the
    channel, None where that has no meaning.
    """

    length: int
    kinds: tuple[str, ...]
    channels: tuple[str, ...]
    unit: str

    @property
    def suffix(self) -> None:
        return None

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, Sequence) or not all(isinstance(e, Mapping) and set(e) == set(KEYS) for e in value):
            raise DataError(f"field `{name}`: must be a list of dicts with the keys {', '.join(KEYS)}")
        for event in value:
            if event["kind"] not in self.kinds:
                raise DataError(f"field `{name}`: has the kind {event['kind']!r}; accepted: {', '.join(self.kinds)}")
            if not 0 <= event["start"] < event["end"] <= self.length or not event["start_time"] < event["end_time"]:
                raise DataError(f"field `{name}`: an event must end after its start, within {self.length} steps")
            if not event["channels"] or not set(event["channels"]) <= set(self.channels):
                raise DataError(f"field `{name}`: channels must be some of {', '.join(self.channels)}")
            numbers = [event["start_time"], event["end_time"], event["severity"]]
            if not all(number is None or math.isfinite(number) for number in numbers):
                raise DataError(f"field `{name}`: times and severities must be finite")

    def encode(self, value: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "kind": str(event["kind"]),
                "start": int(event["start"]),
                "end": int(event["end"]),
                "start_time": float(event["start_time"]),
                "end_time": float(event["end_time"]),
                "channels": [str(channel) for channel in event["channels"]],
                "severity": None if event["severity"] is None else float(event["severity"]),
            }
            for event in value
        ]

    def decode(self, stored: Any) -> list[dict[str, Any]]:
        return self.encode(stored)  # a tar's JSON has its keys sorted

    def arrow(self) -> Any:
        import pyarrow as pa

        kinds = (pa.string(), pa.int64(), pa.int64(), pa.float64(), pa.float64(), pa.list_(pa.string()), pa.float64())
        return pa.list_(pa.struct(list(zip(KEYS, kinds, strict=True))))

    def hf_feature(self) -> dict[str, Any]:
        kinds = ("string", "int64", "int64", "float64", "float64", "string", "float64")
        values: dict[str, Any] = {key: {"dtype": kind, "_type": "Value"} for key, kind in zip(KEYS, kinds, strict=True)}
        values["channels"] = {"_type": "List", "feature": values["channels"]}
        return {"_type": "List", "feature": values}

    def describe(self) -> dict[str, Any]:
        return {
            "type": "events",
            "length": self.length,
            "kinds": list(self.kinds),
            "channels": list(self.channels),
            "unit": self.unit,
        }


KEYS = ("kind", "start", "end", "start_time", "end_time", "channels", "severity")
"""Keys of an event, in the order that they are stored in."""

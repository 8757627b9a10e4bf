"""Fields that say what happens when in a series: a class for each value, and events."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from synthgen.errors import DataError
from synthgen.fields.cells import Column
from synthgen.fields.field import Field
from synthgen.fields.names import numbered, quoted
from synthgen.fields.series import NpyArray
from synthgen.fields.shown import Marks, Shown


class ClassIds(NpyArray):
    """What arrays of class ids have in common: uint8, 0 for what is of none, `classes` from 1 on in order."""

    __slots__ = ()
    croissant_type: ClassVar[str] = "sc:Integer"
    classes: tuple[str, ...]

    @property
    def number(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != self.shape:
            raise DataError(f"field `{name}`: must be a uint8 array of shape {self.shape}")
        if value.max(initial=0) > len(self.classes):
            raise DataError(f"field `{name}`: has the class id {value.max()}; 0 to {len(self.classes)} exist")

    def cell_type(self) -> Any:
        import pyarrow as pa

        return pa.int64()


@dataclass(frozen=True, slots=True)
class StepClasses(ClassIds):
    """The class of each value of a series: uint8 array (length, channels), 0 normal, `classes` from 1 on in order.

    Stored as `.npy`; in a table, as lists of class ids whose names HF datasets knows.
    """

    length: int
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    type: ClassVar[str] = "step-classes"

    @property
    def shape(self) -> tuple[int, int]:
        return self.length, len(self.channels)

    def hf_feature(self) -> dict[str, Any]:
        one = {"names": ["normal", *self.classes], "_type": "ClassLabel"}
        step = {"_type": "List", "length": len(self.channels), "feature": one}
        return {"_type": "List", "length": self.length, "feature": step}

    def columns(self, name: str) -> list[Column]:
        return [Column(channel, "string", classes=("normal", *self.classes)) for channel in self.channels]

    @property
    def n_rows(self) -> int:
        return self.length

    def rows(self, value: np.ndarray) -> list[list[str]]:
        names = ("normal", *self.classes)
        return [[names[i] for i in channel] for channel in value.T.tolist()]

    def text(self, quote: Callable[[str], str]) -> str:
        listed = numbered(["normal", *map(quote, self.classes)])
        return f"class of each value, {self.length} steps of {quoted(self.channels, quote)}, uint8: {listed}"

    @property
    def shown(self) -> Shown:
        return Marks(self.channels, self.classes)


@dataclass(frozen=True, slots=True)
class StepLabels(ClassIds):
    """What is going on at each step of a series: uint8 array (length,), 0 unknown, `classes` from 1 on in order.

    Stored as `.npy`; in a table, as a list of class ids whose names HF datasets knows.
    """

    length: int
    classes: tuple[str, ...]
    type: ClassVar[str] = "step-labels"

    @property
    def shape(self) -> tuple[int]:
        return (self.length,)

    def hf_feature(self) -> dict[str, Any]:
        one = {"names": ["unknown", *self.classes], "_type": "ClassLabel"}
        return {"_type": "List", "length": self.length, "feature": one}

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "string", classes=("unknown", *self.classes))]

    @property
    def n_rows(self) -> int:
        return self.length

    def rows(self, value: np.ndarray) -> list[list[str]]:
        names = ("unknown", *self.classes)
        return [[names[i] for i in value.tolist()]]

    def text(self, quote: Callable[[str], str]) -> str:
        listed = numbered(["unknown", *map(quote, self.classes)])
        return f"class of each of {self.length} steps, uint8: {listed}"

    @property
    def shown(self) -> Shown:
        return Marks((), self.classes)


@dataclass(frozen=True, slots=True)
class Events(Field):
    """What happens in a series of `length` steps: a list of dicts, one for each event, stored as they are.

    `kind` (one of `kinds`); `start` and `end` in steps, `end` exclusive; `start_time` and `end_time`, of these steps,
    in `unit`; `channels`, the names of those that it is in; `severity`, in robust standard deviations of the
    channel, None where that has no meaning.
    """

    length: int
    kinds: tuple[str, ...]
    channels: tuple[str, ...]
    unit: str
    type: ClassVar[str] = "events"
    croissant_type: ClassVar[str] = "sc:StructuredValue"
    repeated: ClassVar[bool] = True

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

    def text(self, quote: Callable[[str], str]) -> str:
        return (
            f"events, each with `kind` ({quoted(self.kinds, quote)}), `start` and `end` in steps (end exclusive), "
            f"`start_time` and `end_time` in {quote(self.unit)}, `channels`, `severity` in robust standard deviations"
        )

    @property
    def object_classes(self) -> tuple[str, ...]:
        return self.kinds

    def objects(self, stored: Sequence[Mapping[str, Any]]) -> list[str]:
        return [event["kind"] for event in stored]


KEYS = ("kind", "start", "end", "start_time", "end_time", "channels", "severity")
"""Keys of an event, in the order that they are stored in."""

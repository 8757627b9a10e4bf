"""A plug-in file with a scalar field of its own, a level in decibels, and the scorer that adds it to series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from synthgen.errors import DataError
from synthgen.fields import Column, Columns, Field, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


@dataclass(frozen=True, slots=True)
class Level(Field):
    """One number in decibels, above `reference`."""

    type: ClassVar[str] = "level"
    croissant_type: ClassVar[str] = "sc:Float"
    is_number: ClassVar[bool] = True
    reference: float

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, float):
            raise DataError(f"field `{name}`: must be a number")

    def encode(self, value: float) -> float:
        return value

    def decode(self, stored: Any) -> float:
        return float(stored)

    def arrow(self) -> Any:
        import pyarrow as pa

        return pa.float64()

    def hf_feature(self) -> dict[str, Any]:
        return {"dtype": "float64", "_type": "Value"}

    def text(self, quote: Callable[[str], str]) -> str:
        return f"level in dB above {self.reference:g}"

    def columns(self, name: str) -> list[Column]:
        return [Column(name, "float64", "dB")]

    def rows(self, value: float) -> list[list[float]]:
        return [[value]]


class Loudness:
    """Adds `loudness`, the level of a series' root mean square."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        pass

    def __init__(self, config: Config) -> None:
        self.fields = {"loudness": Level(1.0)}

    def identity(self) -> dict[str, Any]:
        return {}

    def bind(self, columns: Schema) -> list[Problem]:
        return [] if "series" in columns else [Problem("needs series", ("series",))]

    def setup(self, device: str) -> None:
        pass

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        return {"loudness": [float(20 * np.log10(np.sqrt(np.nanmean(one**2)))) for one in columns["series"]]}


SYNTHGEN_PLUGINS = {"fields": {"level": Level}, "labelers": {"loudness": Loudness}}

"""Cells: how values stand in a plain table, such as CSV, where a cell is one number or one word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: its name, what a cell holds, its unit (empty if it has none), and its classes, if any."""

    name: str
    kind: Literal["string", "float32", "float64", "timestamp", "timestamp_utc"]
    unit: str = ""
    classes: tuple[str, ...] = ()

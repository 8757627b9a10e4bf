"""Boxes that people drew, whatever the format of their files: one record an image, checked in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from synthgen.errors import DataError

TOLERANCE_PX = 1.0
"""How far a box may reach out of its image: labelling tools round, and count from 0 or from 1."""

SHOWN_CHARACTERS = 60

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Record:
    """What an annotation file says of one image.

    Attributes:
        where: the file and the place in it, for messages.
        file: the image, relative to the folder of the images; without an ending if the format names none.
        size: width and height in pixels, if the file says them.
        split: the part of the data that it belongs to, if the file says so.
        boxes: left, top, width, height: in pixels, or in shares of the image if `relative`.
        names: the class of each box.
    """

    where: str
    file: str
    size: tuple[int, int] | None = None
    split: str | None = None
    boxes: tuple[Box, ...] = ()
    names: tuple[str, ...] = ()
    relative: bool = False


@dataclass(slots=True)
class Annotations:
    """The records of a folder or file, and what must be said of them.

    `classes` are all names, in id order; `named_by` is the file that they are from, if that is one of its own.
    """

    classes: tuple[str, ...] = ()
    records: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    named_by: str = ""


def located(record: Record, width: int, height: int) -> list[Box]:
    """The boxes of a record in pixels of its image: left, top, width, height.

    Raises:
        DataError: a box reaches out of the image by more than `TOLERANCE_PX`, or the record is of an image of
            another size; all of them at once.
    """
    if record.size is not None and record.size != (width, height):
        raise DataError(
            f"{record.where}: says {record.size[0]} x {record.size[1]} pixels, and {record.file} has {width} x {height}"
        )
    sides = (width, height, width, height) if record.relative else (1, 1, 1, 1)
    boxes = [tuple(value * side for value, side in zip(box, sides, strict=True)) for box in record.boxes]
    outside = [
        f"{record.where}: box {number} ({name}) reaches out of the image: left {x:g}, top {y:g}, right {x + w:g}, "
        f"bottom {y + h:g} in {width} x {height} pixels"
        for number, ((x, y, w, h), name) in enumerate(zip(boxes, record.names, strict=True), start=1)
        if not (min(x, y) >= -TOLERANCE_PX and x + w <= width + TOLERANCE_PX and y + h <= height + TOLERANCE_PX)
    ]
    if outside:
        raise DataError(*outside)
    return [(x, y, w, h) for x, y, w, h in boxes]


def number(value: Any) -> float | None:
    """A finite number as a float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def size_problem(width: float, height: float) -> str:
    """What is wrong with the extent of a box; empty if nothing is."""
    if width > 0 and height > 0:
        return ""
    return f"has a width of {width:g} and a height of {height:g}; both must be above 0"


def lies_within_one(box: Box) -> bool:
    """Whether a box in pixels is in the first one, as shares of an image are."""
    return box[0] + box[2] <= 1 and box[1] + box[3] <= 1


def file_problem(name: Any) -> str:
    """Why a name cannot be that of a file below a folder; empty if it can."""
    if not isinstance(name, str) or not name.strip():
        return f"must name a file (got {shown(name)})"
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000 for c in name) or len(name) > 1000:
        return f"is no name of a file: {shown(name)}"
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in name.replace("\\", "/").split("/"):
        return f"must be a path below the folder of the images, without `..` (got {shown(name)})"
    return ""


def shown(value: Any) -> str:
    """A value of a file as short text in one line, without anything that a terminal would obey."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else f"`{value}`"
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."

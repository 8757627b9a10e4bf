"""Pascal VOC's annotations: the XML of one file into the record of its image."""

from __future__ import annotations

import math
from xml.etree import ElementTree as Xml
from xml.parsers import expat

from synthgen.errors import DataError
from synthgen.readers.boxes.annotations import Box, Record, file_problem, lies_within_one, shown, size_problem

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def parse(raw: bytes, name: str) -> Record:
    """What an annotation says. `file` is its `filename`; empty if it names none.

    VOC counts pixels from 1, and its boxes include their last row and column. Parts of objects (`part`) are none.

    Raises:
        DataError: it is no such file, or entries of it are wrong; all of them.
    """
    root = _root(raw, name)
    if root.tag != "annotation":
        raise DataError(f"{name}: is no Pascal VOC annotation: it begins with <{shown(root.tag)}>, not <annotation>")
    wrong: list[str] = []
    boxes: list[Box] = []
    names: list[str] = []
    for place, entry in enumerate(root.findall("object"), start=1):
        try:
            box, cls = _object(entry)
        except ValueError as error:
            wrong.append(f"{name}: object {place}: {error}")
        else:
            boxes.append(box)
            names.append(cls)
    if boxes and all(map(lies_within_one, boxes)):
        wrong.append(
            f"{name}: bndbox: every corner lies within 0 and 1, so they seem to be shares of the image; pixels, "
            "counted from 1, are accepted"
        )
    file = (root.findtext("filename") or "").strip()
    if file and (text := file_problem(file)):
        wrong.append(f"{name}: filename {text}")
    try:
        size = _size(root)
    except ValueError as error:
        wrong.append(f"{name}: {error}")
    if wrong:
        raise DataError(*wrong)
    return Record(name, file, size, None, tuple(boxes), tuple(names))


def _root(raw: bytes, name: str) -> Xml.Element:
    """The root element. A document type, which can define entities that expand, is refused first."""
    scout = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise DataError(f"{name}: has a document type (<!DOCTYPE ...>), which annotations do not need; remove it")

    scout.StartDoctypeDeclHandler = refuse
    try:
        scout.Parse(raw, True)
        return Xml.fromstring(raw)  # noqa: S314  (no document type, so no entities)
    except (expat.ExpatError, Xml.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{name}: is no readable XML: {error}") from None


def _object(entry: Xml.Element) -> tuple[Box, str]:
    """The box of an object in pixels, counted from 0, and its class.

    Raises:
        ValueError: says what is wrong.
    """
    cls = (entry.findtext("name") or "").strip()
    if not cls or not cls.isprintable():
        raise ValueError("needs a <name>, its class")
    corners = entry.find("bndbox")
    if corners is None:
        raise ValueError(f"({shown(cls)}) needs a <bndbox>")
    left, top, right, bottom = (_number(corners, side) for side in CORNERS)
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    if text := size_problem(box[2], box[3]):
        raise ValueError(f"({shown(cls)}) {text}")
    return box, cls


def _number(parent: Xml.Element, tag: str) -> float:
    text = (parent.findtext(tag) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{tag}: must be a number of pixels (got {shown(text)})")
    return value


def _size(root: Xml.Element) -> tuple[int, int] | None:
    """Width and height, if they are there; some tools write 0 for `not known`."""
    if (found := root.find("size")) is None:
        return None
    width, height = (_number(found, side) for side in ("width", "height"))
    if width == height == 0:
        return None
    if not (width >= 1 and height >= 1 and width.is_integer() and height.is_integer()):
        raise ValueError(f"size: must be whole numbers of pixels (got {width:g} x {height:g})")
    return int(width), int(height)

"""YOLO's labels: the text of one file into the record of its image, and the names of the classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from synthgen.errors import DataError, RecipeError
from synthgen.readers.boxes.annotations import Box, Record, shown, size_problem
from synthgen.readers.text_table import decode
from synthgen.recipe import yaml_text

EXPECTED = "must be `class centre-x centre-y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon"
MARGIN = 0.5
"""Shares further than this from 0 to 1 are no shares of an image, but pixels."""


def parse(raw: bytes, name: str, file: str, classes: Sequence[str]) -> Record:
    """What a label file says of the image `file`; a polygon counts as the box around it.

    Raises:
        DataError: lines that cannot be read, all of them.
    """
    boxes: list[Box] = []
    names: list[str] = []
    wrong: list[str] = []
    for line, text in enumerate(decode(raw, name).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            cls, box = _object(text.split(), classes)
        except ValueError as error:
            wrong.append(f"{name}:{line}: {error}")
        else:
            boxes.append(box)
            names.append(cls)
    if wrong:
        raise DataError(*wrong)
    return Record(name, file, None, None, tuple(boxes), tuple(names), relative=True)


def class_names(raw: bytes, name: str) -> tuple[str, ...]:
    """The names in a classes.txt (one a line) or a data.yaml (`names`, a list or by number), in id order.

    Raises:
        DataError: there are none, or they are no names.
    """
    text = decode(raw, name)
    if not name.lower().endswith((".yaml", ".yml")):
        found = [line.strip() for line in text.split("\n")]
        names: Sequence[object] = found[:-1] if not found[-1] else found
    else:
        names = _names_in_yaml(text, name)
    words = tuple(str(word).strip() for word in names if isinstance(word, (str, int, float)))
    if not words or len(words) < len(names) or not all(word and word.isprintable() for word in words):
        raise DataError(f"{name}: must name every class, in the order of their ids from 0 on")
    twice = sorted(word for word, n in Counter(words).items() if n > 1)
    if twice:
        raise DataError(f"{name}: names a class twice: {', '.join(twice)}")
    return words


def _names_in_yaml(text: str, name: str) -> Sequence[object]:
    try:
        content = yaml_text.parse(text, name).data
    except RecipeError as error:
        raise DataError(str(error)) from None
    names = content.get("names") if isinstance(content, Mapping) else None
    if isinstance(names, Mapping) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        by_id = {str(key): word for key, word in names.items()}
        return [by_id[str(i)] for i in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{name}: names: must be the list of the classes' names (got {shown(names)})")
    return names


def _object(words: Sequence[str], classes: Sequence[str]) -> tuple[str, Box]:
    """The class and the box, in shares of the image, of one line.

    Raises:
        ValueError: says what is wrong with the line.
    """
    if len(words) < 5 or (len(words) > 5 and (len(words) < 7 or len(words) % 2 == 0)):
        raise ValueError(f"{EXPECTED} (got {len(words)} values)")
    if not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > 9:
        raise ValueError(f"the class must be a whole number from 0 on (got {shown(words[0])})")
    if int(words[0]) >= len(classes):
        raise ValueError(f"the class {words[0]} has no name; there are {len(classes)}, from 0 on: {_some(classes)}")
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError:
        raise ValueError(f"{EXPECTED} (got {shown(' '.join(words))})") from None
    if not all(math.isfinite(value) and -MARGIN <= value <= 1 + MARGIN for value in numbers):
        raise ValueError(f"numbers must be shares of the image, from 0 to 1 (got {shown(' '.join(words[1:]))})")
    if len(numbers) == 4:
        x, y, width, height = numbers
        box = (x - width / 2, y - height / 2, width, height)
    else:
        xs, ys = numbers[::2], numbers[1::2]
        box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    if text := size_problem(box[2], box[3]):
        raise ValueError(f"the box {text}")
    return classes[int(words[0])], box


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "")

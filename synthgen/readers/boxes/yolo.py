"""YOLO's labels: the text of one file into the record of its image, and the names of the classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.errors import DataError, RecipeError
from synthgen.readers.boxes.annotations import Box, Record, shown, size_problem
from synthgen.readers.text_table import decode
from synthgen.recipe import yaml_text

EXPECTED = "must be `class centre-x centre-y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon"
MARGIN = 0.5
"""Shares further than this from 0 to 1 are no shares of an image, but pixels."""


def parse(raw: bytes, name: str, file: str, classes: Sequence[str], n_keypoint_values: int = 0) -> Record:
    """What a label file says of the image `file`; a polygon counts as the box around it.

    Args:
        n_keypoint_values: how many numbers of keypoints follow the four of a box; then there are no polygons.

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
            cls, box = _object(text.split(), classes, n_keypoint_values)
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
    if _is_yaml(name):
        names = _names_in(content(raw, name), name)
    else:
        found = [line.strip() for line in decode(raw, name).split("\n")]
        names = found[:-1] if not found[-1] else found
    words = tuple(str(word).strip() for word in names if isinstance(word, (str, int, float)))
    if not words or len(words) < len(names) or not all(word and word.isprintable() for word in words):
        raise DataError(f"{name}: must name every class, in the order of their ids from 0 on")
    twice = sorted(word for word, n in Counter(words).items() if n > 1)
    if twice:
        raise DataError(f"{name}: names a class twice: {', '.join(twice)}")
    return words


def content(raw: bytes, name: str) -> Mapping[str, Any]:
    """What a data.yaml says, nothing if the file is of another kind; raises DataError if it is no YAML."""
    if not _is_yaml(name):
        return {}
    try:
        found = yaml_text.parse(decode(raw, name), name).data
    except RecipeError as error:
        raise DataError(str(error)) from None
    return found if isinstance(found, Mapping) else {}


def n_keypoint_values(found: Mapping[str, Any], name: str) -> int:
    """How many numbers of keypoints follow a box, by `kpt_shape` in the content of a data.yaml; 0 without it.

    Raises:
        DataError: `kpt_shape` is not what Ultralytics' files have.
    """
    shape = found.get("kpt_shape")
    if shape is None:
        return 0
    if not (isinstance(shape, list) and len(shape) == 2 and type(shape[0]) is int and shape[1] in (2, 3)):
        raise DataError(f"{name}: kpt_shape: must be [number of keypoints, 2 or 3] (got {shown(shape)})")
    return int(shape[0]) * int(shape[1])


def _is_yaml(name: str) -> bool:
    return name.lower().endswith((".yaml", ".yml"))


def _names_in(found: Mapping[str, Any], name: str) -> Sequence[object]:
    names, number = found.get("names"), found.get("nc")
    if isinstance(names, Mapping) and sorted(map(str, names)) == sorted(map(str, range(len(names)))):
        by_id = {str(key): word for key, word in names.items()}
        names = [by_id[str(i)] for i in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"{name}: names: must be the list of the classes' names (got {shown(names)})")
    if number not in (None, len(names)):
        raise DataError(f"{name}: says `nc: {shown(number)}`, and `names` has {len(names)}; mend one of them")
    return names


def _object(words: Sequence[str], classes: Sequence[str], n_keypoint_values: int) -> tuple[str, Box]:
    """The class and the box, in shares of the image, of one line.

    Raises:
        ValueError: says what is wrong with the line.
    """
    n = len(words)
    if n_keypoint_values and n not in (5, 5 + n_keypoint_values):
        raise ValueError(
            f"must be `class centre-x centre-y width height`, alone or with the {n_keypoint_values} numbers of "
            f"keypoints that `kpt_shape` says (got {n} values)"
        )
    if not n_keypoint_values and (n < 5 or (n > 5 and (n < 7 or n % 2 == 0))):
        raise ValueError(f"{EXPECTED} (got {n} values)")
    if not n_keypoint_values and n == 7 and words[-1].isdigit():
        raise ValueError(
            f"ends with a confidence and the number of a track, it seems ({' '.join(words[-2:])}); {EXPECTED}, with "
            f"decimal points, as {words[-1]}.0"
        )
    if not (words[0].isascii() and words[0].isdigit()) or len(words[0]) > 9:
        raise ValueError(f"the class must be a whole number from 0 on (got {shown(words[0])})")
    if int(words[0]) >= len(classes):
        raise ValueError(f"the class {words[0]} has no name; there are {len(classes)}, from 0 on: {_some(classes)}")
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError:
        raise ValueError(f"{EXPECTED} (got {shown(' '.join(words))})") from None
    numbers = numbers[:4] if n_keypoint_values else numbers
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

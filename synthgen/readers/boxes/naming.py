"""What files beside YOLO's labels say: the names of the classes, and how many values keypoints have."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.boxes import yolo
from synthgen.readers.problems import read_bytes

NAMES = ("data.yaml", "data.yml", "classes.txt", "obj.names")
"""Files that name YOLO's classes; they lie beside the labels or above them."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Classes in id order, and how many values the keypoints of an object have, as `source` says.

    `source` is empty where no file names classes, and `n_keypoint_values` 0 where objects have no keypoints.
    """

    classes: tuple[str, ...]
    source: str = ""
    n_keypoint_values: int = 0


def name_files(labels: Path) -> list[Path]:
    """The files that name the classes of a folder of labels, the nearest first."""
    above = [labels, *list(labels.resolve().parents)[:2]]
    return [folder / name for folder in above for name in NAMES if (folder / name).is_file()]


def load_naming(labels: Path, root: Path, otherwise: Sequence[str]) -> Naming:
    """What the nearest file says, as far as others in `root` do not disagree; names are `otherwise` without any.

    Raises:
        DataError: the nearest file names no classes, or another one gives an id another name.
    """
    sources = name_files(labels)
    if not sources:
        return Naming(tuple(otherwise))
    first = sources[0]
    classes, content = yolo.class_names(read_bytes(first), str(first)), _content(first)
    for other in sources[1:]:
        if other.resolve() != first.resolve() and other.resolve().is_relative_to(root.resolve()):
            more = _content(other)
            _compare(classes, first, other, more)
            content = {**more, **content}
    return Naming(classes, str(first), yolo.n_keypoint_values(content, str(first)))


def _content(path: Path) -> Mapping[str, Any]:
    """What a .yaml file says; nothing of other files, and of one that is no YAML."""
    with contextlib.suppress(DataError):
        return yolo.content(read_bytes(path), str(path))
    return {}


def _compare(classes: Sequence[str], path: Path, other: Path, content: Mapping[str, Any]) -> None:
    """Raises DataError if another file gives an id another name than `path`, or says another number of classes."""
    if other.suffix in (".yaml", ".yml") and "names" not in content:
        number = content.get("nc", len(classes))
        if number != len(classes):
            raise DataError(f"{path}: names {len(classes)} classes, and {other} says `nc: {number}`; mend one of them")
        return
    names = yolo.class_names(read_bytes(other), str(other))
    for number, (one, two) in enumerate(zip(classes, names, strict=False)):
        if one != two:
            raise DataError(
                f"{path}: calls class {number} `{one}`, and {other} calls it `{two}`; remove the file that is not of "
                "these labels"
            )

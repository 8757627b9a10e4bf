"""COCO files: the text of one into one record per image, all problems at once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.boxes.annotations import (
    Annotations,
    Box,
    Record,
    file_problem,
    lies_within_one,
    number,
    shown,
    size_problem,
)
from synthgen.readers.problems import Problems

PARTS = ("images", "annotations", "categories")
Id = int | str


def parse(raw: bytes, name: str, problems: Problems) -> Annotations:
    """The images of a COCO file with their boxes, in the file's order. Crowds are no objects, and are left out.

    An image with a wrong entry is a problem of that image, because an object that is left out would be
    background for a network.

    Raises:
        DataError: the bytes are no COCO file, or its categories cannot be used.
    """
    content = _content(raw, name)
    categories = _categories(content["categories"], name)
    complaints: dict[Id, list[str]] = {}
    images = _images(content["images"], name, complaints, problems)
    boxes: dict[Id, list[tuple[Box, str]]] = {}
    annotation_ids = Counter(_id(entry.get("id")) for entry in content["annotations"] if isinstance(entry, Mapping))
    n_crowds = n_strays = 0
    for place, entry in enumerate(content["annotations"]):
        where = f"{name}: annotations[{place}]"
        of = _id(entry.get("image_id")) if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or of is None or of not in images:
            n_strays += 1
            if not problems.skip_broken:
                problems.add(f"{where}: image_id: must be the id of an image of this file (got {shown(entry)})")
            continue
        wrong = _wrong(entry, categories, annotation_ids, where)
        if wrong:
            complaints.setdefault(of, []).extend(wrong)
        elif entry.get("iscrowd"):
            n_crowds += 1
        else:
            x, y, w, h = (float(value) for value in entry["bbox"])
            category = _id(entry["category_id"])
            assert category is not None
            boxes.setdefault(of, []).append(((x, y, w, h), categories[category]))
    if boxes and all(lies_within_one(box) for drawn in boxes.values() for box, _ in drawn):
        problems.add(
            f"{name}: bbox: every box lies within 0 and 1, so they seem to be shares of the images; left, top, width, "
            "height in pixels are accepted"
        )
    found = Annotations(tuple(categories.values()))
    for key, image in images.items():
        if key in complaints:
            problems.add_broken(str(image["file_name"]), complaints[key])
        else:
            found.records.append(_record(image, boxes.get(key, []), name))
    if n_crowds:
        found.notes.append(f"{name}: crowds (`iscrowd`) are no objects, and are left out: {n_crowds}")
    if n_strays and problems.skip_broken:
        found.notes.append(f"{name}: annotations of no image of the file are left out: {n_strays}")
    return found


def is_coco(raw: bytes) -> bool:
    """Whether a file looks like COCO's: it may still have problems."""
    try:
        _content(raw, "")
    except DataError:
        return False
    return True


def _content(raw: bytes, name: str) -> Mapping[str, Any]:
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: cannot be read as a COCO file: {error}") from None
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        raise DataError(f"{name}: must hold the lists `images`, `annotations` and `categories`, as COCO files do")
    return content


def _id(value: Any) -> Id | None:
    return value if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _categories(entries: Sequence[Any], name: str) -> Mapping[Id, str]:
    """Names by id. They concern every image, so nothing here can be skipped."""
    problems = Problems()
    found: dict[Id, str] = {}
    for place, entry in enumerate(entries):
        where = f"{name}: categories[{place}]"
        key, word = (_id(entry.get("id")), entry.get("name")) if isinstance(entry, Mapping) else (None, None)
        if key is None or not isinstance(word, str) or not word.strip() or not word.isprintable():
            problems.add(f"{where}: needs an `id` and a `name` (got {shown(entry)})")
        elif key in found:
            problems.add(f"{where}: the id {shown(key)} is that of `{found[key]}`, too")
        elif word in found.values():
            problems.add(f"{where}: the name `{word}` is there twice; give each category a name of its own")
        else:
            found[key] = word
    problems.check()
    return found


def _images(
    entries: Sequence[Any], name: str, complaints: dict[Id, list[str]], problems: Problems
) -> Mapping[Id, Mapping[str, Any]]:
    """The images by id; what is wrong with one is in `complaints`."""
    found: dict[Id, Mapping[str, Any]] = {}
    by_file: dict[str, Id] = {}
    for place, entry in enumerate(entries):
        where = f"{name}: images[{place}]"
        key = _id(entry.get("id")) if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or key is None:
            problems.add_broken(where, [f"{where}: must be an object with `id` and `file_name` (got {shown(entry)})"])
            continue
        file = entry.get("file_name")
        wrong = [f"{where}: file_name {text}" for text in [file_problem(file)] if text]
        if key in found:
            complaints.setdefault(key, []).append(f"{where}: id: {shown(key)} is the id of another image, too")
            continue
        found[key] = {**entry, "file_name": file if isinstance(file, str) and not wrong else where}
        if not wrong and isinstance(file, str):
            other = by_file.setdefault(file, key)
            if other != key:
                wrong.append(f"{where}: file_name: {shown(file)} is that of image {shown(other)}, too")
        wrong += [
            f"{where}: {side}: must be a whole number of pixels (got {shown(entry[side])})"
            for side in ("width", "height")
            if entry.get(side) is not None and not (number(entry[side]) or 0) > 0
        ]
        if not isinstance(entry.get("split", ""), str):
            wrong.append(f"{where}: split: must be a word (got {shown(entry['split'])})")
        elif entry.get("split") and (text := listing.split_problem(entry["split"])):
            wrong.append(f"{where}: {text}")
        if wrong:
            complaints.setdefault(key, []).extend(wrong)
    return found


def _wrong(entry: Mapping[str, Any], categories: Mapping[Id, str], ids: Counter[Id | None], where: str) -> list[str]:
    """What is wrong with one annotation of a known image."""
    found = []
    own, category, box = _id(entry.get("id")), _id(entry.get("category_id")), entry.get("bbox")
    if own is not None and ids[own] > 1:
        found.append(f"{where}: id: {shown(own)} is the id of another annotation, too")
    if category is None or category not in categories:
        found.append(f"{where}: category_id: {shown(entry.get('category_id'))} is no id of a category of this file")
    if entry.get("iscrowd", 0) not in (0, 1):
        found.append(f"{where}: iscrowd: must be 0 or 1 (got {shown(entry['iscrowd'])})")
    elif entry.get("iscrowd"):
        return found
    numbers = [number(value) for value in box] if isinstance(box, list) else []
    if len(numbers) != 4 or any(value is None for value in numbers):
        found.append(f"{where}: bbox: must be four finite numbers: left, top, width, height (got {shown(box)})")
    elif text := size_problem(*[value or 0.0 for value in numbers[2:]]):
        found.append(f"{where}: bbox: {text}")
    return found


def _record(image: Mapping[str, Any], boxes: Sequence[tuple[Box, str]], name: str) -> Record:
    sides = [number(image.get(side)) for side in ("width", "height")]
    size = None if None in sides else (int(sides[0] or 0), int(sides[1] or 0))
    file = str(image["file_name"])
    return Record(
        f"{name}: {file}",
        file,
        size,
        listing.split_of(image.get("split")),
        tuple(box for box, _ in boxes),
        tuple(category for _, category in boxes),
    )

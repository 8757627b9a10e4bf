"""Boxes on disk: COCO files, folders of YOLO's or Pascal VOC's labels, and the images that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.boxes import coco, naming, voc, yolo
from synthgen.readers.boxes.annotations import Annotations, Record, located
from synthgen.readers.images.pixel_range import PixelRange
from synthgen.readers.masks import files as mask_files
from synthgen.readers.masks.files import Places, named
from synthgen.readers.masks.types import Example, MaskData
from synthgen.readers.problems import Problems, read_bytes
from synthgen.readers.text_table import load_lines
from synthgen.vision import layouts


def load_annotations(found: Places, data: MaskData, problems: Problems) -> Annotations:
    """The records of one split, whatever their format.

    Raises:
        DataError: there are no annotations at that place, or none that can be read.
    """
    place = found.labels
    if place.is_file():
        read = coco.parse(read_bytes(place), str(place), problems)
        read.records = [one for one in read.records if found.split in (None, one.split or "train")]
        return read
    if not place.is_dir():
        raise DataError(f"{place}: is missing; it must be a COCO .json file, or a folder of YOLO's or VOC's labels")
    if not is_divided(found):
        return Annotations()
    files = listing.files(place)
    xml, txt = ([path for path in files if path.suffix.lower() == ending] for ending in (".xml", ".txt"))
    if xml:
        return _voc(found, xml, problems)
    if txt:
        return _yolo(found, txt, data, problems)
    raise DataError(f"{place}: holds neither .txt files (YOLO) nor .xml files (Pascal VOC); COCO's boxes are one file")


def is_divided(found: Places) -> bool:
    """Whether folders, lists or a COCO file say which images are of the split; else all are for training."""
    return found.split in (None, "train") or found.labels.is_file() or _chosen(found) is not None


def label_files(found: Places) -> list[Path]:
    """The files that boxes are read from, sorted; class names of YOLO's among them."""
    if not found.labels.is_dir():
        return [found.labels]
    files = [path for path in listing.files(found.labels) if path.suffix.lower() in (".xml", ".txt")]
    more = [] if any(path.suffix.lower() == ".xml" for path in files) else naming.name_files(found.labels)
    return [*files, *(path for path in more if path not in files)]


def examples(found: Places, data: MaskData, read: Annotations, pixels: PixelRange, problems: Problems) -> list[Example]:
    """The images of the records with their boxes.

    Raises:
        DataError: boxes have classes that `data.objects` does not name.
    """
    used = dict.fromkeys(name for record in read.records for name in record.names)
    missing = sorted(set(used) - set(data.objects))
    if missing:
        by = f", as {read.named_by} calls them" if read.named_by else ""
        raise DataError(
            f"{found.labels}: has the categories {missing}{by}, which `objects: {data.objects}` does not name"
        )
    items: list[Example] = []
    for record in read.records:
        with problems.picture(record.file):
            items.append(_example(found.images / record.file, record, data, pixels))
    return items


def _example(path: Path, record: Record, data: MaskData, pixels: PixelRange) -> Example:
    if not path.is_file():
        raise DataError(f"{path}: is missing; {record.where} is of it")
    image = mask_files.picture(path, pixels)
    boxes = located(record, image.shape[1], image.shape[0])
    picture = mask_files.scaled(image, data.scale)
    xywh = np.array(boxes, dtype=np.float32).reshape(-1, 4) * data.scale
    corners = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
    classes = np.array([data.objects.index(name) + 1 for name in record.names], dtype=np.int64)
    seen = layouts.from_boxes(corners, classes, picture.shape[:2], len(data.objects)).transpose(1, 2, 0)
    return Example(path.stem, picture, 0, None, corners, classes, seen)


def _voc(found: Places, files: Sequence[Path], problems: Problems) -> Annotations:
    """An annotation is of the image that has its name; all images need one."""
    pictures, chosen = named(found.images), _chosen(found)
    read = Annotations()
    seen: set[str] = set()
    for path in files:
        name = path.relative_to(found.labels).with_suffix("").as_posix()
        if chosen is not None and name not in chosen:
            continue
        seen.add(name)
        with problems.picture(str(path)):
            record = voc.parse(read_bytes(path), str(path))
            if name not in pictures:
                raise DataError(f"{path}: there is no image of its name in {found.images}")
            read.records.append(_of(record, pictures[name], found))
    for name, path in pictures.items():
        if name not in seen and (chosen is None or name in chosen):
            problems.add_broken(str(path), [f"{path}: has no annotation of its name in {found.labels}"])
    return read


def _chosen(found: Places) -> set[str] | None:
    """The names that VOC's ImageSets list for the split; None if there are no such lists."""
    path = found.labels.parent / "ImageSets" / "Main" / f"{found.split}.txt"
    if found.split is None or not path.is_file():
        return None
    return {words[0] for line in load_lines(path) if (words := line.split())}


def _yolo(found: Places, files: Sequence[Path], data: MaskData, problems: Problems) -> Annotations:
    """A label file is of the image that has its name; images without one hold no objects, as YOLO has it."""
    pictures, names = named(found.images), naming.load_naming(found.labels, local_path(data.path), data.objects)
    labels = {
        path.relative_to(found.labels).with_suffix("").as_posix(): path
        for path in files
        if path.name not in naming.NAMES
    }
    read = Annotations(named_by=names.source)
    for name, path in labels.items():
        if name not in pictures:
            problems.add_broken(str(path), [f"{path}: there is no image of its name in {found.images}"])
    for name, picture in pictures.items():
        if name not in labels:
            read.records.append(_of(Record(str(picture), ""), picture, found))
            continue
        with problems.picture(str(picture)):
            raw = read_bytes(labels[name])
            record = yolo.parse(raw, str(labels[name]), "", names.classes, names.n_keypoint_values)
            read.records.append(_of(record, picture, found))
    bare = len(pictures.keys() - labels.keys())
    if bare:
        read.notes.append(f"{found.labels}: images without a label file are taken to hold no objects: {bare}")
    return read


def _of(record: Record, picture: Path, found: Places) -> Record:
    return Record(
        record.where,
        picture.relative_to(found.images).as_posix(),
        record.size,
        None,
        record.boxes,
        record.names,
        record.relative,
    )

"""Images whose objects are known, by masks or by boxes: one split of a folder, read and checked."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers import listing, validation
from synthgen.readers.boxes import files as box_files
from synthgen.readers.images.pixel_range import PixelRange, folder_range
from synthgen.readers.masks import colour_table, kinds, palettes, turned
from synthgen.readers.masks import files as mask_files
from synthgen.readers.masks.files import Places
from synthgen.readers.masks.types import Example, Examples, MaskData, MaskKind, Split
from synthgen.readers.problems import Problems, read_bytes
from synthgen.readers.text_table import load_table

N_DECIDING = 100
"""Masks that are looked at to say what their numbers mean."""


def read(data: MaskData, split: Split = "train") -> Examples:
    """Reads the images of one split. Every problem that is found is named, up to twenty.

    A split is the table's or the COCO file's `split`, or a subfolder of that name; data that have
    neither are training data.

    Raises:
        DataError: files are missing, unreadable, or do not fit each other; or there is no object in any image.
    """
    found, problems = mask_files.places(data, split), Problems(data.skip_broken)
    mask_files.check_divided(data, found)
    pixels, kind, notes = _decisions(data, found)
    items, said = (
        _of_boxes(data, found, pixels, problems) if kind is None else _of_masks(data, found, kind, pixels, problems)
    )
    notes += said
    problems.check()
    unread = listing.unread(listing.files(found.images) if found.images.is_dir() else [])
    notes += [text for text in (problems.note, unread) if text]
    if not items and problems.left_out:
        raise DataError(f"{found.images}: no image is left: {problems.note}")
    if not items:
        raise _no_images(data, split)
    if all(item.is_empty for item in items):
        raise DataError(
            f"{found.labels}: there is no object in any of the {len(items)} images of the split `{split}`, so there "
            "is nothing to learn from; see whether the masks or boxes are those of these images"
        )
    if data.fraction < 1 and split == "train":
        order = np.random.default_rng(0).permutation(len(items))
        items = [items[i] for i in np.sort(order[: max(2, round(data.fraction * len(items)))])]
    objects, palette = tuple(data.objects), tuple(data.palette)
    return Examples(tuple(items), class_names(data), objects, tuple(notes), data.regions, palette, pixels.bounds)


def _no_images(data: MaskData, split: Split) -> DataError:
    return DataError(
        f"{local_path(data.path) / data.images}: has no images of the split `{split}`; {_where(data, split)}, or "
        "name a `table` with the columns `id` and `split`"
    )


def _where(data: MaskData, split: Split) -> str:
    """Where images and masks of a split belong."""
    root = local_path(data.path)
    images, masks = (mask_files.in_split(folder, split) for folder in (data.images, data.masks))
    if images != data.images:
        return f"put them into {root / images} and {root / masks}"
    return (
        f"put them into {root / split / images} and {root / split / data.masks} (those for training into "
        f"{root / 'train'})"
    )


def reading_notes(data: MaskData) -> list[str]:
    """How images and masks will be read, in words, as far as no setting says it; none while there is no folder.

    Raises:
        DataError: it cannot be decided, because the files leave it open.
    """
    return _decisions(data, mask_files.places(data, "train"))[2] if local_path(data.path).is_dir() else []


def _decisions(data: MaskData, found: Places) -> tuple[PixelRange, MaskKind | None, list[str]]:
    """The range of the images' values, what the masks mean (None where boxes stand for them), and notes on both."""
    pixels = pixel_range(data, found)
    kind, reason = (None, "") if data.boxes else kind_of(data)
    meaning = f"masks are {kind}, because {reason}: {kinds.WORDS[kind]}" if kind and reason else ""
    return pixels, kind, [note for note in (pixels.note, meaning) if note]


def divided(data: MaskData, seed: int) -> tuple[Examples, Examples, Examples]:
    """All images for a training, those to train on, and those that are held out, as `data.validation` has it.

    Raises:
        DataError: as `read`.
    """

    def read_split() -> Examples:
        if not has_validation(data):
            raise _no_images(data, validation.SPLIT)
        return read(data, validation.SPLIT)

    return validation.divided(read(data), data.validation, seed, read_split)


def held_out(data: MaskData) -> list[Example]:
    """The images of the other splits that data have, as far as they can be read."""
    found: list[Example] = []
    for split in ("val", "test"):
        with contextlib.suppress(DataError):
            found += read(data.model_copy(update={"skip_broken": True}), split).items
    return found


def has_validation(data: MaskData) -> bool:
    """Whether there are images of a validation split, by folders, lists, or the column `split`."""
    found = mask_files.places(data, validation.SPLIT)
    if data.table:
        rows = load_table(local_path(data.path) / data.table).rows_by("id").values()
        return any(listing.split_of(row.get("split")) == validation.SPLIT for row in rows)
    if data.boxes:
        with contextlib.suppress(DataError):
            return bool(box_files.load_annotations(found, data, Problems(skip_broken=True)).records)
        return False
    return found.split is None and any(name in (found.listed or {name}) for name in mask_files.named(found.images))


def read_test(data: MaskData) -> Examples:
    """The test split of data that were named as test data; all images, if they have no splits.

    Raises:
        DataError: as `read`.
    """
    found = mask_files.places(data, "test")
    has_splits = data.table or found.split is None or (data.boxes and box_files.is_divided(found))
    return read(data, "test") if has_splits else read(data.model_copy(update={"fraction": 1.0}))


def class_names(data: MaskData) -> tuple[str, ...]:
    """Names of the classes of images, in id order; one class `picture` if the data name none."""
    return tuple(dict.fromkeys(data.classes.values())) if data.classes else ("picture",)


def check_classes(names: Sequence[str], accepted: Sequence[str]) -> None:
    """Raises DataError if the data have no class of one of the names."""
    for name in names:
        if name not in accepted:
            raise DataError(f"quotas: {unknown(name, accepted, 'class')}")


def short_name(data: MaskData) -> str:
    return local_path(data.path).resolve().name


def sha256(data: MaskData) -> str:
    """sha256 over names and bytes of everything that layouts are read from: masks or boxes, and tables.

    Raises:
        DataError: the folder is missing.
    """
    root = local_path(data.path)
    splits: list[Split] = ["train", "val"] if data.validation == validation.SPLIT else ["train"]
    places = [mask_files.places(data, split) for split in splits]
    read_from = box_files.label_files if data.boxes else mask_files.mask_paths
    files = list(dict.fromkeys(path for found in places for path in read_from(found)))
    files = [*files, *([root / data.table] if data.table else [])]
    files += [colour_table.place(root, data.colours)] if data.colours else []
    digest = hashlib.sha256()
    for path in files:
        raw = read_bytes(path)
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
        digest.update(f"{name}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()


def kind_of(data: MaskData) -> tuple[MaskKind, str]:
    """What the numbers in the masks mean, and why if no setting says it: the training masks decide for all splits.

    Raises:
        DataError: they leave it open.
    """
    if data.colours or data.mask_kind or data.of_class_ids:
        return data.mask_kind or "classes", ""
    found = mask_files.places(data, "train")
    paths = mask_files.mask_paths(found)
    mask_files.check_formats(paths, coloured=False)
    rows = np.unique(np.linspace(0, len(paths) - 1, min(N_DECIDING, len(paths))).round().astype(int))
    readable = []
    seen = [paths[i] for i in rows.tolist()]
    for path in seen:
        with Problems(skip_broken=True).picture(str(path)):  # they are named when all are read
            readable.append(mask_files.numbers(path, None))
    if not readable:
        return "instances", ""
    kind, reason = kinds.decided(kinds.evidence(readable), len(data.objects) > 1, str(found.labels))
    palettes.check(seen, kind, said=False)
    return kind, reason


def _of_boxes(data: MaskData, found: Places, pixels: PixelRange, problems: Problems) -> tuple[list[Example], list[str]]:
    """Images with their boxes, and what users should know of these."""
    annotations = box_files.load_annotations(found, data, problems)
    items = box_files.examples(found, data, annotations, pixels, problems)
    drawn = [record for record in annotations.records if record.boxes]
    said = turned.note((found.images / record.file, None, record.size is not None) for record in drawn)
    return items, [*annotations.notes, *([said] if said else [])]


def _of_masks(
    data: MaskData, found: Places, kind: MaskKind, pixels: PixelRange, problems: Problems
) -> tuple[list[Example], list[str]]:
    """Images with their masks, and what users should know of these."""
    paths, said = mask_files.mask_paths(found), list[str]()
    mask_files.check_formats(paths, data.colours is not None)
    if data.colours is None:
        colours = palettes.check(list(dict.fromkeys([*_training_masks(data), *paths])), kind)
        said += [palettes.note(colours)] if data.zero == "background" else []
    items = _mask_examples(data, found, kind, pixels, problems)
    names, pairs = {item.name for item in items}, mask_files.pairs(found, Problems())
    said.append(turned.note((path, mask, True) for name, path, mask in pairs if name in names))
    return items, [text for text in said if text]


def _training_masks(data: MaskData) -> list[Path]:
    """Some masks of the training split, which those of others must go with; none where there are none."""
    with contextlib.suppress(DataError):
        return mask_files.mask_paths(mask_files.places(data, "train"))[:N_DECIDING]
    return []


def _mask_examples(
    data: MaskData, found: Places, kind: MaskKind, pixels: PixelRange, problems: Problems
) -> list[Example]:
    root = local_path(data.path)
    rows = load_table(root / data.table).rows_by("id") if data.table else None
    colours = colour_table.ids(colour_table.place(root, data.colours), data.objects) if data.colours else None
    items: list[Example] = []
    values: set[int] = set()
    for name, path, mask in mask_files.pairs(found, problems):
        if mask is None and mask_files.is_partly(data, found):
            continue
        if rows is not None and name not in rows:
            problems.add(f"{path}: has no row in the table {data.table}")
            continue
        row = rows[name] if rows is not None else {}
        label = _label(data, row, str(path))
        if text := listing.split_problem(row.get("split", "train")):
            problems.add(f"{data.table}: {name}: {text}")
        if (found.split and _split(row) != found.split) or label is None:
            continue
        with problems.picture(str(path)):
            if mask is None:
                raise DataError(
                    f"{path}: has no mask of the same name in {found.labels}; if it is to have none, write "
                    f"`unlabelled: {found.images}`"
                )
            image = mask_files.picture(path, pixels)
            _, numbers = mask_files.numbers(mask, colours)
            if numbers.shape != image.shape[:2]:
                high, wide = numbers.shape
                raise DataError(f"{mask}: is {wide} x {high}, its image is {image.shape[1]} x {image.shape[0]}")
            values |= set(np.unique(numbers).tolist())
            layout = kinds.layout_of(numbers, kind, data, str(mask))
            items.append(Example(name, mask_files.scaled(image, data.scale), label, layout))
    if data.zero != "class":
        kinds.check(values, kind, str(found.labels))
    return items


def without_masks(data: MaskData, found: Places) -> list[Path]:
    """The images beside the masks that have none, without those that a table or a list puts into other splits."""
    rows = load_table(local_path(data.path) / data.table).rows_by("id") if data.table else {}
    pairs = mask_files.pairs(replace(found, listed=None), Problems())
    return [path for name, path, mask in pairs if mask is None and _split(rows.get(name, {})) == "train"]


def _split(row: Mapping[str, str]) -> str | None:
    """The split that a row of a table is of: without the column, the one for training."""
    return listing.split_of(row.get("split", "train"))


def pixel_range(data: MaskData, found: Places) -> PixelRange:
    """Which values of images become 0 and 255: the same for all splits, so that equal values mean the same in each."""
    splits: Sequence[Split] = ("train", "val", "test")
    files = dict.fromkeys(mask_files.picture_paths(found))
    for other in (mask_files.places(data, split) for split in splits):
        if other.images.is_dir() and (other.images, other.listed) != (found.images, found.listed):
            with contextlib.suppress(DataError):  # of a split that is not read now
                files |= dict.fromkeys(mask_files.picture_paths(other))
    return folder_range(sorted(files), data.range, str(found.images))


def _label(data: MaskData, row: Mapping[str, str], name: str) -> int | None:
    """Class of an image; None if its value is not among those asked for."""
    if data.label is None or data.classes is None:
        return 0
    if data.label not in row:
        raise DataError(f"{name}: {unknown(data.label, row, 'column')}")
    value = row[data.label]
    return class_names(data).index(data.classes[value]) if value in data.classes else None

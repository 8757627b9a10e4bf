"""Images whose objects are known, by masks or by boxes: folders of pictures and masks, COCO files."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.models import layouts
from synthgen.models.layouts import Layout
from synthgen.plugins import unknown
from synthgen.realdata import listing
from synthgen.realdata.pictures import decode, decode_mask

Split = Literal["train", "test", "val"]


class MaskData(BaseModel):
    """Where images with masks or boxes come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: str = Field(description="A folder with images/ and masks/ in it (or train/images, train/masks and so on).")
    images: str = Field(default="images", description="Subfolder of the pictures.")
    masks: str = Field(default="masks", description="Subfolder of the masks, which have the pictures' names.")
    mask_kind: Literal["instances", "classes"] = Field(
        default="instances",
        description="What a mask's numbers mean: objects of one class, or class ids (255: unknown; every connected "
        "region is an object).",
    )
    boxes: str | None = Field(default=None, description="A COCO .json file in `path`; its boxes stand for masks.")
    objects: list[str] = Field(
        default=["object"], min_length=1, max_length=254, description="Classes of the objects, from class id 1 on."
    )
    table: str | None = Field(default=None, description="A .csv file in `path` with a row an image, keyed by `id`.")
    label: str | None = Field(default=None, description="The table's column that holds the class of a picture.")
    classes: dict[str, str] | None = Field(
        default=None, description="Class names of pictures by what that column says, in id order; others are left out."
    )
    scale: float = Field(default=1.0, gt=0, le=4, description="Pictures and masks are resized by this factor.")
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the training pictures that is used, for low-data studies."
    )
    validation: float = Field(
        default=0.08, gt=0, lt=1, description="Share of the training pictures held out for validation losses."
    )
    licence: str = Field(default="unknown", description="Licence of the data, for the model card.")
    source: str = Field(default="", description="Where the data come from, for the model card.")


@dataclass(frozen=True, slots=True)
class Example:
    """One picture, uint8 (H, W, 3), of the class `label`, with its objects.

    `layout` holds them pixel by pixel. Of objects known by boxes, `boxes` has left, top, right,
    bottom in pixels, float32 (N, 4), `box_classes` the class numbers from 1, and `channels` what
    networks see of them (`layouts.from_boxes`), (H, W, n_classes).
    """

    name: str
    image: np.ndarray
    label: int
    layout: Layout | None = None
    boxes: np.ndarray | None = None
    box_classes: np.ndarray | None = None
    channels: np.ndarray | None = None

    @property
    def n_objects(self) -> int:
        if self.layout is not None:
            return int(self.layout.instances.max())
        return 0 if self.boxes is None else len(self.boxes)

    def encoded(self, n_classes: int) -> np.ndarray:
        """The channels of the objects, float32 (n_classes, H, W)."""
        if self.layout is not None:
            return layouts.encode(self.layout, n_classes)
        assert self.channels is not None
        return np.ascontiguousarray(self.channels.transpose(2, 0, 1))

    def map(self, change: Callable[[np.ndarray], np.ndarray]) -> Example:
        """The example with picture and objects cut or turned by `change`; lists of boxes are dropped."""
        layout = self.layout and Layout(change(self.layout.instances), change(self.layout.segmentation))
        channels = None if self.channels is None else change(self.channels)
        return Example(self.name, change(self.image), self.label, layout, channels=channels)


@dataclass(frozen=True, slots=True)
class Examples:
    """Pictures with their objects; `classes` names pictures' labels, `objects` the objects' class ids from 1."""

    items: tuple[Example, ...]
    classes: tuple[str, ...]
    objects: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.items)

    def split(self, share: float, seed: int) -> tuple[Examples, Examples]:
        """(rest, held out): the same share of every class is held out, at least one picture of each.

        Raises:
            DataError: a class has fewer than two pictures.
        """
        rng = np.random.default_rng(seed)
        held: set[int] = set()
        for label, name in enumerate(self.classes):
            rows = rng.permutation([i for i, item in enumerate(self.items) if item.label == label])
            if len(rows) < 2:
                raise DataError(f"class `{name}` has {len(rows)} pictures; at least 2 are needed")
            held |= set(rows[: max(1, round(share * len(rows)))].tolist())
        return self.take([i for i in range(len(self)) if i not in held]), self.take(sorted(held))

    def take(self, rows: Sequence[int]) -> Examples:
        return Examples(tuple(self.items[i] for i in rows), self.classes, self.objects)


def read(data: MaskData, split: Split = "train") -> Examples:
    """Reads the pictures of one split. Every problem that is found is named, up to twenty.

    A split is the table's or the COCO file's `split`, or a subfolder of that name; data that have
    neither are training data.

    Raises:
        DataError: files are missing, unreadable, or do not fit each other.
    """
    root = Path(data.path)
    if not root.is_dir():
        raise DataError(f"{data.path}: no such folder; it must hold {data.images}/ and {data.masks}/")
    by_folder = (root / split / data.images).is_dir()
    place = root / split if by_folder else root
    rows = _table(root / data.table) if data.table else None
    reader = _coco_examples if data.boxes else _mask_examples
    items, problems = reader(data, place, rows, None if by_folder else split)
    if problems:
        shown = "\n".join(problems[:20]) + (f"\nand {len(problems) - 20} more" if len(problems) > 20 else "")
        raise DataError(shown)
    if not items:
        raise DataError(
            f"{place}: has no pictures of the split `{split}`; put them into {root / split / data.images} and "
            f"{root / split / data.masks} (those for training into {root / 'train'}), or name a `table` with the "
            "columns `id` and `split`"
        )
    if data.fraction < 1 and split == "train":
        order = np.random.default_rng(0).permutation(len(items))
        items = [items[i] for i in np.sort(order[: max(2, round(data.fraction * len(items)))])]
    return Examples(tuple(items), class_names(data), tuple(data.objects))


def read_test(data: MaskData) -> Examples:
    """The test split of data that were named as test data; all pictures, if they have no splits.

    Raises:
        DataError: as `read`.
    """
    has_splits = data.table or data.boxes or (Path(data.path) / "test" / data.images).is_dir()
    return read(data, "test") if has_splits else read(data.model_copy(update={"fraction": 1.0}))


def class_names(data: MaskData) -> tuple[str, ...]:
    """Names of the classes of pictures, in id order; one class `picture` if the data tell none."""
    return tuple(dict.fromkeys(data.classes.values())) if data.classes else ("picture",)


def check_classes(names: Sequence[str], accepted: Sequence[str]) -> None:
    """Raises DataError if the data have no class of one of the names."""
    for name in names:
        if name not in accepted:
            raise DataError(f"quotas: {unknown(name, accepted, 'class')}")


def short_name(data: MaskData) -> str:
    return Path(data.path).resolve().name


def sha256(data: MaskData) -> str:
    """sha256 over names and bytes of everything that layouts are read from: masks or boxes, and the table.

    Raises:
        DataError: the folder is missing.
    """
    root = Path(data.path)
    place = root / "train" if (root / "train" / data.images).is_dir() else root
    files = [place / data.boxes] if data.boxes else listing.pictures(place / data.masks, nested=False)
    files += [root / data.table] if data.table else []
    digest = hashlib.sha256()
    for path in files:
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()


def _table(path: Path) -> Mapping[str, Mapping[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from None
    if not rows or "id" not in rows[0]:
        raise DataError(f"{path}: needs a column `id` that holds the pictures' names without their endings")
    return {row["id"]: row for row in rows}


def _label(data: MaskData, row: Mapping[str, str], name: str) -> int | None:
    """Class of a picture; None if its value is not among those asked for."""
    if data.label is None or data.classes is None:
        return 0
    if data.label not in row:
        raise DataError(f"{name}: {unknown(data.label, row, 'column')}")
    value = row[data.label]
    return class_names(data).index(data.classes[value]) if value in data.classes else None


def _mask_examples(
    data: MaskData, place: Path, rows: Mapping[str, Mapping[str, str]] | None, split: str | None
) -> tuple[list[Example], list[str]]:
    items: list[Example] = []
    problems: list[str] = []
    masks = {path.stem: path for path in listing.pictures(place / data.masks, nested=False)}
    for path in listing.pictures(place / data.images, nested=False):
        row: Mapping[str, str] = {}
        if rows is not None:
            if path.stem not in rows:
                problems.append(f"{path}: has no row in the table {data.table}")
                continue
            row = rows[path.stem]
        if split and row.get("split", "train") != split:
            continue
        label = _label(data, row, str(path))
        if label is None:
            continue
        if path.stem not in masks:
            problems.append(f"{path}: has no mask of the same name in {place / data.masks}")
            continue
        try:
            items.append(_mask_example(data, path, masks[path.stem], label))
        except DataError as error:
            problems.append(str(error))
    return items, problems


def _mask_example(data: MaskData, picture: Path, mask: Path, label: int) -> Example:
    image = decode(picture, str(picture), 3)
    numbers = decode_mask(mask, str(mask))
    if numbers.shape != image.shape[:2]:
        raise DataError(
            f"{mask}: is {numbers.shape[1]} x {numbers.shape[0]}, its picture is {image.shape[1]} x {image.shape[0]}"
        )
    return Example(picture.stem, _scaled(image, data.scale), label, read_layout(numbers, data, str(mask)))


def read_layout(numbers: np.ndarray, data: MaskData, name: str) -> Layout:
    """The layout in a mask's numbers (H, W), resized by `data.scale`."""
    if data.scale != 1:
        shape = tuple(max(1, round(side * data.scale)) for side in numbers.shape)
        y, x = (
            np.minimum(((np.arange(n) + 0.5) / data.scale).astype(int), m - 1)
            for n, m in zip(shape, numbers.shape, strict=True)
        )
        numbers = numbers[np.ix_(y, x)]
    if data.mask_kind == "instances":
        present = np.bincount(numbers.ravel()) > 0
        present[0] = False
        instances = (np.cumsum(present) * present).astype(np.uint16)[numbers]
        return Layout(instances, (instances > 0).astype(np.uint8))
    odd = sorted(set(np.unique(numbers).tolist()) - set(range(len(data.objects) + 1)) - {IGNORE})
    if odd:
        raise DataError(
            f"{name}: has the class ids {odd[:10]}; with `objects: {data.objects}` they must be 0 (background), "
            f"1 to {len(data.objects)}, or {IGNORE} (unknown)"
        )
    return layouts.from_class_map(numbers.astype(np.uint8))


def _coco_examples(
    data: MaskData, place: Path, rows: Mapping[str, Mapping[str, str]] | None, split: str | None
) -> tuple[list[Example], list[str]]:
    path = place / str(data.boxes)
    coco = _coco(path)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    missing = sorted(set(names.values()) - set(data.objects))
    if missing:
        raise DataError(f"{path}: has the categories {missing}, which `objects: {data.objects}` does not name")
    found: dict[int, list[Any]] = {}
    for entry in coco["annotations"]:
        found.setdefault(entry["image_id"], []).append(entry)
    items: list[Example] = []
    problems: list[str] = []
    for image in coco["images"]:
        if split and image.get("split", "train") != split:
            continue
        file = place / data.images / image["file_name"]
        if not file.is_file():
            problems.append(f"{file}: is missing; {path} lists it")
            continue
        picture = _scaled(decode(file, str(file), 3), data.scale)
        entries = [e for e in found.get(image["id"], []) if e["bbox"][2] > 0 and e["bbox"][3] > 0]
        xywh = np.array([e["bbox"] for e in entries], dtype=np.float32).reshape(-1, 4) * data.scale
        boxes = np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1)
        classes = np.array([data.objects.index(names[e["category_id"]]) + 1 for e in entries], dtype=np.int64)
        seen = layouts.from_boxes(boxes, classes, picture.shape[:2], len(data.objects)).transpose(1, 2, 0)
        items.append(Example(file.stem, picture, 0, None, boxes, classes, seen))
    return items, problems


def _coco(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a COCO file: {error}") from None
    if not isinstance(found, dict) or not {"images", "annotations", "categories"} <= set(found):
        raise DataError(f"{path}: must hold `images`, `annotations` and `categories`, as COCO files do")
    return found


def _scaled(picture: np.ndarray, scale: float) -> np.ndarray:
    from PIL import Image

    if scale == 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))

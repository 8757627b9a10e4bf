"""Scaffolding for images with boxes: COCO, YOLO and Pascal VOC folders, and the recipes that fit them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.units import counts
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.boxes import coco, naming, yolo
from synthgen.readers.boxes import files as box_files
from synthgen.readers.masks import files as mask_files
from synthgen.readers.masks import reader, templates
from synthgen.readers.masks.meaning import MIN_PICTURES
from synthgen.readers.masks.scaffold import CROPS
from synthgen.readers.masks.types import Example, MaskData
from synthgen.readers.problems import Problems, read_bytes
from synthgen.readers.scaffolding import Findings, Recipes, Scaffold, data_blocks, render, shown_sizes

LEAST_SIDE_PX = 4
SOME = 50

DATASET = """\
# Synthetic images with boxes like those of {{ path }}: `synthgen run {{ name }}.yaml`
{% include 'start_dataset' %}
{% include 'shards' %}
tries: 1

splits: {train: 1.0}\t# test on real images

condition:\t# what each image must show: boxes at random places
  use: random-boxes
  size: {{ found.crop }}\t# side of the images in pixels
  objects:\t# least and most of each class in an image, and of its mean side, as in your images
{%- for cls, settings in objects.items() %}
    {{ cls }}: {{ settings }}
{%- endfor %}
  overlap: 0.1\t# largest intersection over union of two boxes

{% include 'layout_sampler' %}
  guidance: 2.0\t# above 1: closer to the boxes; 1 is none

labelers: []\t# the boxes that were asked for are the labels, as `boxes`
{% include 'output' %}
"""


@dataclass(frozen=True, slots=True)
class Format:
    """A folder of boxes: what people call it, and the settings `images` and `boxes` that read it."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BoxFindings:
    """What was seen in a folder of images and boxes, and what fits it.

    `settings` are those of `data` in the recipes; `sizes` are (width, height) of every image as it is trained on;
    `objects` the settings of `random-boxes` for each class; `n_boxes` how many boxes each class has.
    """

    format: str
    settings: Mapping[str, Any]
    sizes: list[tuple[int, int]]
    n_boxes: Mapping[str, int]
    objects: Mapping[str, Mapping[str, Any]]
    brightness: float
    notes: tuple[str, ...]
    crop: int


def find(folder: str | Path) -> Format | None:
    """Which boxes a folder (or its train/) holds, and where; None if it holds none."""
    root = Path(folder)
    training = listing.split_folder(root, "train")
    for place in [root, training] if training else [root]:
        found = _coco(place) or _voc(place) or _yolo(place)
        if found:
            return found
    return None


def _coco(place: Path) -> Format | None:
    inside = [place, place / "annotations", place / "Annotations"]
    files = [file for one in inside if one.is_dir() for file in listing.files(one, nested=False)]
    found = [file for file in files if file.suffix.lower() == ".json" and coco.is_coco(read_bytes(file))]
    if not found:
        return None
    chosen = next((file for file in found if "train" in file.stem.lower()), found[0])
    problems = Problems(skip_broken=True)
    records = coco.parse(read_bytes(chosen), str(chosen), problems).records
    images = _folder_of(place, [record.file for record in records[:SOME]])
    return Format("COCO", {"images": images or "images", "boxes": chosen.relative_to(place).as_posix()})


def _voc(place: Path) -> Format | None:
    for folder in (place, *listing.folders(place)):
        files = [file for file in listing.files(folder, nested=folder != place) if file.suffix.lower() == ".xml"]
        if any(b"<annotation" in read_bytes(file)[:4096] for file in files[:SOME]):
            images = _folder_of(place, [_stem(file, folder) for file in files[:SOME]])
            return Format("Pascal VOC", {"images": images or "JPEGImages", "boxes": _relative(folder, place)})
    return None


def _yolo(place: Path) -> Format | None:
    for folder in (place / "labels", place):
        if not folder.is_dir():
            continue
        files = [file for file in listing.files(folder, nested=folder != place) if file.suffix.lower() == ".txt"]
        files = [file for file in files if file.name not in naming.NAMES]
        if (folder != place and files) or any(map(_is_yolo, files[:SOME])):
            images = _folder_of(place, [_stem(file, folder) for file in files[:SOME]])
            return Format("YOLO", {"images": images or "images", "boxes": _relative(folder, place)})
    return None


def _is_yolo(file: Path) -> bool:
    """Whether a text file holds nothing but boxes, and at least one: captions lie beside images, too."""
    names = [str(i) for i in range(1000)]
    try:
        return bool(yolo.parse(read_bytes(file), str(file), "", names).boxes)
    except DataError:
        return False


def _folder_of(place: Path, names: Sequence[str]) -> str:
    """The folder below `place` that has most of the images with these names, with or without endings."""
    best, most = "", 0
    for folder in (place / "images", place, *listing.folders(place)):
        if folder.is_dir():
            paths = [path.relative_to(folder) for path in listing.pictures(folder)]
            known = {path.as_posix() for path in paths} | {path.with_suffix("").as_posix() for path in paths}
            n = sum(name in known for name in names)
            if n > most:
                best, most = _relative(folder, place), n
    return best


def _relative(folder: Path, place: Path) -> str:
    return folder.relative_to(place).as_posix()


def _stem(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def look(folder: str | Path, form: Format, settings: Mapping[str, Any]) -> BoxFindings:
    """Reads every image of the training split with its boxes.

    Raises:
        DataError: there are too few, or some cannot be used; all problems at once.
    """
    chosen = {"path": str(folder), **form.settings, **settings}
    data = MaskData(**chosen)
    problems = Problems(data.skip_broken)
    found = mask_files.places(data, "train")
    mask_files.check_divided(data, found)
    read = box_files.load_annotations(found, data, problems)
    used = dict.fromkeys(name for record in read.records for name in record.names)
    objects = [name for name in read.classes if name in used] or sorted(used)
    if not objects:
        problems.check()
        raise DataError(f"{folder}: there is no box in any of the {len(read.records)} images, so nothing to learn from")
    plain = reader.read(MaskData(**chosen, objects=objects))
    if len(plain) < MIN_PICTURES:
        raise DataError(f"{folder}: has {len(plain)} images with boxes; at least {MIN_PICTURES} are needed")
    side = statistics.median(min(item.image.shape[:2]) for item in plain.items)
    crop = max((crop for crop in CROPS if crop <= side), default=CROPS[0])
    scale = min(1.0, math.ceil(1000 * crop / side) / 1000)
    if scale < 1:
        chosen["scale"] = scale
    sizes = [(round(item.image.shape[1] * scale), round(item.image.shape[0] * scale)) for item in plain.items]
    return BoxFindings(
        form.name,
        {**chosen, "objects": objects},
        sizes,
        {name: sum(int((_classes(item) == i).sum()) for item in plain.items) for i, name in enumerate(objects, 1)},
        {name: _wanted(plain.items, i, scale, crop) for i, name in enumerate(objects, start=1)},
        float(np.mean([item.image.mean() for item in plain.items])),
        plain.notes,
        crop,
    )


def _classes(item: Example) -> np.ndarray:
    assert item.box_classes is not None
    return item.box_classes


def _wanted(items: Sequence[Example], cls: int, scale: float, crop: int) -> Mapping[str, Any]:
    """How many objects of a class a crop shows, and how large: from the 5 % to the 95 % quantile of the images."""
    counts, sides, aspects = [], [], []
    for item in items:
        assert item.boxes is not None
        boxes = item.boxes[_classes(item) == cls]
        extents = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
        shown = crop**2 / max(crop**2, item.image.shape[0] * item.image.shape[1] * scale**2)
        counts.append(len(boxes) * shown)
        sides.extend((np.sqrt(extents.prod(1)) * scale).tolist())
        aspects.extend((extents.max(1) / extents.min(1)).tolist())
    low, high = np.quantile(counts, [0.05, 0.95])
    least, most = np.quantile(sides, [0.05, 0.95])
    return {
        "count": [math.floor(low), max(1, math.ceil(high))],
        "side_px": [max(2, round(float(least), 1)), max(2, min(crop, round(float(most), 1)))],
        "aspect": round(float(np.clip(np.quantile(aspects, 0.9), 1, 10)), 2),
    }


def warnings(found: BoxFindings) -> Iterator[str]:
    """What the user should know before training."""
    yield from found.notes
    if "scale" in found.settings:
        scale = found.settings["scale"]
        yield f"images are scaled by {scale:g}, so that their shorter side is about {found.crop} pixels"
    small = [name for name, settings in found.objects.items() if sum(settings["side_px"]) / 2 < LEAST_SIDE_PX]
    if small:
        yield f"{', '.join(small)}: smaller than {LEAST_SIDE_PX} pixels at this scale; raise `scale` and `size`"


def recipes(name: str, found: BoxFindings) -> Recipes:
    """File names and contents: the model, the dataset."""
    objects = {
        json.dumps(cls, ensure_ascii=False): "{" + ", ".join(f"{key}: {value}" for key, value in settings.items()) + "}"
        for cls, settings in found.objects.items()
    }
    values: dict[str, Any] = {"name": name, "found": found, "objects": objects, **data_blocks(found.settings)}
    shape = (found.crop, found.crop)
    values |= templates.values(templates.BOXES, found.settings, len(found.sizes), shape)
    files = {f"{name}-model.yaml": templates.MODEL, f"{name}.yaml": DATASET}
    return render(files, values, Path(found.settings["path"]))


def scaffold_of(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
    """Images with boxes, if the folder has some, and no option says what its masks mean."""
    form = find(place) if place.is_dir() and "mask_kind" not in options else None
    if form is None:
        return None
    settings = {key: options[key] for key in ("skip_broken",) if key in options}

    def read() -> Findings:
        found = look(place, form, settings)
        rows = [
            ("images", f"{len(found.sizes)} with boxes ({found.format}: {found.settings['boxes']})"),
            ("objects", counts(found.n_boxes)),
            ("sizes", shown_sizes(found.sizes)),
            ("chosen", f"crops of {found.crop} x {found.crop} pixels"),
            ("training", templates.BOXES.shown(found.crop, found.crop, "crops")),
        ]
        return Findings(rows, list(warnings(found)), lambda name: recipes(name, found))

    return Scaffold(20, f"boxes ({form.name}: {form.settings['boxes']})", read)

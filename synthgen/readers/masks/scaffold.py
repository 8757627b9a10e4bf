"""Scaffolding for images with masks: which they are, what their numbers mean, and the recipes that fit them."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.units import plural
from synthgen.fields import IGNORE
from synthgen.readers.masks import kinds, reader, templates
from synthgen.readers.masks import semantic_scaffold as semantic
from synthgen.readers.masks.finding import find, without_masks
from synthgen.readers.masks.meaning import Meaning, check_number, settle
from synthgen.readers.masks.types import MaskData
from synthgen.readers.scaffolding import Findings, Recipes, Scaffold, data_blocks, render, shown_sizes

MOST_NAMES = 12
CROPS = (32, 48, 64, 96)
"""Sides of crops: multiples of 16, which the five levels of the network need."""

DATASET = """\
# Synthetic images with the objects of {{ path }}: `synthgen run {{ name }}.yaml`
{% include 'start_dataset' %}
{% include 'shards' %}
tries: 8\t# how often a sample is generated again before it is given up

splits: {train: 1.0}\t# test on real images

condition:\t# what each image must show
  use: placed-objects\t# your objects, placed again; `real-layouts` takes your masks as they are
  data:
{{ data_again }}
  size: {{ found.crop }}\t# side of the images in pixels
  densities: {few: [0, {{ found.few }}], many: [{{ found.few }}, {{ found.many }}]}\t# least and most objects

{% include 'layout_sampler' %}
  guidance: 1.5\t# above 1: closer to the layout; 1 is none

labelers:
  - use: boxes\t# around every object; the masks are the layout itself

# Reject images whose objects a network does not find. First: synthgen train {{ name }}-filter.yaml
#   - {use: segmenter, model: models/{{ name }}-filter}
# scorers:
#   - {use: mask-agreement, name: filter, predicted: segmenter_instances}
# keep:\t# its training prints the rules that 95 % of real images pass
#   - filter_iou >= 0.3
{% include 'output' %}
"""


@dataclass(frozen=True, slots=True)
class MaskFindings:
    """What was seen in a folder of images and masks, and what fits it.

    `settings` are those of `data` in the recipes; `sizes` are (width, height) of every image, `counts` the number of
    objects in each; `reason` says why the masks are read as they are.
    """

    settings: Mapping[str, Any]
    sizes: list[tuple[int, int]]
    counts: list[int]
    reason: str
    brightness: float
    notes: tuple[str, ...]

    @property
    def crop(self) -> int:
        """The largest crop up to 96 pixels that the median image has."""
        side = statistics.median(min(size) for size in self.sizes)
        return max((crop for crop in CROPS if crop <= side), default=CROPS[0])

    @property
    def many(self) -> int:
        """Objects of a crowded crop: twice what a crop of the median image has."""
        per_pixel = [n / (w * h) for n, (w, h) in zip(self.counts, self.sizes, strict=True)]
        return max(4, round(2 * statistics.median(per_pixel) * self.crop**2))

    @property
    def few(self) -> int:
        return max(2, self.many // 3)


def look(meaning: Meaning) -> MaskFindings:
    """Reads every image and mask of the training split.

    Raises:
        DataError: there are too few, or some cannot be used, all problems at once.
    """
    found = reader.read(MaskData.model_validate(dict(meaning.settings)))
    check_number(meaning, len(found))
    return MaskFindings(
        meaning.settings,
        [(item.image.shape[1], item.image.shape[0]) for item in found.items],
        [item.n_objects for item in found.items],
        meaning.reason,
        float(np.mean([item.image.mean() for item in found.items])),
        found.notes,
    )


def warnings(found: MaskFindings) -> Iterator[str]:
    """What the user should know before training."""
    yield from (note for note in found.notes if not note.startswith("masks are"))
    empty = sum(n == 0 for n in found.counts)
    if empty:
        what = "1 mask is empty" if empty == 1 else f"{empty} masks are empty"
        yield f"{what}; such images teach what empty background looks like"
    if min(min(size) for size in found.sizes) < found.crop:
        yield f"some images are smaller than {found.crop} pixels and will be continued by mirroring"
    kind = found.settings.get("mask_kind", "classes")
    if kind == "classes" and "colours" not in found.settings:
        zero, unknown = found.settings.get("zero", "background"), [*found.settings.get("unknown", ()), IGNORE]
        what = f"{' and '.join(map(str, unknown))} {'is' if len(unknown) == 1 else 'are'} unknown"
        meant = "a class" if zero == "class" else zero
        yield f"the number 0 is {meant}, and {what}; if not, say so by --zero and --unknown"
    others = " or ".join(f"`--masks {other}`" for other in kinds.WORDS if other != kind)
    yield f"if your masks mean something else, give {others}"


def recipes(name: str, found: MaskFindings) -> Recipes:
    """File names and contents: the model, the filter model, the dataset."""
    files = {f"{name}-model.yaml": templates.MODEL, f"{name}-filter.yaml": templates.FILTER, f"{name}.yaml": DATASET}
    shape = (found.crop, found.crop)
    values = {"name": name, "found": found} | templates.values(
        templates.MASKS, found.settings, len(found.counts), shape
    )
    return render(files, values | data_blocks(found.settings), Path(found.settings["path"]))


def scaffold_of(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
    """Images with masks, if the folder has some."""
    places = find(place) if place.is_dir() else None
    if places is None:
        return None
    broken = {key: options[key] for key in ("skip_broken",) if key in options}

    def read() -> Findings:
        more = without_masks(place, places)
        beside = {"unlabelled": str(more[0])} if more else {}
        meaning = settle({"path": str(place), **places, **broken, **beside}, options)
        found = semantic.findings(meaning) if meaning.settings.get("mask_kind") == "semantic" else objects(meaning)
        return replace(found, notes=[_unlabelled(*more), *found.notes]) if more else found

    return Scaffold(10, "masks", read)


def _unlabelled(folder: Path, n: int) -> str:
    return (
        f"{plural(n, 'image')} in {folder} {'has' if n == 1 else 'have'} no mask: the model learns from them, too, "
        "what images look like (`unlabelled`)"
    )


def objects(meaning: Meaning) -> Findings:
    """What `init` says and writes of images whose masks are of objects."""
    found = look(meaning)
    kind, n_objects = found.settings.get("mask_kind", "classes"), sum(found.counts)
    names = found.settings["objects"]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    rows = [
        ("images", f"{len(found.sizes)} with masks, {n_objects} objects ({max(found.counts)} at most in one)"),
        ("sizes", shown_sizes(found.sizes)),
        ("masks", f"{kind}: {kinds.WORDS[kind]}"),
        ("because", found.reason),
        ("objects", ", ".join(names[:MOST_NAMES]) + more),
        ("chosen", f"crops of {found.crop} x {found.crop} pixels"),
        ("training", templates.MASKS.shown(found.crop, found.crop, "crops")),
    ]
    return Findings(rows, list(warnings(found)), lambda name: recipes(name, found))

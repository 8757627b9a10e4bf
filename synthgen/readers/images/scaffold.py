"""Scaffolding: what a folder of images by class holds, and the recipes that fit it."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.units import counts, plural
from synthgen.errors import DataError, UsageError
from synthgen.readers import listing
from synthgen.readers.images.class_folders import class_folders, split_places
from synthgen.readers.images.class_folders import note as folders_note
from synthgen.readers.images.decoding import decode
from synthgen.readers.images.labelled import validation_folder
from synthgen.readers.images.pixel_range import PixelRange, folder_range, widest_range
from synthgen.readers.problems import left_out
from synthgen.readers.scaffolding import Findings, Recipes, Scaffold, render, shown_sizes, validation_values

MODEL = """\
# A diffusion model of the images in {{ path }}: `synthgen train {{ name }}-model.yaml`
{% include 'start_model' %}
  use: class-conditional\t# a diffusion model that generates images of a class
  data:
    path: {{ path_yaml }}\t# one folder a class
{%- if range %}
    range: {{ range }}\t# values of the images that become 0 and 255
{%- endif %}
{%- if unlabelled %}
    unlabelled: {{ unlabelled }}\t# images without labels, from which it learns what images look like
{%- endif %}
{%- if found.unreadable %}
    skip_broken: true\t# leave out what cannot be read; false: stop at it
{%- endif %}
    licence: unknown\t# of the images; it goes into the model's card and into every dataset
    validation: {{ validation }}\t# {{ validated }}
  resolution: {{ fit.resolution }}\t# side of the images; others are cut to squares and scaled
  network:
    patch_size: {{ fit.patch_size }}\t# pixels a side that become channels; larger is cheaper and coarser
    channels: {{ fit.channels }}\t# width of each level; wider learns more and takes longer
  steps: {{ fit.steps }}\t# raise it if the images still get better at the end
  batch_size: {{ fit.batch_size }}
  ema_decay: 0.999\t# decay of the averaged weights, which are what is kept
{%- if unlabelled %}
  unlabelled_share: {{ share }}\t# part of a batch without labels
{%- endif %}
{%- if balance %}
  class_balance: {{ balance }}\t# images of rare classes are drawn more often; 0: as they come, 1: all classes the same
{%- endif %}
  flip: false\t# true if a mirrored image still shows its class; doubles the data
  checkpoint_every: 500\t# a stopped training goes on from the last one
  sample_every: 1000\t# sample grids in models/{{ name }}/training/
"""

FILTER = """\
# A classifier of the same images, which scores samples: `synthgen train {{ name }}-filter.yaml`
# Then uncomment `scorers` and `keep` in {{ name }}.yaml.
{% include 'start_filter' %}
  use: classifier
  data:
    path: {{ path_yaml }}
{%- if range %}
    range: {{ range }}
{%- endif %}
{%- if found.unreadable %}
    skip_broken: true
{%- endif %}
    licence: unknown
    validation: {{ validation if validation is string else 0.1 }}\t# these images also calibrate the probabilities
  resolution: {{ fit.resolution }}\t# as of the model
  widths: [16, 32, 64]
  steps: 2000
  batch_size: 64
  shift_px: 1\t# images are moved by up to this many pixels
  flip: false\t# as in {{ name }}-model.yaml
"""

HEAD = """\
# Tells the classes apart by what the model has learned, from few images: `synthgen train {{ name }}-filter.yaml`
# Train it after the model, then uncomment `scorers` and `keep` in {{ name }}.yaml.
{% include 'start_filter' %}
  use: feature-classifier
  base: models/{{ name }}\t# made by `synthgen train {{ name }}-model.yaml`
  data:
    path: {{ path_yaml }}
    unlabelled: {{ unlabelled }}\t# where it looks for what it is surest of; classes are as frequent there
{%- if range %}
    range: {{ range }}
{%- endif %}
{%- if found.unreadable %}
    skip_broken: true
{%- endif %}
    licence: unknown
"""

DATASET = """\
# Synthetic images of the classes in {{ path }}: `synthgen run {{ name }}.yaml`
{% include 'start_dataset' %}

shard_size: 100\t# samples in a file: the unit of work and of resume
batch_size: 32\t# samples generated together; it decides bytes, so it belongs to the recipe
tries: 8\t# how often a sample is generated again before it is given up

splits: {train: 1.0}\t# such as {train: 0.9, val: 0.1}; test on real images

condition:\t# what each sample must show
  use: classes
  quotas:\t# exact counts; rare classes get more, to even out the real ones
{%- for cls, n in quotas.items() %}
    {{ cls }}: {{ n }}\t# real images: {{ real[cls] }}
{%- endfor %}

sampler:\t# the diffusion model that generates the samples
  use: class-conditional
  model: models/{{ name }}\t# made by `synthgen train {{ name }}-model.yaml`
  steps: 18\t# denoising steps; fewer are faster and rougher
  guidance: 2.0\t# above 1: closer to the class and less varied; 1 is none
  guidance_interval: [0.4, 0.9]\t# the part of the steps that is guided

labelers:
  - use: class-label\t# the class that was asked for, as `label`
{% if checked %}
# Reject what a classifier does not recognise. First: synthgen train {{ name }}-filter.yaml
# scorers:
#   - use: agreement         # probability of the asked class
#     model: models/{{ name }}-filter
# keep:                    # its training prints the rule that 95 % of real images pass
#   - agreement >= 0.5
{% endif %}{% include 'output' %}
"""

SIDES = (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)
MIN_IMAGES, MIN_BESIDE_OTHERS = 8, 2
"""Images of a class, and where others have no class."""

IMBALANCE = 3
MIN_FOR_FILTER = 40


@dataclass
class ClassFindings:
    """What was seen in a folder of images.

    Attributes:
        counts: readable images by class, classes sorted by name, which is the order of their ids.
        sizes: (width, height) in pixels of every readable image.
        colours: number of images by channels, 1 or 3.
        unreadable: files that look like images by their name and are none.
        ignored: files of other kinds, by suffix; hidden ones are left out.
        loose: images that stand beside the class folders.
        unlabelled: where images without labels are: a folder of that name, or beside those of classes; None without.
        n_unlabelled: how many of them can be read.
        pixels: what is black and white in images of more than 8 bits.
        note: on what the folders are taken for; empty if they leave no doubt.
        guessed: whether `pixels` is no more than the lowest and the highest value, because nothing says more.
    """

    root: Path
    counts: dict[str, int] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    colours: Counter[int] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    loose: list[str] = field(default_factory=list)
    unlabelled: Path | None = None
    n_unlabelled: int = 0
    pixels: PixelRange = field(default_factory=PixelRange)
    note: str = ""
    guessed: bool = False

    @property
    def has_validation(self) -> bool:
        """Whether there are validation images, of classes that the training images have."""
        place = validation_folder(self.root)
        classes = {path.name for path in listing.class_folders(place)} if place else set()
        return bool(classes) and classes <= self.counts.keys()

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def short_side(self) -> int:
        """Median of the shorter sides: images are cut to squares of it."""
        return round(statistics.median(min(size) for size in self.sizes))

    @property
    def channels(self) -> int:
        """3 if any image has colours, else 1."""
        return 3 if self.colours[3] else 1

    @property
    def imbalance(self) -> float:
        """The most frequent class over the rarest one."""
        return max(self.counts.values()) / min(self.counts.values())


def look(folder: str | Path) -> ClassFindings:
    """Opens every image under `folder/<class>/`, or under `folder/train/<class>/` if there is such a folder.

    Raises:
        DataError: the folder has no classes, it is open which they are, or a class has too few readable images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"{folder}: no such folder")
    place = split_places(root).get("train", root)
    classes = class_folders(place, root)
    found = ClassFindings(root, note=folders_note(classes))
    for path in listing.files(place, nested=False):
        if listing.is_picture(path):
            found.loose.append(str(path))
        else:
            found.ignored[path.suffix.lower() or path.name] += 1
    pictures = listing.pictures(place)
    try:
        found.pixels = folder_range(pictures, "auto", str(folder))
    except DataError:
        found.pixels, found.guessed = widest_range(pictures, str(folder)), True
    for path in classes:
        found.counts[path.name] = sum(_readable(file, found) for file in listing.files(path))
    _find_unlabelled(found, place)
    least = MIN_BESIDE_OTHERS if found.n_unlabelled else MIN_IMAGES
    few = {name: n for name, n in found.counts.items() if n < least}
    if few:
        named = ", ".join(f"{name} ({n})" for name, n in few.items())
        raise DataError(
            f"{place}: every class needs at least {least} readable images; too few: {named}. "
            "Add images, or move these folders away"
        )
    return found


def _find_unlabelled(found: ClassFindings, place: Path) -> None:
    """Images of a folder of that name, beside the splits or the classes; else those that stand beside the classes."""
    named = [path for path in map(listing.unlabelled_folder, (found.root, place)) if path]
    for root, files in [
        *((path, listing.pictures(path)) for path in named),
        (place, [Path(text) for text in found.loose]),
    ]:
        n = sum(_decoded(file, found) is not None for file in files)
        if n and not found.n_unlabelled:
            found.unlabelled, found.n_unlabelled = root, n
            found.loose = [] if root == place else found.loose


def _readable(path: Path, found: ClassFindings) -> bool:
    if not listing.is_picture(path):
        found.ignored[path.suffix.lower() or path.name] += 1
        return False
    picture = _decoded(path, found)
    if picture is None:
        return False
    found.sizes.append((picture.shape[1], picture.shape[0]))
    found.colours[picture.shape[2]] += 1
    return True


def _decoded(path: Path, found: ClassFindings) -> np.ndarray | None:
    """An image; None, and noted, if it cannot be read."""
    try:
        return decode(path, str(path), None, found.pixels)
    except DataError:
        found.unreadable.append(str(path))
        return None


@dataclass(frozen=True, slots=True)
class Fit:
    """Settings that fit the data and a CPU: training ends in tens of minutes on a few cores."""

    resolution: int
    patch_size: int
    channels: list[int]
    steps: int
    batch_size: int
    filter_model: bool


def fit(found: ClassFindings) -> Fit:
    """The largest side up to 64 that the median image has, and a network to match."""
    side = max((s for s in SIDES if s <= found.short_side), default=SIDES[0])
    patch = 1 if side < 20 else 2 if side <= 32 else 4
    steps = 3000 if found.n + found.n_unlabelled < 2000 else 5000
    filter_model = min(found.counts.values()) >= MIN_FOR_FILTER and len(found.counts) > 1
    return Fit(side, patch, [32, 64] if side < 20 else [64, 96], steps, 64, filter_model)


def quotas(found: ClassFindings) -> dict[str, int]:
    """Samples of each class: the same base for all, and more of rare classes, which real images alone leave short.

    Real and synthetic images together are balanced where three times the base is enough for that.
    """
    base = max(10, min(100, 5000 // len(found.counts) // 10 * 10))
    most = max(found.counts.values())
    return {name: base + min(most - n, 3 * base) // 10 * 10 for name, n in found.counts.items()}


def warnings(found: ClassFindings, chosen: Fit) -> Iterator[str]:
    """What the user should know before training."""
    side = chosen.resolution
    yield from (note for note in (found.note, found.pixels.note) if note)
    if found.unreadable:
        yield f"{left_out(found.unreadable)} (`skip_broken: true` in the recipes)"
    if found.unlabelled is not None:
        n = found.n_unlabelled
        yield (
            f"{plural(n, 'image')} in {found.unlabelled} {'has' if n == 1 else 'have'} no class: the model learns from "
            "them, too, what images look like (`unlabelled`)"
        )
    if found.loose:
        yield (
            f"{plural(len(found.loose), 'image')} beside the folders of the classes will not be used: "
            f"{', '.join(found.loose[:3])}"
        )
    if found.imbalance > IMBALANCE:
        rare, n = min(found.counts.items(), key=lambda item: item[1])
        yield f"the rarest class, {rare}, has {n} images, {found.imbalance:.0f} times fewer than the largest"
    if found.colours[1] and found.colours[3]:
        grey, rest = found.colours[1], found.colours[3]
        yield f"{grey} images are grey, {rest} saved in colours; all are read in colours if one shows any"
    if any(width != height for width, height in found.sizes):
        yield f"not all images are square: they are cut to their central square and scaled to {side} x {side}"
    elif set(found.sizes) != {(side, side)}:
        yield f"images are scaled to {side} x {side}"
    if min(min(size) for size in found.sizes) < side:
        yield f"some images are smaller than {side} pixels and will be enlarged"
    if len(found.counts) > 1 and not chosen.filter_model and found.unlabelled is None:
        yield f"a class has fewer than {MIN_FOR_FILTER} images, too few for a classifier that scores samples"


def recipes(name: str, found: ClassFindings, fit: Fit) -> Recipes:
    """File names and contents: the model, the filter model if there are enough images for one, the dataset."""
    wanted = quotas(found)
    numbers = {json.dumps(cls, ensure_ascii=False): n for cls, n in wanted.items()}
    values = {
        "name": name,
        "fit": fit,
        "found": found,
        "unlabelled": json.dumps(str(found.unlabelled), ensure_ascii=False) if found.unlabelled else None,
        "share": 0.5 if found.n >= found.n_unlabelled else 0.8,
        "balance": 0.5 if found.imbalance > IMBALANCE else None,
        "range": [found.pixels.low, found.pixels.high] if found.guessed else None,
        **validation_values(found.has_validation, 0.05 if found.n >= 1000 else 0.1),
        "quotas": numbers,
        "real": {json.dumps(cls, ensure_ascii=False): n for cls, n in found.counts.items()},
    }
    checks = FILTER if fit.filter_model else HEAD if found.unlabelled and len(found.counts) > 1 else None
    values["checked"] = checks is not None
    templates = {f"{name}-model.yaml": MODEL, f"{name}-filter.yaml": checks or "", f"{name}.yaml": DATASET}
    if checks is None:
        del templates[f"{name}-filter.yaml"]
    return render(templates, values, found.root)


def scaffold_of(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
    """Any folder may hold one of images for each class; whether it does is known when it is read.

    Raises:
        UsageError: an option says what masks mean, and no reader sees masks.
    """
    if place.is_file():
        return None

    def read() -> Findings:
        if "mask_kind" in options:
            raise UsageError(f"--masks: {place} has no masks; they belong into {place}/masks, beside {place}/images")
        found = look(str(place))
        chosen = fit(found)
        names = {1: "grey", 3: "colour"}
        rows = [
            ("images", f"{found.n} in {plural(len(found.counts), 'class', 'classes')}"),
            ("classes", counts(found.counts)),
            ("sizes", shown_sizes(found.sizes)),
            ("colours", ", ".join(f"{names[c]} {n}" for c, n in sorted(found.colours.items()) if n)),
            ("ignored", counts(found.ignored)),
            ("chosen", f"{chosen.resolution} x {chosen.resolution} pixels, {chosen.steps} training steps"),
        ]
        return Findings(rows, list(warnings(found, chosen)), lambda name: recipes(name, found, chosen))

    return Scaffold(100, "", read)

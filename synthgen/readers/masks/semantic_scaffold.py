"""Scaffolding for images with semantic maps, as of streets: the shares of the classes, and recipes for whole scenes."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.units import share
from synthgen.fields import IGNORE
from synthgen.readers.masks import kinds, templates
from synthgen.readers.masks.census import Census
from synthgen.readers.masks.meaning import Meaning, check_number
from synthgen.readers.scaffolding import COMMENTS, Findings, Recipes, data_blocks, render, shown_sizes

CELL = 8
"""Sides must be multiples of it: what the coarsest of the network's four levels sees as one."""
LEAST_AREA, MOST_AREA = 6400, 9216
MOST_ROWS = 24
REQUIRED = 0.01
LEAST_SHOWN = 5
"""Images that must show a class, so that samples which show it are not all alike."""

DATASET = """\
# Synthetic images with class maps like those of {{ path }}: `synthgen run {{ name }}.yaml`
# Are they of use? `synthgen evaluate runs/{{ name }}-<digest> --real {{ name }}-model.yaml` trains on them and tests on
# real images, class by class.
{% include 'start_dataset' %}
{% include 'shards' %}
tries: 8\t# how often a sample is generated again before it is given up

splits: {train: 1.0}\t# test on real images

condition:\t# what each image must show
  use: edited-layouts\t# your maps, enlarged a little; `real-layouts` takes them as they are
  data:
{{ data_again }}
  size: {{ found.crop }}\t# width and height of the images in pixels
  mirror: true\t# as in {{ name }}-model.yaml
{%- if rare %}
  # More samples of rare classes; they cover `require_share` of the pixels at least:
  # require: {{ require }}
  # require_share: {{ found.require_share }}
{%- endif %}

{% include 'layout_sampler' %}
  guidance: 3.0\t# above 1: closer to the layout; 1 is none

# Reject images whose classes a network does not find. First: synthgen train {{ name }}-filter.yaml
# labelers:
#   - {use: segmenter, model: models/{{ name }}-filter}
# scorers:
#   - {use: class-agreement, name: filter}
# keep:\t# its training prints the rules that 95 % of real images pass
#   - filter_miou >= 0.3
{% include 'output' %}
"""


@dataclass(frozen=True)
class SemanticFindings:
    """What was counted in a folder of images and semantic maps, and the recipes' settings that fit it."""

    meaning: Meaning
    counted: Census

    @cached_property
    def scene(self) -> tuple[int, int, float]:
        """Width and height of a scene in pixels, and the scale of images to it."""
        width, height = (round(statistics.median(sides)) for sides in zip(*self.counted.sizes, strict=True))
        return scene_of(width, height)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Those of `data` in all recipes."""
        scale = self.scene[2]
        return self.meaning.settings if scale == 1 else {**self.meaning.settings, "scale": scale}

    @property
    def crop(self) -> list[int]:
        return list(self.scene[:2])

    @property
    def brightness(self) -> float:
        return self.counted.brightness

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The number of each class in the maps, or its id where colours were counted."""
        first, unknown = 0 if self.settings.get("zero") == "class" else 1, self.settings.get("unknown", ())
        numbers = enumerate(self.settings["objects"], start=first)
        return {name: number for number, name in numbers if number not in unknown}

    @property
    def no_classes(self) -> Mapping[int, str]:
        """What the numbers of pixels without a class mean, as far as there are such pixels."""
        others = [number for number in self.counted.total if number not in self.numbers.values()]
        zero = self.settings.get("zero", "background")
        return {number: zero if number == 0 else "unknown" for number in others}

    @property
    def what_numbers_mean(self) -> str:
        """In words; empty where colours say it."""
        if "colours" in self.settings:
            return ""
        said = {0: "a class"} if 0 in self.numbers.values() and 0 in self.counted.total else {}
        return ", ".join(f"{number} is {what}" for number, what in (said | dict(self.no_classes)).items())

    @cached_property
    def rare(self) -> list[str]:
        """The two classes with the fewest pixels, of those that at least `LEAST_SHOWN` images show."""
        usual = [
            name for name, i in self.numbers.items() if sum(i in one for one in self.counted.counts) >= LEAST_SHOWN
        ]
        return sorted(usual, key=lambda name: self.counted.share(self.numbers[name]))[:2]

    @property
    def require_share(self) -> float:
        """What half of the images that show one of the rare classes have of it, to one digit; at most `REQUIRED`."""
        medians = []
        for number in (self.numbers[name] for name in self.rare):
            shares = [one[number] / sum(one.values()) for one in self.counted.counts if number in one]
            medians.append(statistics.median(shares))
        least = min(medians)
        digit = 10.0 ** np.floor(np.log10(least))
        return float(f"{min(REQUIRED, np.floor(least / digit) * digit):.6g}")


def scene_of(width: int, height: int) -> tuple[int, int, float]:
    """The scene for images of a size: width and height, multiples of `CELL`, and the scale of images to it.

    Scenes have `LEAST_AREA` to `MOST_AREA` pixels, or those of images that are smaller; of all such sizes it is the one
    that the resized image exceeds least, so that next to nothing is cut off.
    """
    if width * height <= MOST_AREA:
        return max(16, width // CELL * CELL), max(16, height // CELL * CELL), 1.0
    found = []
    for wide in range(2 * CELL, MOST_AREA // (2 * CELL) + 1, CELL):
        for high in range(2 * CELL, MOST_AREA // wide + 1, CELL):
            scale = min(1.0, float(np.ceil(max(wide / width, high / height) * 1e5) / 1e5))
            cut = 1 - wide * high / (width * height * scale**2)
            if wide * high >= LEAST_AREA and wide <= width and high <= height:
                found.append((round(max(cut, 0), 2), -wide * high, wide, high, scale))
    if not found:  # a strip
        return max(16, min(width, MOST_AREA // 16) // CELL * CELL), 16, 1.0
    *_, wide, high, scale = min(found)
    return wide, high, scale


def findings(meaning: Meaning) -> Findings:
    """What `init` says and writes of images with semantic maps.

    Raises:
        DataError: there are too few.
    """
    assert meaning.counted is not None
    check_number(meaning, meaning.counted.n_images)
    found = SemanticFindings(meaning, meaning.counted)
    width, height, scale = found.scene
    resized = f", resized by {scale}" if scale != 1 else ""
    rows = [
        ("images", f"{meaning.counted.n_images} with maps of {len(found.numbers)} classes"),
        ("sizes", shown_sizes(meaning.counted.sizes)),
        ("masks", f"semantic: {kinds.WORDS['semantic']}"),
        ("because", meaning.reason),
        ("numbers", found.what_numbers_mean),
        *[("" if i else "shares", row) for i, row in enumerate(share_table(found))],
        ("chosen", f"scenes of {width} x {height} pixels{resized}"),
        ("training", templates.CLASS_MAPS.shown(width, height, "scenes")),
    ]
    return Findings(rows, list(warnings(found)), lambda name: recipes(name, found))


def share_table(found: SemanticFindings) -> list[str]:
    """Lines with the share of the pixels of each class and of the images that show it, the most frequent first."""
    counted = found.counted
    known = [(name, i) for name, i in found.numbers.items() if i in counted.total]
    known.sort(key=lambda row: -counted.total[row[1]])
    known += [
        (f"({what})" if "colours" in found.settings else f"({what}, {i})", i) for i, what in found.no_classes.items()
    ]
    width = max(len(name) for name, *_ in known)
    lines = [f"{name:<{width}}  {share(counted.share(i)):>12}  {share(counted.shown(i)):>8}" for name, i in known]
    if len(lines) > MOST_ROWS:
        half = MOST_ROWS // 2
        lines = [*lines[:half], f"... {len(lines) - 2 * half} more classes", *lines[-half:]]
    return [f"{'class':<{width}}  {'of pixels':>12}  {'of images':>8} ({counted.of})", *lines]


def warnings(found: SemanticFindings) -> Iterator[str]:
    """What the user should know before training."""
    yield from found.counted.notes
    width, height, scale = found.scene
    sizes = found.counted.sizes
    smaller = sum(round(w * scale) < width or round(h * scale) < height for w, h in sizes)
    larger = sum(w * h * scale**2 > 1.1 * width * height for w, h in sizes)
    if smaller:
        yield f"{smaller} of {len(sizes)} images are smaller than a scene and will be continued by mirroring"
    if larger:
        yield f"of {larger} of {len(sizes)} images, which are larger than a scene, parts are taken"
    never = [name for name, i in found.numbers.items() if i not in found.counted.total]
    if never:
        yield f"no map that was read shows {', '.join(never[:MOST_ROWS])}"
    if found.settings["objects"][0].startswith("class_"):
        yield "the classes have no names yet; give them in the order of their numbers: --classes sky,road,car"
    others = [name for name in kinds.WORDS if name not in ("semantic", "binary")]
    yield f"if your masks mean something else, give {' or '.join(f'`--masks {name}`' for name in others)}"


def recipes(name: str, found: SemanticFindings) -> Recipes:
    """File names and contents: the model, the filter model, the dataset."""
    files = {f"{name}-model.yaml": templates.MODEL, f"{name}-filter.yaml": templates.FILTER, f"{name}.yaml": DATASET}
    first = {"class": 0}.get(str(found.settings.get("zero")), 1)
    comments = COMMENTS | {
        "mask_kind": "each number is the class of a pixel; there are no objects",
        "objects": "names of the classes" if "colours" in found.settings else f"names of the classes, from {first} on",
        "unknown": f"numbers that mean unknown, beside {IGNORE}",
        "scale": "images and maps are resized by this factor first; the same in all three recipes",
    }
    values: dict[str, Any] = {"name": name, "found": found, "rare": found.rare, "require": _require(found.rare)}
    width, height, _ = found.scene
    values |= templates.values(templates.CLASS_MAPS, found.settings, found.counted.n_images, (height, width))
    return render(files, values | data_blocks(found.settings, comments), Path(found.settings["path"]))


def _require(rare: Sequence[str]) -> str:
    """`require` for 200 samples, of which a fifth each must show the rare classes."""
    from json import dumps

    rest = 200 - 40 * len(rare)
    return "{" + ", ".join([*(f"{dumps(name, ensure_ascii=False)}: 40" for name in rare), f"anything: {rest}"]) + "}"

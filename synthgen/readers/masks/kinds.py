"""What numbers of masks mean: objects, classes, or one kind of object and background. Decided once per folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.readers.masks.types import MaskData, MaskKind
from synthgen.vision import layouts
from synthgen.vision.layouts import Layout

PARTS_OF_A_CLASS = 1.5
"""Connected regions of a number, on average, from which on numbers are no objects."""
FEW_IDS = 32
SPECK_PX, LEAST_SPECKS, NEAR_TOP, LEAST_TOP = 3.0, 3, 0.9, 0.2
"""Numbers that smoothing leaves: at least so many, in regions smaller than this on average, beside one that is near the
highest and has this share of what is not 0. Masks scaled or saved as JPEG, in tests, have 1 to 1.6 pixels and 0.23."""
WORDS = {
    "instances": "each number is one object",
    "classes": "each number is a class, whose connected regions are the objects",
    "binary": "what is not 0 is one class, whose connected regions are the objects",
    "semantic": "each number is the class of a pixel; there are no objects",
}


class OpenKindError(DataError):
    """What numbers mean must be said by people: masks do not show it."""


@dataclass(slots=True)
class Evidence:
    """What was seen in the masks of a folder.

    Attributes:
        ids: the numbers of each mask but 0, and but 255 where it can mean `unknown`.
        values: all numbers.
        pixels: how many pixels of all masks have each of these numbers, or 255.
        regions: in how many connected regions they are.
        palette: every mask is a palette file.
        deep: a mask is a file of 16 bits.
    """

    ids: list[list[int]] = field(default_factory=list)
    values: set[int] = field(default_factory=set)
    pixels: Counter[int] = field(default_factory=Counter)
    regions: Counter[int] = field(default_factory=Counter)
    palette: bool = True
    deep: bool = False

    @property
    def n_numbers(self) -> int:
        return sum(map(len, self.ids))

    @property
    def n_regions(self) -> int:
        return sum(self.regions.values())

    @property
    def top(self) -> int:
        """The most frequent number but 0, which must not be all."""
        return max(self.pixels, key=lambda value: (self.pixels[value], value))

    @property
    def smoothed(self) -> bool:
        """Whether masks of one number, near the highest, have others in specks, as scaling and lossy files leave."""
        if self.palette or len(self.pixels) <= LEAST_SPECKS:
            return False
        specks = self.pixels.keys() - {self.top, IGNORE}
        n, n_regions = (sum(counts[value] for value in specks) for counts in (self.pixels, self.regions))
        dominant = self.top >= NEAR_TOP * max(self.pixels) and self.pixels[self.top] >= LEAST_TOP * self.pixels.total()
        return dominant and len(specks) >= LEAST_SPECKS and n < SPECK_PX * n_regions

    @property
    def largest(self) -> int:
        return max((max(ids) for ids in self.ids if ids), default=0)

    @property
    def in_parts(self) -> bool:
        """Whether a number is several connected regions, as a rule."""
        return self.n_regions >= PARTS_OF_A_CLASS * self.n_numbers

    @property
    def counted(self) -> bool:
        """Whether the numbers of every mask run from 1 on, to another last one in each, as when objects are counted."""
        seen = [ids for ids in self.ids if ids]
        return all(ids == list(range(1, len(ids) + 1)) for ids in seen) and len(set(map(len, seen))) >= 3


def evidence(masks: Iterable[tuple[str, np.ndarray]]) -> Evidence:
    """What masks show, each as Pillow's mode of its file and its numbers (H, W)."""
    from scipy import ndimage

    found = Evidence()
    for mode, numbers in masks:
        values, n = np.unique(numbers, return_counts=True)
        found.values |= set(values.tolist())
        found.pixels.update({value: k for value, k in zip(values.tolist(), n.tolist(), strict=True) if value})
        ids = [value for value in values.tolist() if value != 0 and (value != IGNORE or mode.startswith("I"))]
        found.ids.append(ids)
        found.palette &= mode == "P"
        found.deep |= mode.startswith("I")
        found.regions.update({value: ndimage.label(numbers == value)[1] for value in ids})
    return found


def decided(found: Evidence, named: bool, place: str) -> tuple[MaskKind, str]:
    """What the numbers mean, and why.

    Args:
        named: a table of colours or a list of classes belongs to the masks.

    Raises:
        OpenKindError: the masks leave it open; the message is the question.
        DataError: they are empty, or not as they were drawn.
    """
    if not found.n_numbers and IGNORE not in found.values:
        raise DataError(f"{place}: all masks are empty: they hold nothing but 0, so there are no objects")
    if is_binary(found.values):
        return "binary", f"they hold nothing but {' and '.join(map(str, sorted(found.values)))}"
    if found.smoothed:
        raise DataError(
            f"{place}: the masks hold 0 and {found.top}, and {len(found.pixels) - 1} other numbers in specks of a few "
            "pixels, as scaling with smoothing and lossy files leave at outlines. Save the masks without them: 255 "
            f"where a number is above {found.top // 2}, else 0 (`mask_kind: binary`); or say what the numbers mean by "
            "`mask_kind: instances` or `mask_kind: classes` in `data`, or --masks"
        )
    if named:
        return "classes", "a list of classes belongs to them"
    if found.deep and (not found.in_parts or found.largest > FEW_IDS):
        return "instances", "they have 16 bits"
    if not found.in_parts and ((found.counted and found.largest > 3) or found.largest > FEW_IDS):
        return "instances", f"each of their numbers is one region, up to {found.largest} of them"
    if found.palette and not found.counted:
        return "classes", "they are palette files"
    if found.in_parts and found.largest <= FEW_IDS:
        return "classes", "few numbers stand for many regions"
    some = sorted({value for ids in found.ids for value in ids})
    numbers = ", ".join(map(str, some[:6])) + (" ..." if len(some) > 6 else "")
    raise OpenKindError(
        f"{place}: the masks do not show what their numbers ({numbers}) mean. If each number is one object, that is "
        "`instances`; if each is a class, that is `classes`: give `mask_kind: instances` or `mask_kind: classes` in "
        "`data` of a recipe, and `--masks instances` or `--masks classes` to `synthgen init`"
    )


def is_binary(values: set[int]) -> bool:
    return values in ({0, IGNORE}, {0, 1}, {1}, {IGNORE})


def check(values: set[int], kind: MaskKind, place: str) -> None:
    """Raises DataError if masks that hold `values`, all together, cannot be of a kind that a recipe names."""
    if IGNORE in values and is_binary(values) and kind != "binary":
        way = "which takes every connected region for an object"
        semantic = f"; {IGNORE} is unknown in class maps: for a region without objects, save it as 1"
        raise DataError(
            f"{place}: the masks hold nothing but 0 and {IGNORE}, which is no number of {kind}; write "
            f"`mask_kind: binary`, {way}{semantic if kind == 'semantic' else ''}"
        )


def layout_of(numbers: np.ndarray, kind: MaskKind, data: MaskData, name: str) -> Layout:
    """The layout in a mask's numbers (H, W), resized by `data.scale`.

    Raises:
        DataError: names the mask: its numbers are none of this kind.
    """
    if kind == "binary":
        values = set(np.unique(numbers).tolist())
        if not (values <= {0, 1} or values <= {0, IGNORE}):
            raise DataError(
                f"{name}: has the numbers {_some(sorted(values))}; a binary mask holds 0 and {IGNORE}, or 0 and 1. "
                "Save masks without smoothing or lossy compression, or name another `mask_kind`"
            )
        layout = layouts.from_class_map((numbers > 0).astype(np.uint8))
        instances = _resized(layout.instances, data.scale)
        return layouts.renumbered(Layout(instances, (instances > 0).astype(np.uint8)))
    numbers = _resized(numbers, data.scale)
    if kind == "instances":
        present = np.bincount(numbers.ravel()) > 0
        present[0] = False
        instances = (np.cumsum(present) * present).astype(np.uint16)[numbers]
        return Layout(instances, (instances > 0).astype(np.uint8))
    last = len(data.objects) - (data.zero == "class")
    odd = set(np.unique(numbers).tolist()) - set(range(last + 1)) - {*data.unknown, IGNORE}
    if odd:
        zero = {"background": "0 (background), 1", "unknown": "0 (unknown), 1", "class": "0"}[data.zero]
        raise DataError(
            f"{name}: has the class ids {_some(sorted(odd))}; with `objects: {data.objects}` they must be {zero} to "
            f"{last}, or {' or '.join(map(str, [*data.unknown, IGNORE]))} (unknown; `unknown` can name more)"
        )
    stuff = [data.objects.index(name) + 1 for name in data.regions] if kind != "semantic" else range(1, IGNORE)
    return layouts.from_class_map(as_ids(numbers, data), stuff)


def as_ids(numbers: np.ndarray, data: MaskData) -> np.ndarray:
    """Class ids uint8 (H, W) of a mask's numbers: 0 background, classes from 1, 255 unknown; `zero` says what 0 was."""
    first = data.zero == "class"
    unknown = np.isin(numbers, [*data.unknown, IGNORE, *([0] if data.zero == "unknown" else [])])
    return np.where(unknown, IGNORE, numbers.astype(np.int64) + first).astype(np.uint8)


def _some(values: Sequence[int]) -> str:
    return str(values[:10])


def _resized(numbers: np.ndarray, scale: float) -> np.ndarray:
    """The nearest numbers of a map that is larger by `scale`."""
    if scale == 1:
        return numbers
    shape = tuple(max(1, round(side * scale)) for side in numbers.shape)
    y, x = (
        np.minimum(((np.arange(n) + 0.5) / scale).astype(int), m - 1) for n, m in zip(shape, numbers.shape, strict=True)
    )
    found: np.ndarray = numbers[np.ix_(y, x)]
    return found

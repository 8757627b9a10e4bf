"""How many pixels of each number the maps of a folder hold, and in how many images it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen.fields import IGNORE
from synthgen.readers.images.opening import opened
from synthgen.readers.images.pixel_range import folder_range
from synthgen.readers.masks import colour_table, files
from synthgen.readers.masks.types import MaskData
from synthgen.readers.problems import Problems

N_COUNTED = 300
"""Maps that are read at most, evenly spread over the folder."""
LEAST_NUMBERS = 3
COVERED = 0.5
"""Share of the pixels from which on numbers other than 0 cover images, as classes do and few objects."""


@dataclass(frozen=True)
class Census:
    """What the maps of the training images hold.

    Attributes:
        n_images: images of the training split; `len(counts)` of them were read.
        counts: pixels of each number, by map; class ids where a table of colours says what colours mean.
        sizes: width and height of each image that was read.
        brightness: mean of its values, 0 to 255.
        palette: the colours of the maps' palettes by number, as '#rrggbb'; empty if not all have palettes.
        notes: what was decided and left out while reading, in sentences.
    """

    n_images: int
    counts: Sequence[Mapping[int, int]]
    sizes: Sequence[tuple[int, int]]
    brightness: float
    palette: tuple[str, ...]
    notes: tuple[str, ...]

    @cached_property
    def total(self) -> Mapping[int, int]:
        """Pixels of each number, in the order of the numbers."""
        numbers = sorted({number for one in self.counts for number in one})
        return {number: sum(one.get(number, 0) for one in self.counts) for number in numbers}

    def share(self, number: int) -> float:
        """Of all pixels, 0 to 1."""
        return self.total.get(number, 0) / sum(self.total.values())

    def shown(self, number: int) -> float:
        """Share of the images that have a pixel of it."""
        return sum(number in one for one in self.counts) / len(self.counts)

    @property
    def covers(self) -> bool:
        """Whether several numbers cover most of the images, as classes do."""
        several = len(self.total.keys() - {IGNORE}) >= LEAST_NUMBERS
        return several and max(self.total) <= IGNORE and self.share(0) <= 1 - COVERED

    @property
    def of(self) -> str:
        """Which maps were counted, in words."""
        n = len(self.counts)
        return f"of {n} of the {self.n_images} maps" if n < self.n_images else f"of all {n} maps"


def count(data: MaskData) -> Census:
    """Reads up to `N_COUNTED` training images with their maps.

    Raises:
        DataError: some cannot be read or do not belong together, all problems at once.
    """
    found, problems = files.places(data, "train"), Problems(data.skip_broken)
    table = colour_table.ids(colour_table.place(data.path, data.colours), data.objects) if data.colours else None
    pixels = folder_range(files.picture_paths(found), data.range, str(found.images))
    files.check_divided(data, found)
    pairs = files.pairs(found, problems)
    if files.is_partly(data, found):
        pairs = [pair for pair in pairs if pair[2] is not None]
    chosen = [pairs[i] for i in spread(len(pairs))]
    files.check_formats([mask for _, _, mask in chosen if mask is not None], table is not None)
    counts, sizes, levels, modes = [], [], [], set()
    for _, path, mask in chosen:
        with problems.picture(str(path)):
            if mask is None:
                raise DataError(f"{path}: has no mask of the same name in {found.labels}")
            image = files.picture(path, pixels)
            mode, numbers = files.numbers(mask, table)
            if numbers.shape != image.shape[:2]:
                high, wide = numbers.shape
                raise DataError(f"{mask}: is {wide} x {high}, its image is {image.shape[1]} x {image.shape[0]}")
            values, n = np.unique(numbers, return_counts=True)
            counts.append(dict(zip(values.tolist(), n.tolist(), strict=True)))
            sizes.append((image.shape[1], image.shape[0]))
            levels.append(float(image.mean()))
            modes.add(mode)
    problems.check()
    if not counts:
        raise DataError(f"{found.images}: has no images with masks")
    palette = palette_of(next(mask for _, _, mask in chosen if mask is not None)) if modes == {"P"} else ()
    notes = tuple(note for note in (pixels.note, problems.note) if note)
    return Census(len(pairs), counts, sizes, float(np.mean(levels)), palette, notes)


def spread(n: int, most: int = N_COUNTED) -> list[int]:
    """The rows of at most `most` of `n`, evenly spread."""
    rows: list[int] = np.unique(np.linspace(0, n - 1, min(most, n)).round().astype(int)).tolist()
    return rows


def palette_of(path: Path) -> tuple[str, ...]:
    """The colours of a palette file by number, as '#rrggbb'."""
    values = opened(path, str(path)).image.getpalette() or []
    return tuple("#{:02x}{:02x}{:02x}".format(*values[i : i + 3]) for i in range(0, len(values) - 2, 3))


def colours(data: MaskData) -> set[files.Colour]:
    """The colours of maps that are colour images; none if they are numbers."""
    paths = files.mask_paths(files.places(data, "train"))
    found: set[files.Colour] = set()
    for path in (paths[i] for i in spread(len(paths), 100)):
        pixels = files.coloured_pixels(path)
        if pixels is not None:
            found |= {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}
    return found

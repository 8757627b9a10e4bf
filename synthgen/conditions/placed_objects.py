"""`use: placed-objects`: objects cut out of real masks and placed again without overlap, as many as are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from pydantic import field_validator
from scipy import ndimage

from synthgen import seeds
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.real_layouts import MAPS, LayoutSettings, RealLayouts, maps
from synthgen.errors import DataError
from synthgen.fields import Field, Label
from synthgen.vision.layouts import Layout, class_of_each

MAX_MISSES = 200
Count = Annotated[int, Setting(ge=0, le=65535)]


class PlacedObjects(RealLayouts):
    """New layouts of real objects. All objects of a layout come from one image, which stays in one split.

    An object that finds no free place is given up after 200 random places, so that an image can
    hold fewer objects than were asked for; how many it holds is in its maps.
    """

    version: ClassVar[int] = 1

    class Config(LayoutSettings):
        """Settings of `use: placed-objects`."""

        densities: dict[str, tuple[Count, Count]] = Setting(
            default={"any": (0, 12)},
            min_length=1,
            description="Least and most objects of an image, by a name of your own; every density is as frequent.",
        )
        gap_px: int = Setting(default=1, ge=0, description="Least free space between two objects.")

        @field_validator("densities")
        @classmethod
        def _rising(cls, densities: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
            for name, (low, high) in densities.items():
                if low > high:
                    raise ValueError(f"`{name}` must name the least number first (got [{low}, {high}])")
            return densities

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.data.is_semantic:
            raise DataError(
                "places objects, and `mask_kind: semantic` has none; take `use: real-layouts`, or `edited-layouts`, "
                "which changes maps without objects"
            )
        self._densities = list(config.densities.items())
        self._gap_px = config.gap_px
        density = {"density": Label(tuple(config.densities))}
        self.fields: Mapping[str, Field] = {**self.fields, **density}

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        random = seeds.generator(seeds.seed_of(self.config.seed, "placed-objects", index))
        label, item = self.picture(index, random)
        rank = self._quotas.rank(index) if self._quotas else index  # each class gets every density equally often
        density = rank % len(self._densities)
        low, high = self._densities[density][1]
        n = int(random.integers(low, high + 1))

        def make() -> Mapping[str, Any]:
            assert item.layout is not None
            return maps(place(item.layout, n, self.config.shape, self._gap_px, random))

        values = {"label": label, "density": density, "source": f"objects of {item.name}", **self._varied.at(index)}
        return Lazy(values, MAPS, make), item.name


def place(layout: Layout, n: int, shape: tuple[int, int], gap_px: int, random: np.random.Generator) -> Layout:
    """Up to `n` objects of `layout`, turned and mirrored at random, at random places of an empty map (height, width).

    An object may reach over the border, as in an image of a larger scene, by less than half of it.
    """
    instances = np.zeros(shape, dtype=np.uint16)
    segmentation = np.zeros(shape, dtype=np.uint8)
    stamps = objects_of(layout)
    blocked = np.zeros(shape, dtype=bool)
    placed = misses = 0
    while stamps and placed < n and misses < MAX_MISSES:
        stamp, cls = stamps[int(random.integers(len(stamps)))]
        stamp = np.rot90(stamp[:, ::-1] if random.integers(2) else stamp, int(random.integers(4)))
        height, width = stamp.shape
        top = int(random.integers(-(height // 2), shape[0] - height + height // 2 + 1))
        left = int(random.integers(-(width // 2), shape[1] - width + width // 2 + 1))
        window = np.s_[max(top, 0) : min(top + height, shape[0]), max(left, 0) : min(left + width, shape[1])]
        part = stamp[window[0].start - top : window[0].stop - top, window[1].start - left : window[1].stop - left]
        if not part.any() or (blocked[window] & part).any():
            misses += 1
            continue
        placed, misses = placed + 1, 0
        instances[window][part] = placed
        segmentation[window][part] = cls
        blocked = ndimage.binary_dilation(instances > 0, iterations=gap_px) if gap_px else instances > 0
    return Layout(instances, segmentation)


def objects_of(layout: Layout) -> list[tuple[np.ndarray, int]]:
    """Every object that touches no border, as its own mask and class; objects cut by the border are left out."""
    slices = ndimage.find_objects(layout.instances.astype(np.int32))
    height, width = layout.shape
    ids = [i + 1 for i, s in enumerate(slices) if s and s[0].start > 0 and s[1].start > 0]
    ids = [i for i in ids if slices[i - 1][0].stop < height and slices[i - 1][1].stop < width]
    classes = class_of_each(layout, np.array(ids, dtype=np.int64))
    return [(layout.instances[slices[i - 1]] == i, int(cls)) for i, cls in zip(ids, classes, strict=True) if cls > 0]

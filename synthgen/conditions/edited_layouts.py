"""`use: edited-layouts`: real class maps, scaled, and with parts of other maps where such parts stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from pydantic import model_validator
from scipy import ndimage

from synthgen import seeds
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.real_layouts import ANYTHING, ContentSettings, RealLayouts, Window, maps
from synthgen.fields import IGNORE
from synthgen.parts.registry import unknown
from synthgen.vision.layouts import Layout, renumbered

TRIES = 20
"""Random parts that are tried before one is left out."""
CONTACT_PX = 2
"""Rows below a part by which its footing is known."""


class EditedLayouts(RealLayouts):
    """The layouts of `real-layouts`, scaled, with parts of other real maps pasted in.

    A part is an object, or a connected region of a class without objects. It keeps its height in the image and is
    shifted sideways to where most of what is below it has the class that was below it in its own map, as a car stands
    on road; if there is no such place after 20 parts, none is pasted. An edit after which too little of a required
    class would be left is not made. The split of a sample is that of the image that its layout was cut from.
    """

    version: ClassVar[int] = 1

    class Config(ContentSettings):
        """Settings of `use: edited-layouts`."""

        zoom: tuple[Annotated[float, Setting(ge=0.5, le=4)], Annotated[float, Setting(ge=0.5, le=4)]] = Setting(
            default=(1.0, 1.25), description="Least and most that maps are enlarged, at random."
        )
        paste: dict[str, Annotated[float, Setting(ge=0, le=1)]] = Setting(
            default={}, description="Share of the samples that get a part of another map, by the class of the part."
        )
        min_area_px: int = Setting(default=16, ge=1, description="Smaller parts are not pasted.")
        footing: float = Setting(
            default=0.6, ge=0, le=1, description="Share of what is below a part that must be as in its own map."
        )

        @model_validator(mode="after")
        def _fits(self) -> EditedLayouts.Config:
            if self.zoom[0] > self.zoom[1]:
                raise ValueError(f"`zoom` must name the least first (got {list(self.zoom)})")
            for name in self.paste:
                if name not in self.data.objects:
                    raise ValueError(f"`paste`: {unknown(name, self.data.objects, 'class')}")
            return self

    config: Config

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        random = seeds.generator(seeds.seed_of(self.config.seed, "edited-layouts", index))
        wanted = self.wanted(index, random)
        label, item, corner = self.chosen(index, wanted, random)
        window = Window.of(item.image.shape[:2], self.config, random, corner)
        factor = float(random.uniform(*self.config.zoom))
        shares = {name: self.config.paste.get(name, 0.0) for name in self.config.data.objects}  # whatever their order
        pasted = [name for name, share in shares.items() if random.random() < share]

        def make() -> Mapping[str, Any]:
            assert item.layout is not None
            layout, source = item.layout.map(window.cut), f"{item.name} {window}"
            edits = {f" x {factor:.2f}": partial(zoomed, factor=factor, random=random)}
            edits |= {f" + {name}": partial(self._pasted, cls=self._id(name), random=random) for name in pasted}
            for words, edit in edits.items():
                edited = edit(layout)
                if edited is not layout and self._shows(edited, wanted):
                    layout, source = edited, source + words
            found = maps(renumbered(layout))
            return {"source": source, **{name: value for name, value in found.items() if name in self.made}}

        values = {"label": label, **self._varied.at(index)}
        return Lazy(values, ("source", *self.made), make), item.name

    def _id(self, name: str) -> int:
        return self.config.data.objects.index(name) + 1

    def _shows(self, layout: Layout, wanted: str) -> bool:
        """Whether the required class still covers enough."""
        if wanted == ANYTHING:
            return True
        return float((layout.segmentation == self._id(wanted)).mean()) >= self.config.require_share

    def _pasted(self, layout: Layout, cls: int, random: np.random.Generator) -> Layout:
        """The layout with a part of class `cls` from a random image; as it was if none finds a place."""
        donors, has_objects = (
            self._donors.get(cls, []),
            self.config.data.objects[cls - 1] not in self.config.data.regions,
        )
        for _ in range(TRIES if donors else 0):
            donor = donors[int(random.integers(len(donors)))]
            window = Window.of(donor.shape, self.config, random)
            part = random_part(donor.map(window.cut), cls, has_objects, self.config.min_area_px, random)
            if part is None:
                continue
            shifts = np.flatnonzero(part.standing(layout.segmentation) >= self.config.footing)
            if len(shifts):
                return part.placed(layout, cls, has_objects, int(random.choice(shifts)) - part.left)
        return layout

    @cached_property
    def _donors(self) -> Mapping[int, list[Layout]]:
        """The layouts in which a class occurs, by the ids of those of `paste`."""
        layouts = [item.layout for item in self._items if item.layout is not None]
        ids = map(self._id, self.config.paste)
        return {cls: [layout for layout in layouts if (layout.segmentation == cls).any()] for cls in ids}


@dataclass(frozen=True, slots=True)
class Part:
    """A region of a map: where it is, bool (H, W), and the most frequent class right below it."""

    inside: np.ndarray
    below: int
    left: int
    width: int

    def standing(self, segmentation: np.ndarray) -> np.ndarray:
        """Share of the pixels below the part whose class is as it was, by its left end, float64 (W - width + 1,)."""
        y, x = np.nonzero(footprint(self.inside))
        places = np.arange(segmentation.shape[1] - self.width + 1)
        shares: np.ndarray = (segmentation[y[:, None], x[:, None] - self.left + places] == self.below).mean(0)
        return shares

    def placed(self, layout: Layout, cls: int, has_objects: bool, shift: int) -> Layout:
        """The layout with the part in front, moved sideways by `shift`; an object if the class has objects."""
        inside = np.roll(self.inside, shift, axis=1)
        number = int(layout.instances.max()) + 1 if has_objects else 0
        segmentation, instances = layout.segmentation.copy(), layout.instances.copy()
        segmentation[inside], instances[inside] = cls, number
        return Layout(instances, segmentation)


def random_part(
    layout: Layout, cls: int, has_objects: bool, min_area_px: int, random: np.random.Generator
) -> Part | None:
    """A random object or connected region of class `cls` that the border does not cut; None if there is none.

    None, too, if it is unknown what is below it.
    """
    there = layout.segmentation == cls
    labels = np.where(there, layout.instances, 0).astype(np.int32) if has_objects else ndimage.label(there)[0]
    height, width = labels.shape
    whole = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        cut = rows.start == 0 or columns.start == 0 or rows.stop == height or columns.stop == width
        if not cut and (labels[place] == number).sum() >= min_area_px:
            whole.append((number, columns))
    if not whole:
        return None
    number, columns = whole[int(random.integers(len(whole)))]
    inside = labels == number
    below = int(
        np.bincount(layout.segmentation[footprint(inside)]).argmax()
    )  # the border does not cut it: there is some
    return None if below == IGNORE else Part(inside, below, columns.start, columns.stop - columns.start)


def footprint(inside: np.ndarray) -> np.ndarray:
    """The pixels up to `CONTACT_PX` rows below a region, bool (H, W)."""
    foot = np.zeros_like(inside)
    for rows in range(1, CONTACT_PX + 1):
        foot[rows:] |= inside[:-rows]
    bottom = inside.shape[0] - 1 - inside[::-1].argmax(0)
    there = inside.any(0)
    lowest = np.where(there, bottom, inside.shape[0])
    rows_below: np.ndarray = np.arange(inside.shape[0])[:, None] > lowest[None]
    below: np.ndarray = foot & ~inside & rows_below
    return below


def zoomed(layout: Layout, factor: float, random: np.random.Generator) -> Layout:
    """A random part of the layout, enlarged to the layout's size; reduced ones are mirrored on."""
    if factor == 1:
        return layout
    height, width = layout.shape
    wide = [max(1, round(side / factor)) for side in (height, width)]
    top, left = (
        int(random.integers(0, max(side - part, 0) + 1)) for side, part in zip((height, width), wide, strict=True)
    )
    y = _mirrored(top + (np.arange(height) + 0.5) / factor, height)
    x = _mirrored(left + (np.arange(width) + 0.5) / factor, width)
    return layout.map(lambda array: np.ascontiguousarray(array[np.ix_(y, x)]))


def _mirrored(places: np.ndarray, n: int) -> np.ndarray:
    """Places along a side as indices 0 to n - 1; those beyond are mirrored."""
    found = np.floor(places).astype(int) % (2 * n)
    inside: np.ndarray = np.where(found < n, found, 2 * n - 1 - found)
    return inside

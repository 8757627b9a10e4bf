"""Class maps: what exports of them have in common, such as ids from 0, colours and PNG files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from synthgen.exporters.classes import FILE
from synthgen.exporters.scene import SceneExporter, Scenes
from synthgen.fields import IGNORE, Image
from synthgen.vision.palette import palette


class ClassMapExporter(SceneExporter):
    """What exporters of class maps have in common: boxes are none of their fields."""

    roles: ClassVar[Sequence[str]] = ("instances", "segmentation")


@dataclass(frozen=True, slots=True)
class ZeroBased:
    """Class ids from 0 without gaps, as trainings of segmenters count them; 255 is unknown.

    Attributes:
        names: of the classes, in id order.
        colours: red, green and blue of each, 0 to 255.
        table: the new id of each stored one, uint8 (256,).
        rgb: the colour of each new id, uint8 (256, 3).
        note: what became of background, for the user.
    """

    names: tuple[str, ...]
    stuff: frozenset[str]
    colours: list[tuple[int, int, int]]
    table: np.ndarray
    rgb: np.ndarray
    note: str

    def png(self, segmentation: np.ndarray) -> bytes:
        """A class map uint8 (H, W) with the new ids, as a grey PNG."""
        return png_of(self.table[segmentation])

    def colour_png(self, segmentation: np.ndarray) -> bytes:
        """The same map in colours."""
        return png_of(self.rgb[self.table[segmentation]])

    def write_table(self, out: Path) -> None:
        """Writes `classes.csv`: id, class, whether it is `stuff` or a `thing`, and its colour as '#rrggbb'."""
        with open(out / FILE, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "class", "kind", "colour"])
            for i, (name, colour) in enumerate(zip(self.names, self.colours, strict=True)):
                table.writerow([i, name, "stuff" if name in self.stuff else "thing", f"#{bytes(colour).hex()}"])


def zero_based(scenes: Scenes) -> ZeroBased:
    """The ids from 0 of a dataset with class maps; the same for all of its splits.

    If any pixel of the dataset is background, that is class 0, `background`, and the others keep their ids. If none
    is, the first class is 0.
    """
    names, stuff, colours = scenes.class_map_names, frozenset(scenes.stuff), palette(scenes.colours)
    unknown = colours[IGNORE]
    table = np.arange(256, dtype=np.uint8)
    if scenes.has_background:
        background = background_name(names)
        names, stuff = (background, *names), stuff | {background}
        note = f"background is class 0, `{background}`"
    else:
        table[1:IGNORE] -= 1
        table[0] = IGNORE
        colours = colours[1:]
        note = f"no pixel is background, so `{names[0]}` is class 0"
    colours = colours[: len(names)]
    rgb = np.full((256, 3), unknown, dtype=np.uint8)
    rgb[: len(names)] = colours
    return ZeroBased(names, stuff, colours, table, rgb, f"{note}; {IGNORE} is unknown")


def background_name(classes: Sequence[str]) -> str:
    """What pixels without a class are called, in formats that name them: `background`, unless a class is."""
    name = "background"
    while name in classes:
        name = f"no {name}"
    return name


def png_of(values: np.ndarray) -> bytes:
    """Numbers uint8 (H, W) as a grey PNG, or colours uint8 (H, W, 3) as one in colours."""
    pixels = values if values.ndim == 3 else values[:, :, None]
    height, width, channels = pixels.shape
    return Image(height, width, channels).encode(pixels)


def image_png(scenes: Scenes, stored: bytes) -> bytes:
    """An image's stored file as a PNG with the same pixels, for formats that know no other."""
    if scenes.suffix == "png":
        return stored
    image = Image(scenes.height, scenes.width, scenes.channels)
    return image.encode(image.decode(stored))

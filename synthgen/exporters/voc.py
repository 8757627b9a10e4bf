"""Pascal VOC: pictures, class and object maps as palette PNGs, boxes as XML, lists of names by split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from synthgen.errors import UsageError
from synthgen.exporters.scene import Scene, Scenes

DESCRIPTION = (
    "JPEGImages/, Annotations/, ImageSets/; where there are masks, SegmentationClass/ and SegmentationObject/ "
    "as palette PNGs with 255"
)
MAX_OBJECTS = 254


def export(scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
    """Writes everything into `out` and returns what must be told.

    A palette map numbers 254 objects at most; pictures with more get no object map.

    Raises:
        UsageError: the dataset has no objects.
    """
    if not scenes.objects:
        raise UsageError("VOC files hold objects; this dataset has neither boxes nor masks (try `--to imagefolder`)")
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (out / name).mkdir(parents=True)
    if scenes.has_maps:
        for name in ("SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
            (out / name).mkdir()
    names: dict[str, list[str]] = {split: [] for split in scenes.splits}
    crowded = 0
    for scene in scenes:
        names[scene.split].append(scene.key)
        file = f"{scene.key}.{scenes.suffix}"
        (out / "JPEGImages" / file).write_bytes(scene.picture)
        (out / "Annotations" / f"{scene.key}.xml").write_bytes(annotation(scene, file, scenes))
        if scene.instances is not None and scene.segmentation is not None:
            save_palette(scene.segmentation, out / "SegmentationClass" / f"{scene.key}.png")
            if scene.instances.max() <= MAX_OBJECTS:
                objects = np.where(scene.segmentation == 255, 255, scene.instances).astype(np.uint8)
                save_palette(objects, out / "SegmentationObject" / f"{scene.key}.png")
            else:
                crowded += 1
        tick(1)
    for split, keys in names.items():
        for folder in ("Main", "Segmentation") if scenes.has_maps else ("Main",):
            (out / "ImageSets" / folder / f"{split}.txt").write_text("".join(f"{key}\n" for key in keys))
    if not crowded:
        return []
    return [f"{crowded} pictures have more than {MAX_OBJECTS} objects, so they have no SegmentationObject map"]


def annotation(scene: Scene, file: str, scenes: Scenes) -> bytes:
    """The XML of one picture. VOC counts pixels from 1, and its boxes include their last row and column."""
    root = Xml.Element("annotation")
    Xml.SubElement(root, "folder").text = "JPEGImages"
    Xml.SubElement(root, "filename").text = file
    size = Xml.SubElement(root, "size")
    for name, value in (("width", scenes.width), ("height", scenes.height), ("depth", scenes.channels)):
        Xml.SubElement(size, name).text = str(value)
    Xml.SubElement(root, "segmented").text = str(int(scene.instances is not None))
    for left, top, right, bottom, cls in scene.boxes.tolist():
        entry = Xml.SubElement(root, "object")
        Xml.SubElement(entry, "name").text = scenes.objects[int(cls) - 1]
        cut = left <= 0 or top <= 0 or right >= scenes.width or bottom >= scenes.height
        Xml.SubElement(entry, "truncated").text = str(int(cut))
        Xml.SubElement(entry, "difficult").text = "0"
        box = Xml.SubElement(entry, "bndbox")
        corners = (
            round(left) + 1,
            round(top) + 1,
            max(round(right), round(left) + 1),
            max(round(bottom), round(top) + 1),
        )
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
            Xml.SubElement(box, name).text = str(value)
    Xml.indent(root)
    text: bytes = Xml.tostring(root)
    return text + b"\n"


def save_palette(ids: np.ndarray, path: Path) -> None:
    """Numbers uint8 (H, W) as a PNG with VOC's palette, so that the file shows colours and reads as numbers."""
    from PIL import Image

    picture = Image.fromarray(ids, "P")
    picture.putpalette([value for colour in palette() for value in colour])
    picture.save(path)


def palette() -> Sequence[tuple[int, int, int]]:
    """VOC's 256 colours: the bits of a number are dealt out to red, green and blue, highest first.

    Source: VOC devkit, VOClabelcolormap.
    """
    colours = []
    for number in range(256):
        r = g = b = 0
        rest = number
        for bit in range(7, -1, -1):
            r |= (rest & 1) << bit
            g |= (rest >> 1 & 1) << bit
            b |= (rest >> 2 & 1) << bit
            rest >>= 3
        colours.append((r, g, b))
    return colours

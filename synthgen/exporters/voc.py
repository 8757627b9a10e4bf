"""Pascal VOC: images, class and object maps as palette PNGs, boxes as XML, lists of names by split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as Xml

import numpy as np

from synthgen.base.names import distinct, printable
from synthgen.exporters.classes import write_classes
from synthgen.exporters.scene import Scene, SceneExporter, Scenes
from synthgen.vision.palette import palette

MAX_OBJECTS = 254


class Voc(SceneExporter):
    """Images with an XML file each, and maps of classes and objects.

    A palette map numbers 254 objects at most; images with more get no object map. Class maps without objects are
    exported alone: XML files without any would say that nothing is in the images.
    """

    description: ClassVar[str] = (
        "JPEGImages/, ImageSets/, Annotations/ of objects; where there are masks, SegmentationClass/ and "
        "SegmentationObject/ as palette PNGs with 255; classes.csv names the classes"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        if not scenes.has_class_maps:
            scenes.require_objects("VOC")
        folders = ["JPEGImages"]
        folders += ["Annotations", "ImageSets/Main"] if scenes.objects else []
        folders += ["SegmentationClass", "ImageSets/Segmentation"] if scenes.has_class_maps else []
        folders += ["SegmentationObject"] if scenes.has_masks else []
        for name in folders:
            (out / name).mkdir(parents=True)
        classes = scenes.class_map_names if scenes.has_masks or not scenes.objects else tuple(scenes.objects.values())
        printed = distinct([printable(name) for name in classes])
        keys: dict[str, list[str]] = {split: [] for split in scenes.splits}
        crowded = 0
        for scene in scenes:
            keys[scene.split].append(scene.key)
            file = f"{scene.key}.{scenes.suffix}"
            (out / "JPEGImages" / file).write_bytes(scene.picture)
            if scenes.objects:
                (out / "Annotations" / f"{scene.key}.xml").write_bytes(annotation(scene, file, scenes, printed))
            if scene.segmentation is not None:
                save_palette(scene.segmentation, out / "SegmentationClass" / f"{scene.key}.png", scenes.colours)
            if scenes.has_masks and not _save_objects(scene, out / "SegmentationObject" / f"{scene.key}.png"):
                crowded += 1
            tick(1)
        for folder in [name for name in folders if name.startswith("ImageSets")]:
            for split, of_split in keys.items():
                (out / folder / f"{split}.txt").write_text("".join(f"{key}\n" for key in of_split), encoding="utf-8")
        notes = write_classes(out, classes, printed, 1, "classes in the XML files")
        if scenes.class_map_names not in ((), classes):
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(scenes.class_map_names, start=1))
            notes.append(f"classes of the maps in SegmentationClass: {listed}")
        if crowded:
            notes.append(
                f"{crowded} images have more than {MAX_OBJECTS} objects, so they have no SegmentationObject map"
            )
        return notes


def _save_objects(scene: Scene, path: Path) -> bool:
    """Writes the map of objects; False if there are too many of them."""
    assert scene.instances is not None
    if scene.instances.max() > MAX_OBJECTS:
        return False
    save_palette(np.where(scene.segmentation == 255, 255, scene.instances).astype(np.uint8), path)
    return True


def annotation(scene: Scene, file: str, scenes: Scenes, classes: Sequence[str]) -> bytes:
    """The XML of one image, with `classes` for the ids from 1.

    VOC counts pixels from 1, and its boxes include their last row and column.
    """
    root = Xml.Element("annotation")
    Xml.SubElement(root, "folder").text = "JPEGImages"
    Xml.SubElement(root, "filename").text = file
    size = Xml.SubElement(root, "size")
    for name, value in (("width", scenes.width), ("height", scenes.height), ("depth", scenes.channels)):
        Xml.SubElement(size, name).text = str(value)
    Xml.SubElement(root, "segmented").text = str(int(scene.segmentation is not None))
    for left, top, right, bottom, cls in scene.boxes.tolist():
        entry = Xml.SubElement(root, "object")
        Xml.SubElement(entry, "name").text = classes[int(cls) - 1]
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


def save_palette(ids: np.ndarray, path: Path, colours: Sequence[str] = ()) -> None:
    """Numbers uint8 (H, W) as a PNG that shows colours (`vision.palette`) and reads as numbers."""
    from PIL import Image

    picture = Image.fromarray(ids, "P")
    picture.putpalette([value for colour in palette(colours) for value in colour])
    picture.save(path)

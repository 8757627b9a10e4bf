"""Cityscapes: images and class maps with train ids, in the folders of Cityscapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from synthgen.exporters.class_maps import ClassMapExporter, image_png, zero_based
from synthgen.exporters.scene import Scenes

CITY = "synthgen"
"""Cityscapes has a folder for each city."""


class Cityscapes(ClassMapExporter):
    """Images as PNG, and maps of train ids: classes from 0, 255 unknown.

    Background, where any pixel of the dataset is, is class 0; else the first class is. The ids are those of the
    dataset's own classes, not of the 19 of Cityscapes: `classes.csv` names them, with their colours.
    """

    description: ClassVar[str] = (
        "leftImg8bit/<split>/synthgen/ and gtFine/<split>/synthgen/ with *_labelTrainIds.png (ids from 0, 255 unknown) "
        "and *_color.png; classes.csv"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_class_maps("Cityscapes")
        ids = zero_based(scenes)
        for split in scenes.splits:
            for folder in ("leftImg8bit", "gtFine"):
                (out / folder / split / CITY).mkdir(parents=True)
        for scene in scenes:
            assert scene.segmentation is not None
            images, maps = (out / folder / scene.split / CITY for folder in ("leftImg8bit", "gtFine"))
            (images / f"{scene.key}_leftImg8bit.png").write_bytes(image_png(scenes, scene.picture))
            (maps / f"{scene.key}_gtFine_labelTrainIds.png").write_bytes(ids.png(scene.segmentation))
            (maps / f"{scene.key}_gtFine_color.png").write_bytes(ids.colour_png(scene.segmentation))
            tick(1)
        ids.write_table(out)
        return [ids.note]

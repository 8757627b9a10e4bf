"""YOLO: images and text labels by split, and a data.yaml; boxes, or polygons for segmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synthgen.errors import UsageError
from synthgen.exporters.polygons import outline
from synthgen.exporters.scene import Scene, SceneExporter, Scenes

RESERVED = {"names", "path", "nc", "download", "kpt_shape"}
"""Keys of data.yaml that are no splits."""


class Yolo(SceneExporter):
    """A line `class centre-x centre-y width height` for each object, as shares of the image.

    Classes count from 0. Of a class map with stuff, only the things are objects, and only they are counted.
    """

    description: ClassVar[str] = "images/<split>/, labels/<split>/*.txt with boxes, and data.yaml"

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        return _export(scenes, out, tick, box_lines)


class YoloPolygons(Yolo):
    """A line `class x1 y1 x2 y2 ...` for each object, as shares of the image.

    Parts and holes of an object are bridged into its one polygon, so that nothing of the mask is lost.
    """

    description: ClassVar[str] = "the same with polygons instead of boxes, for segmentation"

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_objects("YOLO")
        if not scenes.has_masks:
            raise UsageError("polygons need an instance map, which this dataset does not have; try `--to yolo`")
        return _export(scenes, out, tick, polygon_lines)


def _export(
    scenes: Scenes, out: Path, tick: Callable[[int], Any], lines: Callable[[Scene, Scenes], Iterator[str]]
) -> list[str]:
    import yaml

    scenes.require_objects("YOLO")
    if taken := RESERVED & set(scenes.splits):
        raise UsageError(f"the split `{taken.pop()}` would be taken for a key of data.yaml; try another format")
    for split in scenes.splits:
        (out / "images" / split).mkdir(parents=True)
        (out / "labels" / split).mkdir(parents=True)
    for scene in scenes:
        (out / "images" / scene.split / f"{scene.key}.{scenes.suffix}").write_bytes(scene.picture)
        text = "".join(f"{line}\n" for line in lines(scene, scenes))
        (out / "labels" / scene.split / f"{scene.key}.txt").write_text(text, encoding="utf-8")
        tick(1)
    facts = {split: f"images/{split}" for split in scenes.splits} | {"names": dict(enumerate(scenes.objects.values()))}
    text, notes = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True), []
    if "val" not in scenes.splits and scenes.splits:
        stand_in = "train" if "train" in scenes.splits else scenes.splits[0]
        text = f"val: images/{stand_in}  # there is no split `val`, and trainings want one\n{text}"
        notes.append(f"there is no split `val`, and trainings want one: data.yaml names `{stand_in}` for it")
    head = "# paths are relative to this file, because there is no `path`\n"
    (out / "data.yaml").write_text(head + text, encoding="utf-8")
    return notes


def box_lines(scene: Scene, scenes: Scenes) -> Iterator[str]:
    numbers = {cls: i for i, cls in enumerate(scenes.objects)}
    for left, top, right, bottom, cls in scene.boxes.tolist():
        centre_x, centre_y = (left + right) / 2 / scenes.width, (top + bottom) / 2 / scenes.height
        width, height = (right - left) / scenes.width, (bottom - top) / scenes.height
        yield f"{numbers[int(cls)]} {centre_x:.6f} {centre_y:.6f} {width:.6f} {height:.6f}"


def polygon_lines(scene: Scene, scenes: Scenes) -> Iterator[str]:
    assert scene.instances is not None
    numbers = {cls: i for i, cls in enumerate(scenes.objects)}
    scale = np.array([scenes.width, scenes.height])
    for number, box in zip(scene.numbers, scene.boxes, strict=True):
        polygon = outline(scene.instances == number) / scale
        yield f"{numbers[int(box[4])]} " + " ".join(f"{value:.6f}" for value in polygon.ravel())

"""COCO panoptic: images by split, and for each split a JSON file and PNG maps of segments, objects and regions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from synthgen.exporters.class_maps import ClassMapExporter, background_name, png_of
from synthgen.exporters.coco import SplitFile
from synthgen.exporters.scene import Scene, Scenes
from synthgen.fields import IGNORE
from synthgen.vision.palette import palette


class CocoPanoptic(ClassMapExporter):
    """Every object is a segment, and so is every class of pixels without objects; categories have the class ids.

    A PNG holds the segment of each pixel as red + 256 green + 65536 blue; 0 is void, which are the unknown pixels.
    Background, where any pixel of the dataset is, is a category of its own after the last class, since metrics leave
    void out. Pixels of things that no object has are a crowd. Without an instance map all classes are stuff.

    Source: cocodataset.org, format of panoptic segmentation.
    """

    description: ClassVar[str] = (
        "images/<split>/, annotations/panoptic_<split>.json and PNGs of segments in annotations/panoptic_<split>/"
    )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_class_maps("COCO's panoptic")
        categories = categories_of(scenes)
        background = len(scenes.class_map_names) + 1
        head = {"info": {"description": scenes.name}, "categories": categories}
        with contextlib.ExitStack() as stack:
            files: dict[str, SplitFile] = {}
            for split in scenes.splits:
                (out / "images" / split).mkdir(parents=True)
                (out / "annotations" / f"panoptic_{split}").mkdir(parents=True)
                path = out / "annotations" / f"panoptic_{split}.json"
                files[split] = stack.enter_context(SplitFile(path, head))
            for scene in scenes:
                name = f"{scene.key}.{scenes.suffix}"
                (out / "images" / scene.split / name).write_bytes(scene.picture)
                ids, segments = segments_of(scene, scenes.objects if scenes.has_masks else {}, background)
                png = out / "annotations" / f"panoptic_{scene.split}" / f"{scene.key}.png"
                png.write_bytes(png_of(rgb_of(ids)))
                number = files[scene.split].add_image(name, scenes)
                files[scene.split].add_annotation(
                    {"image_id": number, "file_name": png.name, "segments_info": segments}
                )
                tick(1)
        notes = [] if scenes.has_masks else ["there is no instance map, so all classes are stuff"]
        if scenes.has_background:
            notes.append(f"background is the category {background}, `{categories[-1]['name']}`; void is unknown")
        return notes


def categories_of(scenes: Scenes) -> list[dict[str, Any]]:
    """The classes as COCO's categories, and after them background if any pixel is."""
    names, colours = list(scenes.class_map_names), palette(scenes.colours)
    things = scenes.objects if scenes.has_masks else {}
    found = [
        {"id": i, "name": name, "supercategory": name, "isthing": int(i in things), "color": list(colours[i])}
        for i, name in enumerate(names, start=1)
    ]
    if scenes.has_background:
        name = background_name(names)
        found.append({"id": len(names) + 1, "name": name, "supercategory": name, "isthing": 0, "color": [0, 0, 0]})
    return found


def segments_of(scene: Scene, things: dict[int, str], background: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The number of each pixel's segment, int32 (H, W), from 1, 0 void; and the segments as COCO has them.

    Args:
        things: the classes whose objects the instance map numbers.
        background: the category of pixels without a class.
    """
    assert scene.segmentation is not None
    ids = np.zeros(scene.segmentation.shape, dtype=np.int32)
    segments: list[dict[str, Any]] = []

    def add(mask: np.ndarray, category: int, crowd: bool) -> None:
        ys, xs = np.nonzero(mask)
        left, top, width, height = int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1
        ids[mask] = len(segments) + 1
        segments.append(
            {
                "id": len(segments) + 1,
                "category_id": category,
                "area": len(xs),
                "bbox": [left, top, width, height],
                "iscrowd": int(crowd),
            }
        )

    if scene.instances is not None:
        for number, box in zip(scene.numbers, scene.boxes, strict=True):
            add(scene.instances == number, int(box[4]), False)
    for cls in np.unique(scene.segmentation[ids == 0]).tolist():
        if cls != IGNORE:
            add((scene.segmentation == cls) & (ids == 0), cls or background, cls in things)
    return ids, segments


def rgb_of(ids: np.ndarray) -> np.ndarray:
    """Numbers of segments (H, W) as colours uint8 (H, W, 3): red + 256 green + 65536 blue."""
    return np.stack([ids, ids >> 8, ids >> 16], axis=-1).astype(np.uint8)

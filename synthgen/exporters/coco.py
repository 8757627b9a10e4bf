"""COCO: images by split, and one annotation file for each split with boxes, areas and run-length masks."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.errors import UsageError
from synthgen.exporters.polygons import parts
from synthgen.exporters.scene import Scene, SceneExporter, Scenes

Encode = Callable[[np.ndarray], Any]
"""Makes the `segmentation` of a mask, bool (H, W)."""


class Coco(SceneExporter):
    """Images by split, and one annotation file for each split with boxes, areas and masks.

    Memory does not grow with the number of scenes. Ids of images and objects count from 1 in each split; category
    ids are the class ids. Of a class map with stuff, only the things are objects; `coco-panoptic` has both.
    """

    description: ClassVar[str] = (
        "images/<split>/ and annotations/instances_<split>.json; masks, where there are any, run-length encoded, or "
        "with --polygons as outlines"
    )

    class Config(Settings):
        """Options of the export."""

        polygons: bool = Field(
            default=False,
            description="Masks as a polygon for each part, holes bridged to it, instead of run-length codes.",
        )

    def write(self, scenes: Scenes, out: Path, tick: Callable[[int], Any]) -> list[str]:
        scenes.require_objects("COCO")
        if self.config.polygons and not scenes.has_masks:
            raise UsageError(
                "--polygons: needs an instance map, which this dataset does not have; leave it out for boxes"
            )
        encode = polygons if self.config.polygons else run_lengths
        categories = [{"id": i, "name": name} for i, name in scenes.objects.items()]
        head = {"info": {"description": scenes.name}, "categories": categories}
        (out / "annotations").mkdir(parents=True)
        with contextlib.ExitStack() as stack:
            files: dict[str, SplitFile] = {}
            for scene in scenes:
                if scene.split not in files:
                    (out / "images" / scene.split).mkdir(parents=True)
                    path = out / "annotations" / f"instances_{scene.split}.json"
                    files[scene.split] = stack.enter_context(SplitFile(path, head))
                name, file = f"{scene.key}.{scenes.suffix}", files[scene.split]
                (out / "images" / scene.split / name).write_bytes(scene.picture)
                number = file.add_image(name, scenes)
                for annotation in objects_of(scene, encode):
                    file.add_annotation({"id": file.n_annotations + 1, "image_id": number, **annotation})
                tick(1)
        return []


class SplitFile:
    """The annotation file of one split: images come at once, annotations by way of a second file."""

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path, self.head = path, head
        self.n_images = self.n_annotations = 0

    def __enter__(self) -> SplitFile:
        self._main: IO[str] = open(self.path, "w", encoding="utf-8")
        self._annotations: IO[str] = open(self.path.with_suffix(".part"), "w+", encoding="utf-8")
        self._main.write(json.dumps(self.head)[:-1] + ', "images": [')
        return self

    def add_image(self, name: str, scenes: Scenes) -> int:
        """Returns the image's id."""
        self.n_images += 1
        entry = {"id": self.n_images, "file_name": name, "width": scenes.width, "height": scenes.height}
        self._main.write((",\n" if self.n_images > 1 else "\n") + json.dumps(entry))
        return self.n_images

    def add_annotation(self, entry: Mapping[str, Any]) -> None:
        self.n_annotations += 1
        self._annotations.write((",\n" if self.n_annotations > 1 else "\n") + json.dumps(entry))

    def __exit__(self, *exc: object) -> None:
        self._main.write('],\n"annotations": [')
        self._annotations.seek(0)
        shutil.copyfileobj(self._annotations, self._main)
        self._main.write("]}\n")
        self._main.close()
        self._annotations.close()
        self.path.with_suffix(".part").unlink()


def objects_of(scene: Scene, encode: Encode) -> Iterator[dict[str, Any]]:
    """The objects of a scene as COCO has them: `bbox` is left, top, width, height; masks are made by `encode`."""
    for i, (left, top, right, bottom, cls) in enumerate(scene.boxes.tolist()):
        found: dict[str, Any] = {
            "category_id": int(cls),
            "bbox": [round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)],
            "area": round((right - left) * (bottom - top), 2),
            "iscrowd": 0,
        }
        if scene.instances is not None and len(scene.numbers):
            mask = scene.instances == scene.numbers[i]
            found["segmentation"] = encode(mask)
            found["area"] = int(mask.sum())
        yield found


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) as COCO's run-length code."""
    from pycocotools import mask as coco

    encoded = coco.encode(mask.astype(np.uint8, order="F"))
    return {"size": list(encoded["size"]), "counts": encoded["counts"].decode("ascii")}


def polygons(mask: np.ndarray) -> list[list[float]]:
    """A mask (H, W) as one list x1, y1, x2, y2 ... for each part."""
    return [polygon.ravel().round(2).tolist() for polygon in parts(mask)]

"""`use: random-boxes`: objects in boxes at random places, so many of each class, of given sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import field_validator

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.base.sizes import Size, shape_of
from synthgen.conditions.lazy import Lazy
from synthgen.fields import Boxes, Field, InstanceMap, SegmentationMap
from synthgen.parts.plain import PlainPart

MAX_MISSES = 100
MAPS = ("instances", "segmentation")
Pair = tuple[Annotated[float, Setting(ge=0)], Annotated[float, Setting(ge=0)]]


class ObjectSettings(Settings):
    """How many objects of a class there are in an image, and how large they are."""

    count: tuple[Annotated[int, Setting(ge=0)], Annotated[int, Setting(ge=0)]] = Setting(
        description="Least and most objects of this class in an image."
    )
    side_px: Pair = Setting(description="Least and most pixels of an object's mean side.")
    aspect: float = Setting(default=1.2, ge=1, le=10, description="Most that one side exceeds the other, as a factor.")

    @field_validator("count", "side_px")
    @classmethod
    def _rising(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] > pair[1]:
            raise ValueError(f"must name the least first (got {list(pair)})")
        return pair


class RandomBoxes(PlainPart):
    """Boxes at random places; the larger ones are placed first, and none covers another by more than `overlap`."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: random-boxes`."""

        size: Size = Setting(default=96, description="Side of the images in pixels, or their `[width, height]`.")
        objects: dict[str, ObjectSettings] = Setting(min_length=1, description="What an image shows, by class.")
        shape: Literal["box", "ellipse"] | None = Setting(
            default=None,
            description="Shape of the objects in the boxes, if `instances` and `segmentation` are wanted too.",
        )
        overlap: float = Setting(default=0.1, ge=0, le=1, description="Largest intersection over union of two boxes.")
        seed: int = Setting(default=0, description="Which boxes are generated.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        objects = {name: {**one, "side_px": [8, 12]} for name, one in settings["objects"].items()}
        return {**settings, "size": 32, "objects": objects}

    def __init__(self, config: Config) -> None:
        self.config = config
        self.samples = None
        names, self.shape = tuple(config.objects), shape_of(config.size)
        maps: dict[str, Field] = {
            "instances": InstanceMap(*self.shape),
            "segmentation": SegmentationMap(*self.shape, names),
        }
        self.fields: Mapping[str, Field] = {"boxes": Boxes(*self.shape, names), **(maps if config.shape else {})}

    def condition(self, index: int) -> tuple[Mapping[str, Any], None]:
        def make() -> dict[str, Any]:
            boxes = self._boxes(index)
            return {"boxes": boxes, **(self._maps(boxes) if self.config.shape else {})}

        return Lazy({}, tuple(self.fields), make), None

    def _boxes(self, index: int) -> np.ndarray:
        """The boxes of a slot, the larger ones first."""
        random = seeds.generator(seeds.seed_of(self.config.seed, "random-boxes", index))
        wanted: list[tuple[float, float, int]] = []
        for cls, settings in enumerate(self.config.objects.values(), start=1):
            for _ in range(int(random.integers(settings.count[0], settings.count[1] + 1))):
                side = float(random.uniform(*settings.side_px))
                stretch = settings.aspect ** float(random.uniform(-0.5, 0.5))
                wanted.append((side * stretch, side / stretch, cls))
        wanted.sort(key=lambda box: -box[0] * box[1])
        boxes = np.zeros((0, 5), dtype=np.float32)
        for width, height, cls in wanted:
            for _ in range(MAX_MISSES):
                centre = random.uniform(0, self.shape[::-1], 2)
                corners = [centre[0] - width / 2, centre[1] - height / 2, centre[0] + width / 2, centre[1] + height / 2]
                box = np.array([*np.clip(corners, 0, self.shape[::-1] * 2), cls], dtype=np.float32)
                if (box[2:4] - box[:2]).min() >= 1 and (iou(box, boxes) <= self.config.overlap).all():
                    boxes = np.concatenate([boxes, box[None]])
                    break
        return boxes

    def _maps(self, boxes: np.ndarray) -> dict[str, Any]:
        """The objects in the boxes; the smaller ones, which come last, are in front."""
        instances = np.zeros(self.shape, dtype=np.uint16)
        segmentation = np.zeros(instances.shape, dtype=np.uint8)
        for number, (left, top, right, bottom, cls) in enumerate(boxes, start=1):
            inside = filled((top, left, bottom, right), instances.shape, self.config.shape or "box")
            instances[inside], segmentation[inside] = number, int(cls)
        return {"instances": instances, "segmentation": segmentation}


def filled(box: tuple[float, float, float, float], shape: tuple[int, ...], form: str) -> np.ndarray:
    """bool (H, W): pixels whose centres lie in a box (top, left, bottom, right), or in the ellipse that it holds."""
    top, left, bottom, right = box
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    dy, dx = abs(2 * y - top - bottom) / (bottom - top), abs(2 * x - left - right) / (right - left)
    found: np.ndarray = (dy**2 + dx**2 <= 1) if form == "ellipse" else ((dy <= 1) & (dx <= 1))
    return found


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of (N, 4 or more): left, top, right, bottom."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:4], boxes[:, 2:4])
    shared = (high - low).clip(0).prod(1)
    areas = (boxes[:, 2:4] - boxes[:, :2]).prod(1) + (box[2:4] - box[:2]).prod()
    ratio: np.ndarray = shared / (areas - shared)
    return ratio

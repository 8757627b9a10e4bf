"""What labelers with box and point prompts share: where prompts come from, and which masks are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Field, Image, InstanceMap, Numbers, Schema, SegmentationMap
from synthgen.parts.problem import Problem


class PromptSettings(Settings):
    """Settings of labelers that are prompted."""

    prompts: Literal["boxes", "points", "auto"] = Setting(
        default="boxes",
        description="Boxes of known objects, the point farthest from the edge of each, or a grid of points.",
    )
    of: str = Setting(
        default="instances", description="The instance map or boxes that prompts are taken from; not for `auto`."
    )
    points_per_side: int = Setting(default=16, ge=1, le=128, description="Grid of `auto`.")
    min_predicted_iou: float = Setting(default=0.0, ge=0, le=1, description="Masks below it are dropped.")
    min_stability: float = Setting(default=0.0, ge=0, le=1, description="Masks below it are dropped.")
    nms_iou: float = Setting(
        default=0.7, gt=0, le=1, description="Of two masks whose boxes overlap more, the better one stays."
    )
    max_share: float = Setting(
        default=1.0, gt=0, le=1, description="Masks that cover more of the image are dropped: they are background."
    )
    min_area_px: int = Setting(default=8, ge=1, description="Smaller masks are dropped.")
    stretch: bool = Setting(default=False, description="Show it each image with its contrast stretched.")
    field: FieldName = Setting(default="sam", description="Start of the names of the new fields.")


def new_fields(config: PromptSettings, columns: Schema) -> tuple[Mapping[str, Field], list[Problem]]:
    """The fields that a prompted labeler adds to `columns`, and the problems found.

    Prompts that are boxes with classes give a map of classes as well.
    """
    image, source = columns.get("image"), columns.get(config.of)
    if not isinstance(image, Image):
        return {}, [Problem("needs an `image` field", ("image",))]
    if config.prompts != "auto" and not isinstance(source, InstanceMap | Boxes):
        message = f"takes its prompts from `{config.of}`, which is no instance map and no boxes here"
        return {}, [Problem(message, (config.of, "of"))]
    if config.prompts == "points" and isinstance(source, Boxes):
        return {}, [
            Problem("takes points from instance maps; from boxes, use `prompts: boxes`", (config.of, "prompts"))
        ]
    fields: dict[str, Field] = {
        f"{config.field}_instances": InstanceMap(image.height, image.width),
        f"{config.field}_predicted_iou": Numbers(),
        f"{config.field}_stability": Numbers(),
    }
    if config.prompts == "boxes" and isinstance(source, Boxes):
        fields[f"{config.field}_segmentation"] = SegmentationMap(image.height, image.width, source.classes)
    return fields, []


def shown(config: PromptSettings, columns: Columns) -> list[np.ndarray]:
    """The images as the model sees them, uint8 (H, W, 3)."""
    from synthgen.models.segment_anything.network import stretched

    images = [stretched(image) if config.stretch else image for image in columns["image"]]
    return [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]


def prompts_of(source: np.ndarray, kind: str) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Boxes (N, 4) and None, or None and points (N, 2), of an instance map (H, W) or of boxes (N, 5)."""
    from synthgen.vision.layouts import boxes_of, central_point

    if source.dtype == np.float32:
        return source[:, :4], None
    boxes, ids = boxes_of(source)
    if kind == "boxes":
        return boxes, None
    return None, np.array([central_point(source == number) for number in ids]).reshape(-1, 2)


def grid(n: int, height: int, width: int) -> np.ndarray:
    """n x n points (n * n, 2), x and y in pixels, evenly spread over an image."""
    steps = (np.arange(n) + 0.5) / n
    return np.stack(np.meshgrid(steps * width, steps * height), axis=-1).reshape(-1, 2)


def kept(
    config: PromptSettings, masks: np.ndarray, ious: np.ndarray, stabilities: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The instance map of the masks (N, H, W) that pass, with predicted IoU, stability and row (mask) of each number.

    Masks are numbered by descending predicted IoU; where two overlap, the better one has the pixels.
    """
    from synthgen.models.segment_anything.network import non_maximum

    areas = masks.sum((1, 2))
    passed = (ious >= config.min_predicted_iou) & (stabilities >= config.min_stability)
    passed &= (areas >= config.min_area_px) & (areas <= config.max_share * masks.shape[1] * masks.shape[2])
    rows = np.flatnonzero(passed)
    rows = rows[non_maximum(masks[rows], ious[rows], config.nms_iou)]
    instances = np.zeros(masks.shape[1:], dtype=np.uint16)
    numbers: list[int] = []
    for row in rows:
        free = masks[row] & (instances == 0)
        if free.sum() >= config.min_area_px:
            numbers.append(row)
            instances[free] = len(numbers)
    rows = np.array(numbers, dtype=np.int64)
    return instances, ious[rows].astype(np.float64), stabilities[rows].astype(np.float64), rows


def as_columns(
    config: PromptSettings, fields: Schema, found: list[tuple[Any, Any, Any, Any]], columns: Columns
) -> Columns:
    """The new columns, those of `fields`, from what `kept` returned for each image of `columns`."""
    names = ("instances", "predicted_iou", "stability")
    added = {f"{config.field}_{name}": [row[i] for row in found] for i, name in enumerate(names)}
    if f"{config.field}_segmentation" in fields:
        added[f"{config.field}_segmentation"] = [
            classes_of(instances, rows, boxes)
            for (instances, _, _, rows), boxes in zip(found, columns[config.of], strict=True)
        ]
    return added


def classes_of(instances: np.ndarray, rows: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The class map uint8 (H, W) of an instance map whose object number n came from the box `rows[n - 1]`, (N, 5)."""
    table = np.concatenate([[0], boxes[rows, 4]]).astype(np.uint8)
    found: np.ndarray = table[instances]
    return found

"""`use: segment-anything`: masks by Segment Anything, prompted by boxes or points of known objects, or by a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from synthgen.fields import Boxes, Columns, Field, Image, InstanceMap, Numbers, Schema
from synthgen.models import folders
from synthgen.protocols import Source


class SegmentAnything:
    """Writes an instance map, and the predicted IoU and the stability of each of its objects, by number.

    Prompted masks are numbered by descending predicted IoU; where two overlap, the better one has
    the pixels. Each image is encoded once, all images of a batch together.
    """

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: segment-anything`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        model: str = Setting(
            description="starter/sam-nuclei, or the folder that `synthgen models convert` made of an official "
            "checkpoint."
        )
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
            default=1.0, gt=0, le=1, description="Masks that cover more of the picture are dropped: they are ground."
        )
        min_area_px: int = Setting(default=8, ge=1, description="Smaller masks are dropped.")
        stretch: bool = Setting(default=False, description="Show it each picture with its contrast stretched.")
        field: str = Setting(
            default="sam", pattern=r"^[a-z][a-z0-9_]*$", description="Start of the names of the new fields."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        folders.check_class(self.folder, config.model, "SegmentAnything", "segment-anything")
        self.fields: Mapping[str, Field] = {}
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def bind(self, columns: Schema) -> list[str]:
        image, source = columns.get("image"), columns.get(self.config.of)
        if not isinstance(image, Image):
            return ["needs an `image` field"]
        if self.config.prompts != "auto" and not isinstance(source, InstanceMap | Boxes):
            return [f"takes its prompts from `{self.config.of}`, which is no instance map and no boxes here"]
        if self.config.prompts == "points" and isinstance(source, Boxes):
            return ["takes points from instance maps; from boxes, use `prompts: boxes`"]
        name = self.config.field
        self.fields = {
            f"{name}_instances": InstanceMap(image.height, image.width),
            f"{name}_predicted_iou": Numbers(),
            f"{name}_stability": Numbers(),
        }
        return []

    def setup(self, device: str) -> None:
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        from synthgen.models.segment_anything import stretched

        images = [stretched(image) if self.config.stretch else image for image in columns["image"]]
        images = [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]
        maps, ious, stabilities = [], [], []
        for found in self._found(columns, images):
            instances, iou, stability = self._kept(*found)
            maps.append(instances)
            ious.append(iou)
            stabilities.append(stability)
        name = self.config.field
        return {f"{name}_instances": maps, f"{name}_predicted_iou": ious, f"{name}_stability": stabilities}

    def _found(self, columns: Columns, images: Sequence[np.ndarray]) -> Iterator[Any]:
        """Masks, predicted IoUs and stabilities, image by image."""
        from synthgen.models.segment_anything import automatic

        config = self.config
        if config.prompts == "auto":
            limits = (config.points_per_side, config.min_predicted_iou, config.min_stability, config.nms_iou)
            yield from (automatic(self._network, image, *limits) for image in images)
        else:
            for i, predictor in enumerate(self._network.predictors(images)):
                yield self._network.masks(predictor, *self._prompts(columns, i))

    def _prompts(self, columns: Columns, i: int) -> tuple[Any, Any]:
        """Boxes (N, 4) and None, or None and points (N, 2)."""
        from synthgen.models.layouts import boxes_of, central_point

        source = columns[self.config.of][i]
        if source.ndim == 2 and source.dtype == np.float32:
            return source[:, :4], None
        boxes, ids = boxes_of(source)
        if self.config.prompts == "boxes":
            return boxes, None
        return None, np.array([central_point(source == number) for number in ids]).reshape(-1, 2)

    def _kept(
        self, masks: np.ndarray, ious: np.ndarray, stabilities: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The instance map of the masks that pass, with their numbers' predicted IoU and stability."""
        from synthgen.models.segment_anything import non_maximum

        config = self.config
        areas = masks.sum((1, 2))
        passed = (ious >= config.min_predicted_iou) & (stabilities >= config.min_stability)
        passed &= (areas >= config.min_area_px) & (areas <= config.max_share * masks[0].size if len(masks) else True)
        rows = np.flatnonzero(passed)
        rows = rows[non_maximum(masks[rows], ious[rows], config.nms_iou)]
        instances = np.zeros(masks.shape[1:], dtype=np.uint16)
        numbers: list[int] = []
        for row in rows:
            free = masks[row] & (instances == 0)
            if free.sum() >= config.min_area_px:
                numbers.append(row)
                instances[free] = len(numbers)
        return instances, ious[numbers].astype(np.float64), stabilities[numbers].astype(np.float64)

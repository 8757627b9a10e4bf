"""What labelers that find named objects share: their settings, their fields, and which boxes are kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName
from synthgen.fields import Boxes, Columns, Image, Numbers, Schema
from synthgen.models import hub
from synthgen.models.hub import ModelSettings
from synthgen.models.images.detections import best_boxes
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem


class DetectSettings(ModelSettings):
    """Settings of labelers that are asked for objects by text."""

    objects: dict[str, str] = Setting(
        min_length=1, max_length=254, description="What to look for: class names with the text that names them."
    )
    min_score: float = Setting(default=0.3, ge=0, le=1, description="Boxes below it are dropped.")
    nms_iou: float = Setting(
        default=0.7,
        gt=0,
        le=1,
        description="Of two boxes that overlap more, the better one stays, whatever their classes.",
    )
    max_boxes: int = Setting(default=100, ge=1, le=10_000, description="The best so many of each image are kept.")
    field: FieldName = Setting(default="found", description="Start of the names of the new fields.")


class ObjectFinder(HubPart):
    """A labeler that is asked for objects by text: adds `<field>_boxes`, best first, and their `<field>_score`."""

    config: DetectSettings

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        boxes = Boxes(image.height, image.width, tuple(self.config.objects))
        self.fields = {f"{self.config.field}_boxes": boxes, f"{self.config.field}_score": Numbers()}
        return []

    def setup(self, device: str) -> None:
        """Raises ModelError if the detector is of another type, or cannot be loaded."""
        model_class = "AutoModelForZeroShotObjectDetection"
        self._model, self._processor = hub.load(self.reference, model_class, "AutoProcessor", device=device)
        hub.check_type(self.reference, self._model, *self.types)


def kept(
    config: DetectSettings, found: Sequence[tuple[np.ndarray, np.ndarray]], shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The boxes (N, 5) of one image that pass the settings, and their scores, as `best_boxes` has them."""
    return best_boxes(found, shape, min_score=config.min_score, nms_iou=config.nms_iou, max_boxes=config.max_boxes)


def as_columns(config: DetectSettings, found: Sequence[tuple[np.ndarray, np.ndarray]]) -> Columns:
    """The new columns from what `kept` returned for each image."""
    return {
        f"{config.field}_boxes": [boxes for boxes, _ in found],
        f"{config.field}_score": [scores for _, scores in found],
    }

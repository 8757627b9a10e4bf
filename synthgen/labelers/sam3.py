"""`use: sam3`: all objects that a text names, by Segment Anything 3 through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.fields import Columns, Image, InstanceMap, Numbers, Schema, SegmentationMap
from synthgen.models import hub
from synthgen.models.finite import finite
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem


class Sam3(HubPart):
    """Writes an instance map, the class of every pixel, and the score of each object, by number.

    Every object class is asked for by its own text; scores are absolute (a sigmoid each), so that
    neither other texts nor other images change them. Where two masks overlap, the better one has the pixels.
    """

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("sam3",)

    class Config(ModelSettings):
        """Settings of `use: sam3`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "facebook/sam3 (its licence must be accepted there)."
        )
        objects: dict[str, str] = Setting(
            min_length=1, max_length=254, description="What to look for: class names with the text that names them."
        )
        min_score: float = Setting(default=0.3, ge=0, le=1, description="Masks below it are dropped.")
        nms_iou: float = Setting(
            default=0.7, gt=0, le=1, description="Of two masks whose boxes overlap more, the better one stays."
        )
        min_area_px: int = Setting(default=8, ge=1, description="Smaller masks are dropped.")
        stretch: bool = Setting(default=False, description="Show it each image with its contrast stretched.")
        field: FieldName = Setting(default="sam3", description="Start of the names of the new fields.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("sam3")}

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        name = self.config.field
        self.fields = {
            f"{name}_instances": InstanceMap(image.height, image.width),
            f"{name}_segmentation": SegmentationMap(image.height, image.width, tuple(self.config.objects)),
            f"{name}_score": Numbers(),
        }
        return []

    def setup(self, device: str) -> None:
        self._model, self._processor = hub.load(self.reference, "Sam3Model", "Sam3Processor", device=device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.segment_anything.network import stretched

        images = [stretched(image) if self.config.stretch else image for image in columns["image"]]
        images = [np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image for image in images]
        shapes = [image.shape[:2] for image in images]
        with torch.inference_mode():
            pictures = self._processor(images=images, return_tensors="pt").to(self._model.device)
            vision = self._model.get_vision_features(pixel_values=pictures["pixel_values"])
            by_class = [self._found(vision, text, shapes) for text in self.config.objects.values()]
        added = [self._merged([found[i] for found in by_class], shape) for i, shape in enumerate(shapes)]
        names = ("instances", "segmentation", "score")
        return {f"{self.config.field}_{name}": [row[k] for row in added] for k, name in enumerate(names)}

    def _found(self, vision: Any, text: str, shapes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """Masks and scores of one text in every image."""
        tokens = self._processor(text=[text] * len(shapes), return_tensors="pt").to(self._model.device)
        out = self._model(vision_embeds=vision, input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        for name in ("pred_logits", "pred_boxes", "pred_masks"):
            finite(out[name], f"{name} of Segment Anything 3")
        results: list[dict[str, Any]] = self._processor.post_process_instance_segmentation(
            out, threshold=self.config.min_score, target_sizes=[list(shape) for shape in shapes]
        )
        return results

    def _merged(self, found: Sequence[dict[str, Any]], shape: tuple[int, int]) -> tuple[Any, Any, Any]:
        """Instance map, class map and scores of one image, from the results of every class."""
        from synthgen.models.segment_anything.network import non_maximum

        masks = np.concatenate(
            [
                np.zeros((0, *shape), dtype=bool),
                *(f["masks"].cpu().numpy().astype(bool) for f in found if len(f["scores"])),
            ]
        )
        scores = np.concatenate([np.zeros(0), *(f["scores"].float().cpu().numpy() for f in found)])
        classes = np.repeat(np.arange(1, len(found) + 1), [len(f["scores"]) for f in found])
        instances, segmentation = np.zeros(shape, dtype=np.uint16), np.zeros(shape, dtype=np.uint8)
        large = np.flatnonzero(masks.sum((1, 2)) >= self.config.min_area_px)
        kept: list[float] = []
        for row in large[non_maximum(masks[large], scores[large], self.config.nms_iou)]:
            free = masks[row] & (instances == 0)
            if free.sum() >= self.config.min_area_px:
                kept.append(float(scores[row]))
                instances[free], segmentation[free] = len(kept), classes[row]
        return instances, segmentation, np.array(kept, dtype=np.float64)

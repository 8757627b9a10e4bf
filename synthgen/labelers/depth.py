"""`use: depth`: how near each pixel is, by Depth Anything or DPT through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.fields import Columns, DepthMap, Image, Schema
from synthgen.models import hub
from synthgen.models.finite import finite
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem


class Depth(HubPart):
    """Writes a depth map: 65535 is the nearest pixel of the image, 0 the farthest, on the model's own scale.

    That scale is inverse depth, up to a factor and an offset that differ from image to image. Models that tell
    metres are turned round, so that near is high for them as well. An image without any depth has 0 everywhere.

    Source: Ranftl et al. 2022, "Towards Robust Monocular Depth Estimation", section 5 (what the values mean).
    """

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("depth_anything", "dpt")

    class Config(ModelSettings):
        """Settings of `use: depth`."""

        model: str = Setting(
            description="A Depth Anything or DPT in the format of transformers, or owner/name@commit of the hub, such "
            "as a commit of depth-anything/Depth-Anything-V2-Small-hf."
        )
        field: FieldName = Setting(default="depth", description="Name of the new field.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("depth_anything")}

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        self.fields = {self.config.field: DepthMap(image.height, image.width)}
        return []

    def setup(self, device: str) -> None:
        self._model, self._processor = hub.load(
            self.reference, "AutoModelForDepthEstimation", "AutoImageProcessor", device=device
        )
        hub.check_type(self.reference, self._model, "depth_anything", "dpt")

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.embeddings import coloured

        images = coloured(columns["image"])
        with torch.inference_mode():
            inputs = self._processor(images=images, return_tensors="pt").to(self._model.device)
            found = self._processor.post_process_depth_estimation(
                self._model(**inputs), target_sizes=[image.shape[:2] for image in images]
            )
        metres = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        maps = [entry["predicted_depth"].double().cpu().numpy() for entry in found]
        return {self.config.field: [stretched(-depth if metres else depth) for depth in maps]}


def stretched(nearness: np.ndarray) -> np.ndarray:
    """Values (H, W) over the whole range of uint16, the lowest at 0.

    Raises:
        NonFiniteError: one is no number.
    """
    finite(nearness, "depths")
    low, high = nearness.min(), nearness.max()
    scaled = (nearness - low) / (high - low) if high > low else np.zeros_like(nearness)
    return np.round(scaled * 65535).astype(np.uint16)

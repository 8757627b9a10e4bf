"""`use: sam2`: masks by Segment Anything 2 through transformers, with the prompts of `segment-anything`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.fields import Columns, Field, Schema
from synthgen.labelers import prompted
from synthgen.labelers.prompted import PromptSettings
from synthgen.models import hub
from synthgen.models.finite import finite
from synthgen.models.hub import ModelSettings
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source

PROMPTS_AT_ONCE = 64


class Sam2:
    """Writes what `segment-anything` writes. Each image is encoded once, all images of a batch together."""

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("sam2",)
    name: ClassVar[str] = "Sam2"

    class Config(PromptSettings, ModelSettings):
        """Settings of `use: sam2`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "facebook/sam2.1-hiera-tiny."
        )

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("sam2")}

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reference = hub.reference(config, *self.types)
        self.fields: Mapping[str, Field] = {}
        self._model: Any = None
        self._processor: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model", "licence"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def bind(self, columns: Schema) -> list[Problem]:
        self.fields, problems = prompted.new_fields(self.config, columns)
        return problems

    def setup(self, device: str) -> None:
        self._model, self._processor = hub.load(
            self.reference, f"{self.name}Model", f"{self.name}Processor", device=device
        )

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        config = self.config
        images = prompted.shown(config, columns)
        with torch.inference_mode():
            inputs = self._processor(images=images, return_tensors="pt").to(self._model.device)
            embeddings = self._model.get_image_embeddings(inputs["pixel_values"])
            found = []
            for i, image in enumerate(images):
                boxes, points = self._prompts(columns, i, image)
                own = [features[i : i + 1] for features in embeddings]
                found.append(prompted.kept(config, *self._masks(own, image.shape[:2], boxes, points)))
        return prompted.as_columns(config, self.fields, found, columns)

    def _prompts(self, columns: Columns, i: int, image: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        if self.config.prompts == "auto":
            return None, prompted.grid(self.config.points_per_side, image.shape[0], image.shape[1])
        return prompted.prompts_of(columns[self.config.of][i], self.config.prompts)

    def _masks(
        self, embeddings: Any, shape: tuple[int, int], boxes: np.ndarray | None, points: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One mask a prompt: bool (N, H, W), predicted IoU (N,), stability (N,)."""
        import torch
        from torch.nn import functional as F

        given = boxes if boxes is not None else points
        assert given is not None
        parts = [(np.zeros((0, *shape), dtype=bool), np.zeros(0), np.zeros(0))]
        for start in range(0, len(given), PROMPTS_AT_ONCE):
            some = given[start : start + PROMPTS_AT_ONCE].astype(float)
            if boxes is not None:
                asked = {"input_boxes": [some.tolist()]}
            else:
                asked = {"input_points": [some[:, None].tolist()], "input_labels": [[[1]] * len(some)]}
            inputs = self._processor(original_sizes=[list(shape)], return_tensors="pt", **asked)
            inputs = {name: value.to(self._model.device) for name, value in inputs.items() if name in asked}
            out = self._model(image_embeddings=embeddings, multimask_output=boxes is None, **inputs)
            finite(out.pred_masks, "mask logits")
            best = finite(out.iou_scores[0], "predicted IoUs").argmax(1)
            rows = torch.arange(len(some), device=best.device)
            logits = F.interpolate(
                out.pred_masks[0][rows, best][:, None].float(), shape, mode="bilinear", align_corners=False
            )[:, 0]
            inner, outer = (logits > 1).sum((1, 2)), (logits > -1).sum((1, 2)).clamp_min(1)
            ious = out.iou_scores[0][rows, best].float()
            parts.append(((logits > 0).cpu().numpy(), ious.cpu().numpy(), (inner / outer).cpu().numpy()))
        masks, qualities, stabilities = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return masks, qualities, stabilities

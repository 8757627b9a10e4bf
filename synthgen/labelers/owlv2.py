"""`use: owlv2`: boxes of the objects that texts name, by OWLv2 through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.fields import Columns
from synthgen.labelers import detected
from synthgen.labelers.detected import DetectSettings, ObjectFinder


class Owlv2(ObjectFinder):
    """Writes boxes with classes, and the score of each box, best first.

    Scores are absolute (a sigmoid a box and text), so that neither other texts nor other images change them. Each
    image is encoded once, all images of a batch together; each text once.
    """

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = ("owlv2",)

    class Config(DetectSettings):
        """Settings of `use: owlv2`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "google/owlv2-base-patch16-ensemble."
        )
        min_score: float = Setting(default=0.2, ge=0, le=1, description="Boxes below it are dropped.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("owlv2")}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._texts: list[Any] = []

    def setup(self, device: str) -> None:
        import torch

        super().setup(device)
        with torch.inference_mode():
            self._texts = [self._text(text) for text in self.config.objects.values()]

    def _text(self, text: str) -> Any:
        """The embedding of one text, (1, 1, D)."""
        from synthgen.models.embeddings import check_length

        limit = int(self._model.config.text_config.max_position_embeddings)
        check_length(self._processor.tokenizer, text, limit)
        tokens = self._processor(text=[[text]], padding="max_length", max_length=limit, return_tensors="pt")
        found: Any = self._model.owlv2.get_text_features(**tokens.to(self._model.device)).pooler_output[None]
        return found

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch
        from transformers.image_transforms import center_to_corners_format

        from synthgen.models.embeddings import coloured

        images = coloured(columns["image"])
        with torch.inference_mode():
            pictures = self._processor(images=images, return_tensors="pt").to(self._model.device)
            features, _ = self._model.image_embedder(pixel_values=pictures["pixel_values"])
            patches = features.flatten(1, 2)
            corners: Any = center_to_corners_format(self._model.box_predictor(patches, features))
            boxes = corners.float().cpu().numpy()
            scores = [self._scores(patches, text) for text in self._texts]
        shapes = [image.shape[:2] for image in images]  # boxes are shares of the square that an image is padded to
        return detected.as_columns(
            self.config,
            [
                detected.kept(self.config, [(boxes[i] * max(shape), of_class[i]) for of_class in scores], shape)
                for i, shape in enumerate(shapes)
            ],
        )

    def _scores(self, patches: Any, text: Any) -> np.ndarray:
        """How surely each patch shows what a text names, (N, P), 0 to 1."""
        logits, _ = self._model.class_predictor(patches, text.expand(len(patches), -1, -1))
        found: np.ndarray = logits[..., 0].float().sigmoid().cpu().numpy()
        return found

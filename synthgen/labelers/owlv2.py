"""`use: owlv2`: boxes of the objects that texts name, by OWLv2 through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.fields import Columns, Field, Schema
from synthgen.labelers import detected
from synthgen.labelers.detected import DetectSettings
from synthgen.models import hub
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Owlv2:
    """Writes boxes with classes, and the score of each box, best first.

    Scores are absolute (a sigmoid a box and text), so that neither other texts nor other pictures change them. Each
    picture is encoded once, all pictures of a batch together; each text once.
    """

    version: ClassVar[int] = 1

    class Config(DetectSettings):
        """Settings of `use: owlv2`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "google/owlv2-base-patch16-ensemble."
        )
        min_score: float = Setting(default=0.2, ge=0, le=1, description="Boxes below it are dropped.")

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("owlv2")}

    def __init__(self, config: Config) -> None:
        self.config = config
        self.reference = hub.reference(config, "owlv2")
        self.fields: Mapping[str, Field] = {}
        self._model: Any = None
        self._processor: Any = None
        self._texts: list[Any] = []

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model", "licence"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [self.reference.source]

    def bind(self, columns: Schema) -> list[Problem]:
        self.fields, problems = detected.new_fields(self.config, columns)
        return problems

    def setup(self, device: str) -> None:
        import torch

        self._model, self._processor = detected.load(self.reference, "owlv2", device)
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
        shapes = [image.shape[:2] for image in images]  # boxes are shares of the square that a picture is padded to
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

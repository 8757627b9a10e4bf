"""`use: grounding-dino`: boxes of the objects that texts name, by Grounding DINO through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.fields import Columns
from synthgen.labelers import detected
from synthgen.labelers.detected import DetectSettings, ObjectFinder


class GroundingDino(ObjectFinder):
    """Writes boxes with classes, and the score of each box, best first.

    The network looks at an image with the whole prompt in mind, and so the phrases of one prompt change each other's
    scores. Therefore it is asked for each class by itself: a score (the sigmoid of the word that fits best) depends on
    the image and its own text, and the time grows with the number of classes.
    """

    version: ClassVar[int] = 2
    types: ClassVar[tuple[str, ...]] = ("grounding-dino",)

    class Config(DetectSettings):
        """Settings of `use: grounding-dino`."""

        model: str = Setting(
            description="A folder in the format of transformers, or owner/name@commit of the hub, such as a commit of "
            "IDEA-Research/grounding-dino-tiny."
        )

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("grounding-dino")}

    def setup(self, device: str) -> None:
        from synthgen.models.embeddings import check_length

        super().setup(device)
        for text in self.config.objects.values():
            check_length(self._processor.tokenizer, prompt(text), int(self._model.config.max_text_len))

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.embeddings import coloured

        found = []
        with torch.inference_mode():
            for image in coloured(columns["image"]):
                # alone: in a batch, an image's place in it changes its last bits (seen on a CPU)
                picture = self._processor.image_processor(images=[image], return_tensors="pt").to(self._model.device)
                of_class = [self._found(picture, text, image.shape[:2]) for text in self.config.objects.values()]
                found.append(detected.kept(self.config, of_class, image.shape[:2]))
        return detected.as_columns(self.config, found)

    def _found(self, picture: Any, text: str, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (Q, 4) in pixels and scores (Q,) of one text in one image."""
        from transformers.image_transforms import center_to_corners_format

        tokens = self._processor.tokenizer([prompt(text)], return_tensors="pt").to(self._model.device)
        out = self._model(**picture, **tokens)
        corners: Any = center_to_corners_format(out.pred_boxes)
        height, width = shape
        boxes = corners[0].float().cpu().numpy() * np.array([width, height, width, height])
        return boxes, out.logits[0].float().sigmoid().amax(-1).cpu().numpy()


def prompt(text: str) -> str:
    """A text as the model was trained to read it: small letters, and a full stop at the end of a phrase."""
    return f"{text.strip().lower().rstrip('.')}."

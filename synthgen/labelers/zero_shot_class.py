"""`use: zero-shot-class`: which of some named classes an image shows, by CLIP or SigLIP through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.fields import Columns, Field, Image, Label, Number, Schema
from synthgen.models import embeddings
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem


class ZeroShotClass(HubPart):
    """Writes the class whose text fits best, and how surely it does.

    The probability of CLIP is a softmax over the classes named here, with the model's own temperature; that of SigLIP
    is a sigmoid, which the other classes do not change. Neither depends on other images.
    """

    version: ClassVar[int] = 1
    types: ClassVar[tuple[str, ...]] = embeddings.TEXT_TYPES

    class Config(ModelSettings):
        """Settings of `use: zero-shot-class`."""

        model: str = Setting(
            description="A CLIP or SigLIP in the format of transformers, or owner/name@commit of the hub, such as a "
            "commit of google/siglip2-base-patch16-224."
        )
        classes: dict[str, str] = Setting(
            min_length=2,
            description="Class names, in id order, with the text of each, such as `cat: a photo of a cat`.",
        )
        field: FieldName = Setting(default="seen", description="Name of the label, and start of the other name.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make(embeddings.small_kind(str(settings.get("model"))))}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        classes = Label(tuple(config.classes))
        self.fields: Mapping[str, Field] = {config.field: classes, f"{config.field}_probability": Number()}
        self._embedder: Any = None
        self._texts: np.ndarray = np.zeros((0, 0))

    def bind(self, columns: Schema) -> list[Problem]:
        return [] if isinstance(columns.get("image"), Image) else [Problem("needs an `image` field", ("image",))]

    def setup(self, device: str) -> None:
        self._embedder = embeddings.Embedder(self.reference, device)
        self._texts = np.stack([self._embedder.text(text) for text in self.config.classes.values()])

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities = self._embedder.probabilities(self._embedder.pictures(columns["image"]), self._texts)
        return {
            self.config.field: [int(cls) for cls in probabilities.argmax(1)],
            f"{self.config.field}_probability": [float(p) for p in probabilities.max(1)],
        }

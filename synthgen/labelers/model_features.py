"""`use: model-features`: the class of an image by what a diffusion model sees in it, with how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Field, Image, Label, Number, Probabilities, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem


class ModelFeatures(FolderPart):
    """Writes the likeliest class of `image`, and its probability, 0 to 1.

    The model is a head on activations of a frozen diffusion model, which few labelled images are enough for: see
    `trainer.use: feature-classifier`. It labels real images as well as generated ones.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "FeatureClassifier"
    trainer: ClassVar[str] = "feature-classifier"

    class Config(Settings):
        """Settings of `use: model-features`."""

        model: str = Setting(description="The folder of a trained head with its diffusion model.")
        field: FieldName = Setting(default="label", description="Name of the class.")
        confidence: FieldName = Setting(default="confidence", description="Name of its probability.")
        soft: FieldName | None = Setting(
            default=None,
            exclude_if=lambda value: value is None,
            description="Name of the probabilities of all classes, such as soft_label; by default they are left out.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._classes = tuple(folders.names_in_order(self.index))
        fields: dict[str, Field] = {config.field: Label(self._classes), config.confidence: Number("1")}
        if config.soft:
            fields[config.soft] = Probabilities(self._classes)
        self.fields = fields
        self._classifier: Any = None

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        height, width, channels = folders.image_shape(self.folder, self.index)
        if (image.height, image.width, image.channels) != (height, width, channels):
            return [
                Problem(
                    f"model {self.config.model} sees images of {width} x {height} with {channels} channels; `image` is "
                    f"{image.width} x {image.height} with {image.channels}",
                    ("image",),
                )
            ]
        return []

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._classifier = registry.load_pipeline(self.folder, device, torch.float32)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities = self._classifier.predict_proba(np.stack(columns["image"]))
        best = probabilities.argmax(1)
        found: dict[str, Sequence[Any]] = {
            self.config.field: [int(i) for i in best],
            self.config.confidence: [float(p) for p in probabilities[np.arange(len(best)), best]],
        }
        if self.config.soft:
            found[self.config.soft] = list(probabilities.astype(np.float32))
        return found

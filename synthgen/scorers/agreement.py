"""`use: agreement`: how sure a classifier trained on real images is that a sample shows its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Image, Label, Number, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown

FEATURES = "FeatureClassifier"


class Agreement(FolderPart):
    """Adds `agreement`: the probability, 0 to 1, that the classifier gives to the intended class.

    The classifier sees pixels (`trainer.use: classifier`), or what a diffusion model makes of them, which few labelled
    images are enough for (`trainer.use: feature-classifier`).

    The softmax runs over the classifier's own classes, never over a batch.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[tuple[str, ...]] = ("ImageClassifier", FEATURES)
    trainer: ClassVar[str] = "classifier"

    class Config(Settings):
        """Settings of `use: agreement`."""

        model: str = Field(description="A classifier: a starter such as starter/fashion-mnist-filter, or a folder.")
        field: FieldName = Field(default="agreement", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.names = folders.names_in_order(self.index)
        self.shape = folders.image_shape(self.folder, self.index)
        self.fields: Mapping[str, Number] = {config.field: Number()}
        self._ids: np.ndarray = np.empty(0, dtype=np.int64)

    def bind(self, columns: Schema) -> list[Problem]:
        label, image = columns.get("condition.label"), columns.get("image")
        if not isinstance(label, Label) or not isinstance(image, Image):
            return [Problem("needs an `image` field and a condition with classes", ("image", "condition.label"))]
        problems = [
            Problem(f"model {self.config.model}: {unknown(name, self.names, 'class')}", ("condition.label",))
            for name in label.classes
            if name not in self.names
        ]
        got = (image.height, image.width, image.channels)
        if got != self.shape:
            message = f"model {self.config.model} sees images of shape {self.shape}, the sampler generates {got}"
            problems.append(Problem(message, ("image",)))
        self._ids = np.array([self.names.index(name) for name in label.classes if name in self.names])
        return problems

    def setup(self, device: str) -> None:
        if self.index.get("_class_name") != FEATURES:
            return super().setup(device)
        import torch

        from synthgen.models import registry

        self._network = registry.load_pipeline(self.folder, device, torch.float32)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities = self._network.predict_proba(np.stack(columns["image"]))
        intended = self._ids[np.asarray(columns["condition.label"], dtype=np.int64)]
        return {self.config.field: [float(p) for p in probabilities[np.arange(len(intended)), intended]]}

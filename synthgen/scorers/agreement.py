"""`use: agreement`: how sure a classifier trained on real images is that a sample shows its class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.fields import Columns, Image, Label, Number, Schema
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.parts.registry import unknown


class Agreement:
    """Adds `agreement`: the probability, 0 to 1, that the classifier gives to the intended class.

    The softmax runs over the classifier's own classes, never over a batch.
    """

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: agreement`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        model: str = Field(description="A classifier: a starter such as starter/fashion-mnist-critic, or a folder.")
        field: str = Field(default="agreement", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the score.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        index = folders.check_class(self.folder, config.model, "ImageClassifier", "classifier")
        self.names = folders.names_in_order(index)
        self.resolution, self.channels = int(index["resolution"]), int(index["channels"])
        self.fields: Mapping[str, Number] = {config.field: Number()}
        self._ids: np.ndarray = np.empty(0, dtype=np.int64)
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return {"field": self.config.field, "model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def bind(self, columns: Schema) -> list[Problem]:
        label, image = columns.get("condition.label"), columns.get("image")
        if not isinstance(label, Label) or not isinstance(image, Image):
            return [Problem("needs an `image` field and a condition with classes", ("image", "condition.label"))]
        problems = [
            Problem(f"model {self.config.model}: {unknown(name, self.names, 'class')}", ("condition.label",))
            for name in label.classes
            if name not in self.names
        ]
        want = (self.resolution, self.resolution, self.channels)
        if (image.height, image.width, image.channels) != want:
            got = (image.height, image.width, image.channels)
            message = f"model {self.config.model} sees images of shape {want}, the sampler draws {got}"
            problems.append(Problem(message, ("image",)))
        self._ids = np.array([self.names.index(name) for name in label.classes if name in self.names])
        return problems

    def setup(self, device: str) -> None:
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities = self._network.predict_proba(np.stack(columns["image"]))
        intended = self._ids[np.asarray(columns["condition.label"], dtype=np.int64)]
        return {self.config.field: [float(p) for p in probabilities[np.arange(len(intended)), intended]]}

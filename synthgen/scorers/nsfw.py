"""`use: nsfw`: how surely an image is not safe for work, by an image classifier through transformers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.settings import FieldName
from synthgen.errors import ModelError
from synthgen.fields import Columns, Image, Number, Schema
from synthgen.models import hub
from synthgen.models.hub import ModelSettings
from synthgen.models.parts import HubPart
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Nsfw(HubPart):
    """Adds the summed probability, 0 to 1, of the classifier's unsafe classes.

    The softmax runs over the classifier's own classes, never over a batch. Any classifier does: name the classes that
    must not be in the dataset.
    """

    version: ClassVar[int] = 1

    class Config(ModelSettings):
        """Settings of `use: nsfw`."""

        model: str = Setting(
            description="An image classifier in the format of transformers, or owner/name@commit of the hub, such as a "
            "commit of Falconsai/nsfw_image_detection."
        )
        unsafe: list[str] = Setting(default=["nsfw"], min_length=1, description="Names of its unsafe classes.")
        name: FieldName = Setting(default="nsfw", description="Name of the score.")

    config: Config

    @staticmethod
    def smoke(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**settings, "model": testing.make("vit"), "unsafe": ["nsfw"]}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.fields: Mapping[str, Number] = {config.name: Number()}
        self._ids: list[int] = []

    def bind(self, columns: Schema) -> list[Problem]:
        return [] if isinstance(columns.get("image"), Image) else [Problem("needs an `image` field", ("image",))]

    def setup(self, device: str) -> None:
        """Loads the classifier.

        Raises:
            ModelError: it lacks one of the unsafe classes, or its classes do not exclude each other.
        """
        self._model, self._processor = hub.load(
            self.reference, "AutoModelForImageClassification", "AutoImageProcessor", device=device
        )
        ids = {name: int(i) for i, name in self._model.config.id2label.items()}
        for name in self.config.unsafe:
            if name not in ids:
                raise ModelError(f"model {self.config.model}: {unknown(name, ids, 'class')}")
        if self._model.config.problem_type == "multi_label_classification":
            raise ModelError(
                f"model {self.config.model}: gives each class a probability of its own, which cannot be summed; "
                "a classifier with one class an image is needed here"
            )
        self._ids = sorted({ids[name] for name in self.config.unsafe})

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        import torch

        from synthgen.models.embeddings import coloured

        with torch.inference_mode():
            inputs = self._processor(images=coloured(columns["image"]), return_tensors="pt").to(self._model.device)
            probabilities = self._model(**inputs).logits.double().softmax(1).cpu().numpy()
        return {self.config.name: [float(row[self._ids].sum()) for row in probabilities]}

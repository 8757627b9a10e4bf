"""`use: feature-classifier`: trains a linear head on what a frozen diffusion model sees, from a few labelled images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, field_validator

from synthgen.base.environment import choose_device
from synthgen.base.settings import Settings
from synthgen.errors import DataError
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images import unlabelled
from synthgen.readers.images.labelled import DataConfig, LabelledImages
from synthgen.readers.images.unlabelled import UnlabelledImages
from synthgen.trainers import feature_heads as heads
from synthgen.trainers.feature_heads import Head

WANTED = "ClassConditionalPipeline"
MOST = 10_000
"""Images without labels that a head is refined on at most: looking at one takes some ten milliseconds."""


class FeatureClassifierTrainer:
    """Fits logistic regression on activations of a class-conditional diffusion model; ends with a FeatureClassifier.

    The diffusion model may have learned from many images without labels (`data.unlabelled` of
    `use: class-conditional`); a few of each class are then enough here. All images with labels are learned from:
    accuracy and temperature are those of cross-validation. With `data.unlabelled`, images without labels refine the
    head: it learns from what it is surest of among them, classes being as frequent there as among the labelled ones.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: feature-classifier`."""

        data: DataConfig = Field(description="Labelled images, two of each class or more.")
        base: str = Field(description="A class-conditional diffusion model: a starter, or the folder of your own.")
        sigmas: list[float] = Field(
            default=[0.1, 0.3, 0.6],
            min_length=1,
            description="Noise levels at which the model is looked at, where pixels are in [-1, 1].",
        )

        @field_validator("data")
        @classmethod
        def _labelled(cls, data: DataConfig) -> DataConfig:
            if "validation" in data.model_fields_set:
                raise ValueError("`validation`: accuracy is that of cross-validation; leave it out")
            return data

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.base)
        self.index = folders.check_class(self.folder, config.base, WANTED, "class-conditional")

    @property
    def sources(self) -> Sequence[Source]:
        return [folders.source(self.config.base)]

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json", exclude={"base"}) | {"base": self.sources[0].sha256}

    def check(self) -> Sequence[Problem]:
        """Everything in the data that `train` would stumble over."""
        try:
            self._unlabelled(self._images())
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """How the images are read, in words."""
        images = self._images()
        rows, notes = {"images": f"{len(images):,} of {len(images.classes)} classes"}, tuple(images.notes)
        if (more := self._unlabelled(images)) is not None:
            rows["without labels"], notes = f"{len(more):,}", (*notes, *more.notes)
        return DataFacts(rows=rows, notes=notes)

    def sketch(self, out: Path) -> None:
        """Writes a model of the right classes that has learned nothing."""
        pipeline, images = self._base("cpu"), self._images()
        features = self._features(pipeline, images.images[:1])
        n_classes, n = len(images.classes), features.shape[1]
        head = Head(np.zeros(n), np.ones(n), np.zeros((n_classes, n)), np.zeros(n_classes))
        self._model(pipeline, images, heads.network(head))(out)

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains and returns `out`. `seed` divides the images for cross-validation.

        Raises:
            DataError: the images cannot be used, or some class has one image only.
            ModelError: the base cannot be used.
        """
        from synthgen.training import output
        from synthgen.training.real_scores import RealScores

        images, pipeline = self._images(), self._base(choose_device(device))
        features = self._features(pipeline, images.images)
        strength, unseen = heads.chosen_strength(features, images.labels, seed)
        more, n_more = None, 0
        if (found := self._unlabelled(images)) is not None:
            rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:MOST])
            more, n_more = heads.Refined(self._features(pipeline, found.images[rows])), len(rows)

        def fit(x: np.ndarray, y: np.ndarray) -> Head:
            return more.head(x, y, strength) if more else heads.from_labelled(x, y, strength)

        if more:
            unseen = heads.in_cross_validation(features, images.labels, seed, fit)
        temperature, probabilities = heads.calibrated(unseen, images.labels)
        head = fit(features, images.labels)
        likely = probabilities[np.arange(len(images)), images.labels]
        scores = {
            "accuracy": float((unseen.argmax(1) == images.labels).mean()),
            "loss": float(-np.log(np.maximum(likely, 1e-300)).mean()),
            "temperature": temperature,
        }
        settings = {
            "features": features.shape[1],
            "noise levels": ", ".join(map(str, self.config.sigmas)),
            "inverse regularisation": strength,
            "seed": seed,
        }
        if n_more:
            settings["images without labels"] = f"{n_more:,}"
        use = (
            f"Classifies images into {len(images.classes)} classes by what {self.config.base} sees in them. "
            "In a recipe: `labelers: [{use: model-features, model: <this folder>}]`."
        )
        real = RealScores.measured("real images", [{"confidence": float(p)} for p in likely], ("confidence",))
        result = output.Result(out.name, settings, scores, use, self.sources[0], real)
        card = output.card(result, self.config.data, images, output.FOLDS)
        save = self._model(pipeline, images, heads.network(head), temperature)
        return output.finish(out, save, card)

    def _images(self) -> LabelledImages:
        """The labelled images in the base's size and colours. Raises DataError if they cannot be used."""
        side, _, channels = folders.image_shape(self.folder, self.index)
        images = real_data.read_training(self.config.data, side, channels)
        counts = np.bincount(images.labels, minlength=len(images.classes))
        if len(images.classes) < 2:
            raise DataError(
                f"{self.config.data.path}: has one class, `{images.classes[0]}`; two or more are needed to tell apart"
            )
        if counts.min() < 2:
            rare = images.classes[int(counts.argmin())]
            raise DataError(f"{self.config.data.path}: class `{rare}` has {counts.min()} images; two are needed")
        return images

    def _unlabelled(self, images: LabelledImages) -> UnlabelledImages | None:
        """Images without labels, if the data name some. Raises DataError if they are none, or one."""
        if not self.config.data.unlabelled:
            return None
        found = unlabelled.read(self.config.data, images)
        if len(found) < 2:
            raise DataError(
                f"data.unlabelled: {self.config.data.unlabelled}: has one image that is not among the labelled ones; "
                "two or more say what varies, so add others, or leave it out"
            )
        return found

    def _base(self, device: str) -> Any:
        import torch

        from synthgen.models import registry

        return registry.load_pipeline(self.folder, device, torch.float32)

    def _features(self, pipeline: Any, images: np.ndarray) -> np.ndarray:
        from synthgen.models.images.feature_classifier import features_of

        patch = int(pipeline.config.patch_size)
        return features_of(pipeline.unet, pipeline.scheduler, images, patch, self.config.sigmas)

    def _model(self, pipeline: Any, images: LabelledImages, head: Any, temperature: float = 1.0) -> Any:
        """What writes the model into a folder."""
        from synthgen.models.images.feature_classifier import FeatureClassifier

        made = FeatureClassifier(
            pipeline.unet,
            pipeline.scheduler,
            head,
            pipeline.config.patch_size,
            dict(enumerate(images.classes)),
            pipeline.config.padding,
            self.config.sigmas,
            temperature,
            images.pixels.bounds,
        )
        return made.to("cpu").save_pretrained

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
from synthgen.readers.images.labelled import DataConfig, LabelledImages

WANTED = "ClassConditionalPipeline"
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the regularisation, of which cross-validation chooses one."""

FOLDS = 5


class FeatureClassifierTrainer:
    """Fits logistic regression on activations of a class-conditional diffusion model; ends with a FeatureClassifier.

    The diffusion model may have learned from many images without labels (`data.unlabelled` of
    `use: class-conditional`); a few of each class are then enough here. All images with labels are learned from:
    accuracy and temperature are those of cross-validation.
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
            if data.unlabelled is not None:
                raise ValueError("`unlabelled`: the base has learned from such images already; leave it out")
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
            self._images()
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """How the images are read, in words."""
        images = self._images()
        rows = {"images": f"{len(images):,} of {len(images.classes)} classes"}
        return DataFacts(rows=rows, notes=tuple(images.notes))

    def sketch(self, out: Path) -> None:
        """Writes a model of the right classes that has learned nothing."""
        pipeline, images = self._base("cpu"), self._images()
        features = self._features(pipeline, images.images[:1])
        n_classes = len(images.classes)
        self._model(pipeline, images, _head(features, np.zeros((n_classes, features.shape[1])), np.zeros(n_classes)))(
            out
        )

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
        strength, unseen = chosen_strength(features, images.labels, seed)
        temperature, probabilities = _calibrated(unseen, images.labels)
        weights, bias = fitted(standardised(features, features), images.labels, strength)
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
        use = (
            f"Classifies images into {len(images.classes)} classes by what {self.config.base} sees in them. "
            "In a recipe: `labelers: [{use: model-features, model: <this folder>}]`."
        )
        real = RealScores.measured("real images", [{"confidence": float(p)} for p in likely], ("confidence",))
        result = output.Result(out.name, settings, scores, use, self.sources[0], real)
        card = output.card(result, self.config.data, images, output.FOLDS)
        save = self._model(pipeline, images, _head(features, weights, bias), temperature)
        return output.finish(out, save, card)

    def _images(self) -> LabelledImages:
        """The labelled images in the base's size and colours. Raises DataError if they cannot be used."""
        side, _, channels = folders.image_shape(self.folder, self.index)
        images = real_data.read_training(self.config.data, side, channels)
        counts = np.bincount(images.labels, minlength=len(images.classes))
        if len(images.classes) < 2 or counts.min() < 2:
            rare = images.classes[int(counts.argmin())]
            raise DataError(
                f"{self.config.data.path}: class `{rare}` has {counts.min()} images; two of each are needed, and two "
                "classes"
            )
        return images

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
        )
        return made.to("cpu").save_pretrained


def chosen_strength(features: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float, np.ndarray]:
    """The inverse strength whose heads make unseen labels likeliest in cross-validation, and their logits (N, K)."""
    from scipy.special import log_softmax
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(min(FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=seed % 2**32)
    divided = list(folds.split(features, labels))
    best: tuple[float, float, np.ndarray] | None = None
    for strength in STRENGTHS:
        logits = np.zeros((len(labels), int(labels.max()) + 1))
        for training, unseen in divided:
            known = features[training]
            weights, bias = fitted(standardised(known, known), labels[training], strength)
            logits[unseen] = standardised(features[unseen], known) @ weights.T + bias
        loss = -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
        if best is None or loss < best[0]:
            best = loss, strength, logits
    assert best is not None
    return best[1], best[2]


def standardised(features: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Features less the means of known ones, over their deviations; float64."""
    deviation = known.std(0, dtype=np.float64)
    found: np.ndarray = (features - known.mean(0, dtype=np.float64)) / np.where(deviation > 0, deviation, 1.0)
    return found


def fitted(x: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, F) and biases (K,) of logistic regression."""
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(C=strength, max_iter=1000).fit(x, labels)
    weights, bias = found.coef_, found.intercept_
    if len(weights) == 1:  # of two classes there is one row, for the second one
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights, bias


def _calibrated(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The temperature of logits (N, K) that suits labels, and the probabilities at it."""
    import torch
    from scipy.special import softmax

    from synthgen.trainers.images.classifier import fit_temperature

    temperature = fit_temperature(torch.from_numpy(logits), labels)
    return temperature, softmax(logits / temperature, axis=1)


def _head(features: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> Any:
    """The head that standardises by these features."""
    import torch

    from synthgen.models.images.feature_classifier import FeatureHead

    head: Any = FeatureHead(features.shape[1], len(bias))
    deviation = features.std(0, dtype=np.float64)
    with torch.no_grad():
        head.mean.copy_(torch.from_numpy(features.mean(0, dtype=np.float64)))
        head.deviation.copy_(torch.from_numpy(np.where(deviation > 0, deviation, 1.0)))
        head.linear.weight.copy_(torch.from_numpy(weights))
        head.linear.bias.copy_(torch.from_numpy(bias))
    return head.eval()

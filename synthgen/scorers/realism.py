"""`use: realism`: how near samples are to real images, in the features of an independent network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.errors import DataError
from synthgen.fields import Columns, Image, Number, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers import origin
from synthgen.readers.images.labelled import DataConfig, LabelledImages, read_training

MOST = 5000
"""Real images that are compared with at most, an even choice of all."""


class Realism(FolderPart):
    """Adds `realism`: at least 1 where a sample is among the real images, and the less the further away it is.

    Around each real image is a ball that reaches to its `neighbours`-nearest other one; half of the balls, the wider
    ones, are left out, because they stand where real images are rare. The score is the largest ratio of a ball's
    radius to the sample's distance from its centre, so the rule `realism >= 1` keeps what is in a ball. Distances are
    Euclidean, in the last features of a classifier that took no part in generating.

    Source: Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative models", eq. 3.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "ImageClassifier"
    trainer: ClassVar[str] = "classifier"

    class Config(Settings):
        """Settings of `use: realism`."""

        data: DataConfig = Field(description="The real images; those of their training split are compared with.")
        model: str = Field(description="A classifier: a starter such as starter/fashion-mnist-filter, or a folder.")
        neighbours: int = Field(default=3, ge=1, description="How many other real images a ball reaches.")
        field: FieldName = Field(default="realism", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.shape = folders.image_shape(self.folder, self.index)
        self.fields = {config.field: Number()}
        self._sha256 = origin.sha256(config.data)
        self._centres: np.ndarray = np.zeros((0, 0))
        self._radii: np.ndarray = np.zeros(0)

    def identity(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json", exclude={"model": True, "data": {"path", "licence", "source"}})
        return settings | {source.kind: source.sha256 for source in self.sources}

    @property
    def sources(self) -> list[Source]:
        data = self.config.data
        name = data.source or data.path.rstrip("/").rpartition("/")[2]
        return [*super().sources, Source("data", name, self._sha256, data.licence)]

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        if (got := (image.height, image.width, image.channels)) != self.shape:
            message = f"model {self.config.model} sees images of shape {self.shape}, the sampler generates {got}"
            return [Problem(message, ("image",))]
        try:
            self._real()
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def setup(self, device: str) -> None:
        super().setup(device)
        images = self._real().images
        rows = np.linspace(0, len(images) - 1, min(len(images), MOST)).round().astype(np.int64)
        self._centres, self._radii = balls(self._network.features(images[rows]), self.config.neighbours)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        features = self._network.features(np.stack(columns["image"]))
        return {self.config.field: realism(features, self._centres, self._radii).tolist()}

    def _real(self) -> LabelledImages:
        """The real images in the network's size and colours. Raises DataError if they are too few, or unreadable."""
        side, _, channels = self.shape
        found = read_training(self.config.data, side, channels)
        if len(found) <= self.config.neighbours:
            raise DataError(
                f"{self.config.data.path}: has {len(found)} images, and `neighbours: {self.config.neighbours}` needs "
                "more than that"
            )
        return found


def balls(real: np.ndarray, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (M, D) and radii (M,) of the balls that count, of real features (N, D); the narrower half of them."""
    from scipy.spatial.distance import cdist

    real = real.astype(np.float64)
    radii = np.array([np.partition(cdist(one[None], real)[0], neighbours)[neighbours] for one in real])
    counted = radii <= np.median(radii)
    return real[counted], radii[counted]


def realism(features: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The score (N,) of features (N, D), each by itself; where a sample is a centre, 1 or the largest other ratio."""
    from scipy.spatial.distance import cdist

    apart = cdist(features.astype(np.float64), centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(apart > 0, radii / apart, 1.0)
    best: np.ndarray = ratios.max(1)
    return best

"""`use: segment-anything`: masks by Segment Anything, prompted by boxes or points of known objects, or by a grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.fields import Columns, Field, Schema
from synthgen.labelers import prompted
from synthgen.labelers.prompted import PromptSettings
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class SegmentAnything:
    """Writes an instance map, and the predicted IoU and the stability of each of its objects, by number.

    If it is prompted by boxes with classes, it writes the class of every pixel as well.
    Masks are numbered by descending predicted IoU; where two overlap, the better one has the
    pixels. Each image is encoded once, all images of a batch together.
    """

    version: ClassVar[int] = 1

    class Config(PromptSettings):
        """Settings of `use: segment-anything`."""

        model: str = Setting(
            description="starter/sam-nuclei, or the folder that `synthgen models convert` made of an official "
            "checkpoint."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        folders.check_class(self.folder, config.model, "SegmentAnything", "segment-anything")
        self.fields: Mapping[str, Field] = {}
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def bind(self, columns: Schema) -> list[Problem]:
        self.fields, problems = prompted.new_fields(self.config, columns)
        return problems

    def setup(self, device: str) -> None:
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        images = prompted.shown(self.config, columns)
        found = [prompted.kept(self.config, *masks) for masks in self._masks(columns, images)]
        return prompted.as_columns(self.config, self.fields, found, columns)

    def _masks(self, columns: Columns, images: Sequence[np.ndarray]) -> Iterator[Any]:
        """Masks, predicted IoUs and stabilities, image by image."""
        from synthgen.models.segment_anything.network import automatic

        config = self.config
        if config.prompts == "auto":
            limits = (config.points_per_side, config.min_predicted_iou, config.min_stability, config.nms_iou)
            yield from (automatic(self._network, image, *limits) for image in images)
        else:
            for i, predictor in enumerate(self._network.predictors(images)):
                yield self._network.masks(predictor, *prompted.prompts_of(columns[config.of][i], config.prompts))

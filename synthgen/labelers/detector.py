"""`use: detector`: the boxes that a network trained on real images finds, for comparison with the intended ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Image, Numbers, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Detector(FolderPart):
    """Adds, for `field: detector`, `detector_boxes`, best first, and their scores `detector_score`."""

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "Detector"
    trainer: ClassVar[str] = "detector"

    class Config(Settings):
        """Settings of `use: detector`."""

        model: str = Setting(description="A detector: a starter such as starter/blood-cells-filter, or a folder.")
        min_score: float | None = Setting(
            default=None,
            ge=0,
            le=1,
            description="Boxes below it are dropped; by default the score that balanced misses and false alarms on "
            "held-out images when the model was trained.",
        )
        field: FieldName = Setting(default="detector", description="Start of the names of the new fields.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objects = tuple(self.index["objects"])

    @property
    def sources(self) -> list[Source]:
        source = folders.source(self.config.model)
        index = folders.read_index(self.folder)
        if not index.get("measured"):
            return [source]
        least = index["min_score"] if self.config.min_score is None else self.config.min_score
        return [
            replace(source, details={**source.details, "notes": (measured(source.name, least, index["measured"]),)})
        ]

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        boxes = Boxes(image.height, image.width, self.objects)
        self.fields = {f"{self.config.field}_boxes": boxes, f"{self.config.field}_score": Numbers()}
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        found = self._network.detect(np.stack(columns["image"]), self.config.min_score)
        return {
            f"{self.config.field}_boxes": [boxes for boxes, _ in found],
            f"{self.config.field}_score": [scores for _, scores in found],
        }


def measured(name: str, min_score: float, counts: Mapping[str, Any]) -> str:
    """How complete boxes of real images are to a detector, which its training wrote into its configuration.

    Args:
        min_score: the least score that counts; the nearest one that was measured is reported.
    """
    score = min(counts["at"], key=lambda text: abs(float(text) - min_score))
    found, extra = counts["at"][score]
    return (
        f"on {counts['pictures']} real images ({counts['split']}), the detector {name} finds {found} of "
        f"{counts['boxes']} boxes ({100 * found / max(counts['boxes'], 1):.0f} %) with scores of {float(score)} or "
        f"more, and {extra} objects that have no box there "
        f"({100 * extra / max(found + extra, 1):.0f} % of what it finds)"
    )

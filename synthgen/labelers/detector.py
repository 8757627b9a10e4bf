"""`use: detector`: the boxes that a network trained on real images finds, for comparison or as labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Field, Image, Number, Numbers, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Detector(FolderPart):
    """Adds, for `field: detector`, `detector_boxes`, best first, and their scores `detector_score`.

    How sure an image's boxes are, 0 to 1, is the mean of their scores; without a box, 1 less the highest score that was
    too low for one.
    """

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
        boxes: FieldName | None = Setting(
            default=None,
            exclude_if=lambda value: value is None,
            description="Name of the boxes, such as boxes, if it is not made of `field`.",
        )
        confidence: FieldName | None = Setting(
            default=None,
            exclude_if=lambda value: value is None,
            description="Name of how sure the boxes of an image are, such as confidence; by default it is left out.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objects = tuple(self.index["objects"])
        self.names = (config.boxes or f"{config.field}_boxes", f"{config.field}_score")
        self.min_score = float(self.index["min_score"] if config.min_score is None else config.min_score)

    @property
    def sources(self) -> list[Source]:
        source = folders.source(self.config.model)
        index = folders.read_index(self.folder)
        if not index.get("measured"):
            return [source]
        note = measured(source.name, self.min_score, index["measured"])
        return [replace(source, details={**source.details, "notes": (note,)})]

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        boxes, score = self.names
        fields: dict[str, Field] = {boxes: Boxes(image.height, image.width, self.objects), score: Numbers()}
        self.fields = fields | ({self.config.confidence: Number("1")} if self.config.confidence else {})
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        boxes, score = self.names
        every = self._network.detect(np.stack(columns["image"]), 0.0 if self.config.confidence else self.min_score)
        n_found = [int((scores.astype(np.float32) >= self.min_score).sum()) for _, scores in every]
        found = list(zip(every, n_found, strict=True))
        added: Columns = {
            boxes: [rows[:n] for (rows, _), n in found],
            score: [scores[:n] for (_, scores), n in found],
        }
        sure = [confidence(scores, n) for (_, scores), n in found]
        return {**added, **({self.config.confidence: sure} if self.config.confidence else {})}


def confidence(scores: np.ndarray, n: int) -> float:
    """How sure the first `n` boxes of an image are, by the scores of all that may be some, best first."""
    return float(scores[:n].mean()) if n else 1 - float(scores.max(initial=0.0))


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

"""`use: detector`: the boxes that a network trained on real images finds, for comparison with the intended ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from synthgen.fields import Boxes, Columns, Field, Image, Numbers, Schema
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Detector:
    """Adds, for `field: detector`, `detector_boxes`, best first, and their scores `detector_score`."""

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: detector`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        model: str = Setting(description="A detector: a starter such as starter/blood-cells-critic, or a folder.")
        min_score: float | None = Setting(
            default=None,
            ge=0,
            le=1,
            description="Boxes below it are dropped; by default the score that balanced misses and false alarms on "
            "held-out pictures when the model was trained.",
        )
        field: str = Setting(
            default="detector", pattern=r"^[a-z][a-z0-9_]*$", description="Start of the names of the new fields."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        self.objects = tuple(folders.check_class(self.folder, config.model, "Detector", "detector")["objects"])
        self.fields: Mapping[str, Field] = {}
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

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

    def setup(self, device: str) -> None:
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        found = self._network.detect(np.stack(columns["image"]), self.config.min_score)
        return {
            f"{self.config.field}_boxes": [boxes for boxes, _ in found],
            f"{self.config.field}_score": [scores for _, scores in found],
        }


def measured(name: str, min_score: float, counts: Mapping[str, Any]) -> str:
    """How complete boxes of real pictures are to a detector, which its training wrote into its configuration.

    Args:
        min_score: the least score that counts; the nearest one that was measured is reported.
    """
    score = min(counts["at"], key=lambda text: abs(float(text) - min_score))
    found, extra = counts["at"][score]
    return (
        f"on {counts['pictures']} real pictures ({counts['split']}), the detector {name} finds {found} of "
        f"{counts['boxes']} boxes ({100 * found / max(counts['boxes'], 1):.0f} %) with scores of {float(score)} or "
        f"more, and {extra} objects that have no box there "
        f"({100 * extra / max(found + extra, 1):.0f} % of what it finds)"
    )

"""`use: presence`: how surely the object that was asked for is in the image, by the boxes that a labeler found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Label, Number, Numbers, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class Presence(PlainAnnotator):
    """Adds the best score among the boxes of the intended class, as the labeler gave it; 0 if it found none."""

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: presence`."""

        boxes: str = Setting(description="The boxes that a labeler found, such as `found_boxes` of `owlv2`.")
        scores: str = Setting(description="Their scores, such as `found_score`.")
        of: str = Setting(
            default="label",
            description="The condition's field that says what was asked for: its label, or an axis of its prompts. "
            "Its values must be class names of the boxes.",
        )
        name: FieldName = Setting(default="presence", description="Name of the score.")

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields: Mapping[str, Number] = {config.name: Number()}
        self._ids: np.ndarray = np.zeros(0, dtype=np.int64)

    def bind(self, columns: Schema) -> list[Problem]:
        boxes, scores = columns.get(self.config.boxes), columns.get(self.config.scores)
        intended = columns.get(f"condition.{self.config.of}")
        problems = []
        if not isinstance(boxes, Boxes):
            message = unknown(self.config.boxes, _of_type(columns, Boxes), "boxes")
            problems.append(Problem(message, (self.config.boxes,), ("boxes",)))
        if not isinstance(scores, Numbers):
            message = unknown(self.config.scores, _of_type(columns, Numbers), "numbers")
            problems.append(Problem(message, (self.config.scores,), ("scores",)))
        if not isinstance(intended, Label):
            labels = _of_type(columns, Label)
            asked = [name.removeprefix("condition.") for name in labels if name.startswith("condition.")]
            message = unknown(self.config.of, asked, "class of the condition")
            problems.append(Problem(message, (f"condition.{self.config.of}",), ("of",)))
        if isinstance(boxes, Boxes) and isinstance(intended, Label):
            missing = [name for name in intended.classes if name not in boxes.classes]
            about = (self.config.boxes, f"condition.{self.config.of}")
            problems += [
                Problem(f"`{self.config.boxes}`: {unknown(name, boxes.classes, 'object')}", about) for name in missing
            ]
            self._ids = np.array([boxes.classes.index(n) + 1 for n in intended.classes if n not in missing])
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        names = (self.config.boxes, self.config.scores, f"condition.{self.config.of}")
        rows = zip(*(columns[name] for name in names), strict=True)
        return {self.config.name: [self._best(boxes, scores, int(cls)) for boxes, scores, cls in rows]}

    def _best(self, boxes: np.ndarray, scores: np.ndarray, cls: int) -> float:
        return float(scores[boxes[:, 4] == self._ids[cls]].max(initial=0.0))


def _of_type(columns: Schema, kind: type) -> list[str]:
    return [name for name, field in columns.items() if isinstance(field, kind)]

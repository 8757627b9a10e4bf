"""`use: box-agreement`: how well the boxes that were intended agree with those that another source found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Number, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class BoxAgreement(PlainAnnotator):
    """Adds, for `name: filter`, `filter_iou`, `filter_found`, `filter_missed` and `filter_extra`.

    Each box has one partner at most, of its own class and with an IoU of `min_iou` or more. iou: mean
    IoU of the partners, 0 to 1. found and missed: reference boxes with and without a partner. extra:
    found boxes without one. An image without boxes in both has 1, 0, 0 and 0.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: box-agreement`."""

        predicted: str = Field(description="The boxes that another source found, such as `detector_boxes`.")
        reference: str = Field(default="boxes", description="The boxes by construction.")
        name: FieldName = Field(description="Start of the names of the scores.")
        min_iou: float = Field(
            default=0.5, gt=0, le=1, description="Least intersection over union of a box and its partner."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        units = {"iou": "1", "found": "objects", "missed": "objects", "extra": "objects"}
        self.fields: Mapping[str, Number] = {f"{config.name}_{name}": Number(unit) for name, unit in units.items()}
        self._ids: np.ndarray = np.zeros(0, dtype=np.int64)

    def bind(self, columns: Schema) -> list[Problem]:
        reference, predicted = columns.get(self.config.reference), columns.get(self.config.predicted)
        problems = []
        for name, field in ((self.config.reference, reference), (self.config.predicted, predicted)):
            if not isinstance(field, Boxes):
                there = [n for n, other in columns.items() if isinstance(other, Boxes)]
                message = f"`{name}` holds no boxes; there are: {', '.join(there) or 'none'}"
                problems.append(Problem(message, (name,)))
        if isinstance(reference, Boxes) and isinstance(predicted, Boxes):
            missing = [name for name in reference.classes if name not in predicted.classes]
            about = (self.config.reference, self.config.predicted)
            problems += [
                Problem(f"`{self.config.predicted}`: {unknown(name, predicted.classes, 'object')}", about)
                for name in missing
            ]
            numbers = [reference.classes.index(n) + 1 if n in reference.classes else 0 for n in predicted.classes]
            self._ids = np.array([0, *numbers])
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        from synthgen.models.images.detections import BoxMatch

        pairs = zip(columns[self.config.reference], columns[self.config.predicted], strict=True)
        least = self.config.min_iou
        scores = [BoxMatch(reference, self._renumbered(found), least).scores for reference, found in pairs]
        start = f"{self.config.name}_"
        return {name: [one[name.removeprefix(start)] for one in scores] for name in self.fields}

    def card_notes(self, totals: Mapping[str, float], n_samples: int) -> list[str]:
        """How complete the boxes of a dataset are, from the sums of this scorer's scores over its samples."""
        found, missed, extra = (round(totals[f"{self.config.name}_{name}"]) for name in ("found", "missed", "extra"))
        asked, seen = found + missed, found + extra
        return [
            f"`{self.config.predicted}` has {found} of the {asked} `{self.config.reference}` "
            f"({100 * found / max(asked, 1):.1f} %), and {extra} objects that have no box there, "
            f"{extra / max(n_samples, 1):.2f} a sample ({100 * extra / max(seen, 1):.0f} % of what it has)"
        ]

    def _renumbered(self, found: np.ndarray) -> np.ndarray:
        """Found boxes with the reference boxes' class numbers; those of classes that nobody asks for are left out."""
        classes = self._ids[found[:, 4].astype(np.int64)]
        return np.concatenate([found[:, :4], classes[:, None]], axis=1)[classes > 0]

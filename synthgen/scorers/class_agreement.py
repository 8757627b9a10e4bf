"""`use: class-agreement`: how well a class map agrees with the one that another source found, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Number, Schema, SegmentationMap
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown
from synthgen.vision.confusion import Confusion, class_score


class ClassAgreement(PlainAnnotator):
    """Adds, for `name: filter`, `filter_miou`, `filter_accuracy`, and `filter_iou.<class>` for each of `classes`.

    In a score's name, what is neither a letter nor a digit is `_`: `filter_iou.traffic_light` is of `traffic light`.

    miou: mean IoU over the classes that either map of the image has, 0 to 1. accuracy: share of the known pixels. iou:
    of the pixels of a class; 1 where neither map has the class. Unknown pixels (255) of the reference do not count.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: class-agreement`."""

        predicted: str = Field(default="segmenter_segmentation", description="The class map that another source made.")
        reference: str = Field(default="segmentation", description="The class map by construction.")
        classes: list[str] = Field(default=[], description="Classes whose IoU is a score of its own.")
        name: FieldName = Field(description="Start of the names of the scores.")

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        names = ["miou", "accuracy", *map(class_score, config.classes)]
        self.fields: Mapping[str, Number] = {f"{config.name}_{name}": Number("1") for name in names}
        self._ids = np.zeros(256, dtype=np.uint8)
        self._names: tuple[str, ...] = ()

    def bind(self, columns: Schema) -> list[Problem]:
        found = {name: columns.get(name) for name in (self.config.reference, self.config.predicted)}
        maps = [n for n, field in columns.items() if isinstance(field, SegmentationMap)]
        problems = [
            Problem(f"`{name}` is no class map; there are: {', '.join(maps) or 'none'}", (name,))
            for name, field in found.items()
            if not isinstance(field, SegmentationMap)
        ]
        reference, predicted = found.values()
        if not isinstance(reference, SegmentationMap) or not isinstance(predicted, SegmentationMap):
            return problems
        self._names = reference.classes
        self._ids[:] = 255
        self._ids[0] = 0
        for i, name in enumerate(predicted.classes, start=1):
            self._ids[i] = self._names.index(name) + 1 if name in self._names else 0
        missing = [name for name in self._names if name not in predicted.classes]
        problems += [Problem(f"`{self.config.predicted}`: {unknown(n, predicted.classes, 'class')}") for n in missing]
        strange = [name for name in self.config.classes if name not in self._names]
        return problems + [Problem(unknown(name, self._names, "class"), place=("classes",)) for name in strange]

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        pairs = zip(columns[self.config.reference], columns[self.config.predicted], strict=True)
        ids = {cls: self._names.index(cls) + 1 for cls in self.config.classes}
        n, start = len(self._names), f"{self.config.name}_"
        scores = [Confusion.of(reference, self._ids[predicted], n).scores(ids) for reference, predicted in pairs]
        return {name: [one[name.removeprefix(start)] for one in scores] for name in self.fields}

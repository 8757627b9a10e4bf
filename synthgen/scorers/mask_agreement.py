"""`use: mask-agreement`: how well the objects that were intended agree with those that another source found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, InstanceMap, Number, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class MaskAgreement(PlainAnnotator):
    """Adds, for `name: sam`, `sam_iou`, `sam_dice`, `sam_missed` and `sam_extra`.

    iou: mean over the reference objects of the IoU with the best found one, 0 to 1. dice: of all
    objects against the background, 0 to 1. missed and extra: objects of one map without a partner of
    IoU over 0.5 in the other. An image without objects in both has 1, 1, 0 and 0.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: mask-agreement`."""

        predicted: str = Field(description="The instance map that another source made, such as `sam_instances`.")
        reference: str = Field(default="instances", description="The instance map by construction.")
        name: FieldName = Field(description="Start of the names of the scores.")

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        units = {"iou": "1", "dice": "1", "missed": "objects", "extra": "objects"}
        self.fields: Mapping[str, Number] = {f"{config.name}_{name}": Number(unit) for name, unit in units.items()}

    def bind(self, columns: Schema) -> list[Problem]:
        problems = []
        for name in (self.config.reference, self.config.predicted):
            if not isinstance(columns.get(name), InstanceMap):
                maps = [n for n, field in columns.items() if isinstance(field, InstanceMap)]
                message = f"`{name}` is no instance map; there are: {', '.join(maps) or 'none'}"
                problems.append(Problem(message, (name,)))
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        from synthgen.vision.matching import Match

        pairs = zip(columns[self.config.reference], columns[self.config.predicted], strict=True)
        scores = [Match(reference, found).scores for reference, found in pairs]
        start = f"{self.config.name}_"
        return {name: [one[name.removeprefix(start)] for one in scores] for name in self.fields}

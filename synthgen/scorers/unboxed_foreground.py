"""`use: unboxed-foreground`: how much of an image is neither background nor in a box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Boxes, Columns, Image, Number, Schema
from synthgen.parts.plain import PlainAnnotator
from synthgen.parts.problem import Problem


class UnboxedForeground(PlainAnnotator):
    """Adds, for `name: unboxed`, `unboxed_share` and `unboxed_blobs`.

    Foreground is what differs from the colour that most of the image has, so it suits objects on an even background,
    light or dark, and no scenes. share: the part of the foreground that no box covers, 0 to 1; 0 if there is none.
    blobs: how many connected parts of `min_px` pixels or more the unboxed foreground has.
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: unboxed-foreground`."""

        boxes: str = Field(default="boxes", description="The boxes that should cover all objects.")
        name: FieldName = Field(default="unboxed", description="Start of the names of the scores.")
        margin_px: float = Field(
            default=2, ge=0, description="Boxes are this many pixels larger on every side, as they are seldom exact."
        )
        min_px: int = Field(default=50, ge=1, description="Least pixels of a blob that counts.")

    config: Config

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields: Mapping[str, Number] = {
            f"{config.name}_share": Number(),
            f"{config.name}_blobs": Number("objects"),
        }

    def bind(self, columns: Schema) -> list[Problem]:
        problems = []
        if not isinstance(columns.get("image"), Image):
            problems.append(Problem("needs an `image` field", ("image",)))
        if not isinstance(columns.get(name := self.config.boxes), Boxes):
            there = [n for n, field in columns.items() if isinstance(field, Boxes)]
            problems.append(Problem(f"`{name}` holds no boxes; there are: {', '.join(there) or 'none'}", (name,)))
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        pairs = zip(columns["image"], columns[self.config.boxes], strict=True)
        found = [self._scores(image, boxes) for image, boxes in pairs]
        names = (f"{self.config.name}_share", f"{self.config.name}_blobs")
        return {name: [scores[i] for scores in found] for i, name in enumerate(names)}

    def _scores(self, image: np.ndarray, boxes: np.ndarray) -> tuple[float, float]:
        from scipy import ndimage

        from synthgen.vision.foreground import unboxed

        foreground, outside = unboxed(image, boxes, self.config.margin_px)
        blobs, _ = ndimage.label(outside, np.ones((3, 3)))
        sizes = np.bincount(blobs.ravel())[1:]
        return float(outside.sum() / max(foreground.sum(), 1)), float((sizes >= self.config.min_px).sum())

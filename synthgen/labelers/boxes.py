"""`use: boxes`: the boxes around the objects of an instance map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from synthgen.fields import Boxes as BoxesField
from synthgen.fields import Columns, InstanceMap, Schema, SegmentationMap
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Boxes:
    """Writes `boxes`: one box an object, exact to the pixel, in the order of the objects' numbers."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(BaseModel):
        """Settings of `use: boxes`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        instances: str = Field(default="instances", description="The instance map that is read.")
        segmentation: str = Field(default="segmentation", description="The map that tells the objects' classes.")
        field: str = Field(default="boxes", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the new field.")

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields: Mapping[str, BoxesField] = {}

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json")

    def bind(self, columns: Schema) -> list[Problem]:
        instances, segmentation = columns.get(self.config.instances), columns.get(self.config.segmentation)
        if not isinstance(instances, InstanceMap) or not isinstance(segmentation, SegmentationMap):
            message = f"needs the instance map `{self.config.instances}` and the map `{self.config.segmentation}`"
            return [Problem(message, (self.config.instances, self.config.segmentation))]
        found = BoxesField(instances.height, instances.width, segmentation.classes)
        self.fields = {self.config.field: found}
        return []

    def setup(self, device: str) -> None:
        """Nothing to load."""

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        pairs = zip(columns[self.config.instances], columns[self.config.segmentation], strict=True)
        return {self.config.field: [boxes_with_classes(*pair) for pair in pairs]}


def boxes_with_classes(instances: np.ndarray, segmentation: np.ndarray) -> np.ndarray:
    """float32 (N, 5): left, top, right, bottom, class id; objects whose class is unknown have no box."""
    from synthgen.vision.layouts import Layout, boxes_of, class_of_each

    boxes, ids = boxes_of(instances)
    classes = class_of_each(Layout(instances, segmentation), ids)
    found: np.ndarray = np.concatenate([boxes, classes[:, None]], axis=1).astype(np.float32)
    return found[classes > 0]

"""`use: segmenter`: the objects that a network trained on real images finds, for comparison with the intended ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Field, Image, InstanceMap, Schema, SegmentationMap
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem


class Segmenter(FolderPart):
    """Writes what the network sees in `image`: an instance map, and on request the class of every pixel."""

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "Segmenter"
    trainer: ClassVar[str] = "segmenter"

    class Config(Settings):
        """Settings of `use: segmenter`."""

        model: str = Setting(description="A segmenter: a starter such as starter/nuclei-filter, or a folder.")
        field: FieldName = Setting(default="segmenter_instances", description="Name of the instance map.")
        segmentation: FieldName | None = Setting(
            default=None, description="Name of the class map; by default none is written."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objects = tuple(self.index["objects"])

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        fields: dict[str, Field] = {self.config.field: InstanceMap(image.height, image.width)}
        if self.config.segmentation:
            fields[self.config.segmentation] = SegmentationMap(image.height, image.width, self.objects)
        self.fields = fields
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        found = self._network.segment(np.stack(columns["image"]))
        added = {self.config.field: [layout.instances for layout in found]}
        if self.config.segmentation:
            added[self.config.segmentation] = [layout.segmentation for layout in found]
        return added

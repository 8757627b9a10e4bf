"""`use: segmenter`: the objects that a network trained on real images finds, for comparison or as labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Field, Image, InstanceMap, Number, Schema, SegmentationMap
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem


class Segmenter(FolderPart):
    """Writes what the network sees in `image`: an instance map, and on request the class of every pixel.

    A network that knows regions only, as of streets, writes the class map `segmenter_segmentation`. How sure an image's
    masks are, 0 to 1, is the mean probability of the classes found over the pixels of objects and regions; where there
    are none, that of the background over all pixels.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "Segmenter"
    trainer: ClassVar[str] = "segmenter"

    class Config(Settings):
        """Settings of `use: segmenter`."""

        model: str = Setting(description="A segmenter: a starter such as starter/nuclei-filter, or a folder.")
        field: FieldName = Setting(default="segmenter_instances", description="Name of the instance map.")
        segmentation: FieldName | None = Setting(
            default=None,
            description="Name of the class map; by default none is written, but where there are no objects.",
        )
        confidence: FieldName | None = Setting(
            default=None,
            exclude_if=lambda value: value is None,
            description="Name of how sure the masks of an image are, such as confidence; by default it is left out.",
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objects, self.stuff = tuple(self.index["objects"]), tuple(self.index.get("stuff", ()))
        self.finds_objects = len(self.stuff) < len(self.objects)
        self.segmentation = config.segmentation or (None if self.finds_objects else "segmenter_segmentation")

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        fields: dict[str, Field] = {}
        if self.finds_objects:
            fields[self.config.field] = InstanceMap(image.height, image.width)
        if self.segmentation:
            fields[self.segmentation] = SegmentationMap(image.height, image.width, self.objects, self.stuff)
        if self.config.confidence:
            fields[self.config.confidence] = Number("1")
        self.fields = fields
        return []

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        found, sure = zip(*self._network.segment_surely(np.stack(columns["image"])), strict=True)
        added: dict[str | None, list[Any]] = {
            self.config.field: [layout.instances for layout in found],
            self.segmentation: [layout.segmentation for layout in found],
            self.config.confidence: list(sure),
        }
        return {name: added[name] for name in self.fields}

"""`use: segmenter`: the objects that a network trained on real images finds, for comparison with the intended ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from synthgen.fields import Columns, Field, Image, InstanceMap, Schema, SegmentationMap
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source


class Segmenter:
    """Writes what the network sees in `image`: an instance map, and on request the class of every pixel."""

    version: ClassVar[int] = 1

    class Config(BaseModel):
        """Settings of `use: segmenter`."""

        model_config = ConfigDict(extra="forbid", frozen=True)
        model: str = Setting(description="A segmenter: a starter such as starter/nuclei-critic, or a folder.")
        field: str = Setting(
            default="segmenter_instances", pattern=r"^[a-z][a-z0-9_]*$", description="Name of the instance map."
        )
        segmentation: str | None = Setting(
            default=None, pattern=r"^[a-z][a-z0-9_]*$", description="Name of the class map; by default none is written."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        self.objects = tuple(folders.check_class(self.folder, config.model, "Segmenter", "segmenter")["objects"])
        self.fields: Mapping[str, Field] = {}
        self._network: Any = None

    def identity(self) -> dict[str, Any]:
        return self.config.model_dump(mode="json", exclude={"model"}) | {"model": self.sources[0].sha256}

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)]

    def bind(self, columns: Schema) -> list[Problem]:
        image = columns.get("image")
        if not isinstance(image, Image):
            return [Problem("needs an `image` field", ("image",))]
        fields: dict[str, Field] = {self.config.field: InstanceMap(image.height, image.width)}
        if self.config.segmentation:
            fields[self.config.segmentation] = SegmentationMap(image.height, image.width, self.objects)
        self.fields = fields
        return []

    def setup(self, device: str) -> None:
        from synthgen.models import registry

        self._network = registry.load_network(self.folder, device)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        found = self._network.segment(np.stack(columns["image"]))
        added = {self.config.field: [layout.instances for layout in found]}
        if self.config.segmentation:
            added[self.config.segmentation] = [layout.segmentation for layout in found]
        return added

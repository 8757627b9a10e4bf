"""`use: noisy-to-ignore`: the class map with pixels that a real-trained network contradicts set to 255 (ignore)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field as Setting

from synthgen.base.settings import FieldName, Settings
from synthgen.errors import ModelError
from synthgen.fields import IGNORE, Columns, Image, Number, Schema, SegmentationMap
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.registry import unknown


class NoisyToIgnore(FolderPart):
    """Writes `clean_segmentation`, and `ignored`, the share of pixels that became 255.

    A pixel is noisy if the network's cross-entropy for its intended class is over `tolerance`
    times the mean of that class on real held-out images. So an image with a spoilt corner is
    kept, and only the corner teaches nothing.

    Source: Yang et al. 2023, "FreeMask", section 3.3 (tolerance 1.25).
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "Segmenter"
    trainer: ClassVar[str] = "segmenter"

    class Config(Settings):
        """Settings of `use: noisy-to-ignore`."""

        model: str = Setting(description="A segmenter: a starter such as starter/nuclei-filter, or a folder.")
        segmentation: str = Setting(default="segmentation", description="The class map that is checked.")
        tolerance: float = Setting(default=1.25, gt=0, description="Times the class's mean loss on real images.")
        field: FieldName = Setting(default="clean_segmentation", description="Name of the new class map.")

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.objects, self.class_losses = tuple(self.index["objects"]), np.array(self.index["class_losses"])
        if len(self.class_losses) != len(self.objects) + 1:
            raise ModelError(f"{config.model} does not say its mean losses on real images (`class_losses`)")
        self._ids: np.ndarray = np.zeros(256, dtype=np.int64)

    def bind(self, columns: Schema) -> list[Problem]:
        image, segmentation = columns.get("image"), columns.get(self.config.segmentation)
        if not isinstance(image, Image) or not isinstance(segmentation, SegmentationMap):
            message = f"needs an `image` field and the class map `{self.config.segmentation}`"
            return [Problem(message, ("image", self.config.segmentation))]
        self.fields = {self.config.field: segmentation, "ignored": Number("share of pixels")}
        problems = []
        for cls, name in enumerate(segmentation.classes, start=1):
            if name in self.objects:
                self._ids[cls] = self.objects.index(name) + 1
            else:
                problems.append(Problem(f"model {self.config.model}: {unknown(name, self.objects, 'object')}"))
        return problems

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        probabilities, _ = self._network.outputs(np.stack(columns["image"]))
        clean, shares = [], []
        for intended, p in zip(columns[self.config.segmentation], probabilities, strict=True):
            ids = self._ids[intended]
            losses = -np.log(np.maximum(np.take_along_axis(p, ids[None], 0)[0], 1e-12))
            noisy = (losses > self.config.tolerance * self.class_losses[ids]) & (intended != IGNORE)
            clean.append(np.where(noisy, IGNORE, intended).astype(np.uint8))
            shares.append(float(noisy.mean()))
        return {self.config.field: clean, "ignored": shares}

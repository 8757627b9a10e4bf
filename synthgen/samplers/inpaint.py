"""`use: inpaint`: a region of a real image generated again; the region is the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen.fields import Columns, InstanceMap, Schema
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.samplers import prompted
from synthgen.samplers.prompted import PromptedSampler, PromptedSettings


class Inpaint(PromptedSampler):
    """Generates the objects of the condition's image again, or the background between them; all else stays as it was.

    Objects are those of `condition.instances`. The condition's maps are the labels, as `instances` and `segmentation`:
    exact if a region is full of its object, which a labeler can check.
    """

    version: ClassVar[int] = 2
    task: ClassVar[str] = "Inpainting"
    smoke_steps: ClassVar[int] = 4

    class Config(PromptedSettings):
        """Settings of `use: inpaint`."""

        redraw: Literal["objects", "background"] = Setting(
            default="objects", description="What is generated again: the objects, or everything else."
        )
        grow_px: int = Setting(
            default=0,
            ge=0,
            le=256,
            description="How far the generated region reaches beyond the objects (or into them).",
        )
        strength: float = Setting(
            default=1.0,
            gt=0,
            le=1,
            description="How far the region is generated again: 1 keeps nothing of what was there.",
        )

    config: Config

    def bind(self, condition: Schema) -> list[Problem]:
        problems = prompted.picture_problems(condition, self.prompted.size)
        if not isinstance(condition.get("instances"), InstanceMap):
            message = "needs a condition with objects, such as `use: masked-images` or `use: random-regions`"
            problems.append(Problem(message, ("instances",)))
        self.fields, more = self.prompted.drawn_fields(condition, "instances", "segmentation")
        return problems + more

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        regions = [self.region(slot.condition["instances"]) for slot in slots]
        given = {
            "image": [prompted.as_pillow(slot.condition["image"]) for slot in slots],
            "mask_image": [prompted.as_pillow(region.astype(np.uint8) * 255) for region in regions],
        }
        columns = self.prompted.columns(slots, seeds, given, strength=self.config.strength)
        pairs = zip(slots, regions, columns["image"], strict=True)
        kept = [np.where(region[:, :, None], drawn, slot.condition["image"]) for slot, region, drawn in pairs]
        return {**columns, "image": kept}

    def region(self, instances: np.ndarray) -> np.ndarray:
        """Which pixels are generated again, bool (H, W)."""
        from scipy import ndimage

        inside: np.ndarray = instances > 0 if self.config.redraw == "objects" else instances == 0
        if self.config.grow_px and inside.any():
            inside = ndimage.distance_transform_edt(~inside) <= self.config.grow_px
        return inside

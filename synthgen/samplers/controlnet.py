"""`use: controlnet`: images that follow a map (classes, edges, depth) besides the prompt; the map is the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import testing
from synthgen.base.sizes import shown
from synthgen.fields import Columns, Image, InstanceMap, Schema, SegmentationMap
from synthgen.models import hub
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.samplers import prompted
from synthgen.samplers.prompted import PromptedSampler, PromptedSettings

Colour = Annotated[str, Setting(pattern=r"^#[0-9a-fA-F]{6}$")]
GOLDEN = 0.618034


class ControlNet(PromptedSampler):
    """Generates `image` to fit a control image that is made of the condition.

    `segmentation` paints the condition's class map in the colours that the ControlNet was trained
    with; `outlines` the edges of its objects; `edges` the Canny edges of its image; `picture`
    takes its image as it is: a depth map, a scribble. The condition's maps are the labels, as
    `instances` and `segmentation`.
    """

    version: ClassVar[int] = 2
    task: ClassVar[str] = "Text2Image"

    class Config(PromptedSettings):
        """Settings of `use: controlnet`."""

        controlnet: str = Setting(
            description="A folder with a ControlNet of diffusers, or owner/name@commit of the hub."
        )
        controlnet_licence: str | None = Setting(
            default=None, description="The ControlNet's licence, as for the model."
        )
        control: Literal["segmentation", "outlines", "edges", "picture"] = Setting(
            description="What the control image is made of: the class map, the objects' outlines, the edges of the "
            "condition's image, or that image itself (a depth map, say)."
        )
        colours: dict[str, Colour] = Setting(
            default={},
            description='Colours of the class map, by class, "background" too: {person: "#96053d"}; by default black '
            "and hues of our own, which only a ControlNet trained with them understands.",
        )
        control_scale: float = Setting(default=1.0, ge=0, le=10, description="How closely to follow the control.")
        control_end: float = Setting(default=1.0, gt=0, le=1, description="Share of the steps that follow it.")
        sigma: float = Setting(default=1.0, gt=0, description="`edges`: pixels that are smoothed over first.")

    config: Config

    @classmethod
    def smoke(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        kind = testing.pipeline_kind(str(settings["model"]))
        kind = kind if kind in testing.CONTROLNETS else "StableDiffusionPipeline"
        more = {"controlnet": testing.make(testing.CONTROLNETS[kind]), "model": testing.make(kind)}
        return {**super().smoke(settings), **more}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.controlnet = hub.reference(hub.ModelSettings(model=config.controlnet, licence=config.controlnet_licence))
        self._palette = np.zeros((256, 3), dtype=np.uint8)
        self._argument = "image"

    def identity(self) -> dict[str, Any]:
        left_out = {"controlnet_licence"}
        found = {name: value for name, value in self.prompted.identity().items() if name not in left_out}
        return found | {"controlnet": self.controlnet.source.sha256}

    @property
    def sources(self) -> list[Source]:
        return [*self.prompted.sources, self.controlnet.source]

    def bind(self, condition: Schema) -> list[Problem]:
        self.fields, problems = self.prompted.drawn_fields(condition, "instances", "segmentation")
        name = {"segmentation": "segmentation", "outlines": "instances"}.get(self.config.control, "image")
        field = condition.get(name)
        if not isinstance(field, SegmentationMap | InstanceMap | Image):
            message = f"`control: {self.config.control}` needs a condition with `{name}`"
            return [*problems, Problem(message, (name, "control"))]
        size = (field.height, field.width)
        if size != self.prompted.size:
            message = f"generates images of `size` {shown(self.prompted.size)}; the condition's are {shown(size)}"
            problems.append(Problem(message, (name, "size")))
        if isinstance(field, SegmentationMap):
            problems += self._paint(field.classes)
        return problems

    def _paint(self, classes: Sequence[str]) -> list[Problem]:
        """Fills the palette; returns the problems of `colours`."""
        import colorsys

        named = self.config.colours
        if not named:
            for i in range(len(classes)):
                self._palette[i + 1] = [round(255 * c) for c in colorsys.hsv_to_rgb(i * GOLDEN % 1, 0.8, 0.9)]
            return []
        for i, name in enumerate(("background", *classes)):
            if name in named:
                self._palette[i] = list(bytes.fromhex(named[name][1:]))
        missing = [name for name in classes if name not in named]
        return [Problem(f"has none for {', '.join(missing)}", place=("colours",))] if missing else []

    def setup(self, device: str) -> None:
        import torch

        network = hub.load_controlnet(self.controlnet, getattr(torch, self.config.dtype))
        self.prompted.setup(device, controlnet=network)
        self._argument = "control_image" if self.prompted.accepts("control_image") else "image"

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        controls = [prompted.as_pillow(self.control_of(slot.condition)) for slot in slots]
        same = {
            "controlnet_conditioning_scale": self.config.control_scale,
            "control_guidance_end": self.config.control_end,
        }
        return self.prompted.columns(slots, seeds, {self._argument: controls}, **same)

    def control_of(self, condition: Mapping[str, Any]) -> np.ndarray:
        """The control image of one slot, uint8 (H, W, 3)."""
        if self.config.control == "segmentation":
            found: np.ndarray = self._palette[condition["segmentation"]]
            return found
        if self.config.control == "picture":
            return np.asarray(condition["image"])
        if self.config.control == "outlines":
            from skimage.segmentation import find_boundaries

            lines: Any = find_boundaries(condition["instances"], mode="inner")
        else:
            from skimage.color import rgb2gray
            from skimage.feature import canny

            lines = canny(rgb2gray(condition["image"]), sigma=self.config.sigma)
        return np.repeat(lines.astype(np.uint8)[:, :, None] * 255, 3, axis=2)

"""`use: class-conditional`: images of a class from a class-conditional diffusion pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from synthgen import seeds as streams
from synthgen.fields import Columns, Image, Label, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.parts.registry import unknown
from synthgen.samplers.guided import Guided


class ClassConditional(FolderPart):
    """Generates `image` for `condition.label`; classes are matched to the model's by name."""

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "ClassConditionalPipeline"
    trainer: ClassVar[str] = "class-conditional"

    class Config(Guided):
        """Settings of `use: class-conditional`."""

        model: str = Field(description="A starter such as starter/fashion-mnist, or the folder of a trained model.")
        steps: int = Field(default=18, gt=0, le=1000, description="Denoising steps, one network evaluation each.")
        dtype: Literal["float32", "bfloat16", "float16"] = Field(
            default="float32", description="Number format of the network; bfloat16 and float16 are for GPUs."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.names = folders.names_in_order(self.index)
        unet, patch = folders.component_config(self.folder, "unet"), int(self.index["patch_size"])
        side = int(unet["sample_size"]) * patch
        self.shape = (int(unet["in_channels"]) // patch**2, side, side)
        self.fields: Mapping[str, Image] = {"image": Image(side, side, self.shape[0])}
        self._ids: list[int] = []
        self._pipeline: Any = None

    def bind(self, condition: Schema) -> list[Problem]:
        label = condition.get("label")
        if not isinstance(label, Label):
            return [Problem("needs a condition with classes, such as `use: classes`", ("label",))]
        missing = [name for name in label.classes if name not in self.names]
        self._ids = [self.names.index(name) for name in label.classes if name in self.names]
        return [
            Problem(f"model {self.config.model}: {unknown(name, self.names, 'class')}", ("label",)) for name in missing
        ]

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, getattr(torch, self.config.dtype))
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        import torch

        images = self._pipeline(
            [self._ids[slot.condition["label"]] for slot in slots],
            guidance_scale=self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(streams.normals(seeds, self.shape)),
            output_type="uint8",
        ).images
        return {"image": list(images)}

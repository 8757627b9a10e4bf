"""`use: class-conditional`: images of a class from a class-conditional diffusion pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds as streams
from synthgen.fields import Columns, Image, Label, Probabilities, Schema
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.parts.registry import unknown
from synthgen.samplers.guided import GuidedInPart, Scale
from synthgen.samplers.real_images import in_channels
from synthgen.samplers.varied import image_problems, strength_for


class ClassConditional(FolderPart):
    """Generates `image` for `condition.label`; classes are matched to the model's by name.

    With `strength`, real images of a condition such as `use: images` are generated again, and keep their class. A
    `condition.soft_label`, as `mix` of `use: classes` makes it, asks for images between two classes.
    """

    version: ClassVar[int] = 1
    wanted: ClassVar[str] = "ClassConditionalPipeline"
    trainer: ClassVar[str] = "class-conditional"

    class Config(GuidedInPart):
        """Settings of `use: class-conditional`."""

        model: str = Setting(description="A starter such as starter/fashion-mnist, or the folder of a trained model.")
        guidance: Scale | Annotated[dict[str, Scale], Setting(min_length=1)] = Setting(
            default=1.0,
            description="Classifier-free guidance, towards the class; 1 is none and costs half as much. Also by class, "
            "as {shirt: 3, coat: 2}, where others have none: `synthgen models guidance` finds what each class needs.",
        )
        steps: int = Setting(default=18, gt=0, le=1000, description="Denoising steps, one network evaluation each.")
        strength: float | None = strength_for("images")
        dtype: Literal["float32", "bfloat16", "float16"] = Setting(
            default="float32", description="Number format of the network; bfloat16 and float16 are for GPUs."
        )

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.names = folders.names_in_order(self.index)
        side, _, channels = folders.image_shape(self.folder, self.index)
        self.shape = (channels, side, side)
        self.fields: Mapping[str, Image] = {"image": Image(side, side, channels)}
        self._ids: list[int] = []
        self._mixes = False
        self._scales: list[float] = []
        self._pipeline: Any = None

    def bind(self, condition: Schema) -> list[Problem]:
        label = condition.get("label")
        if not isinstance(label, Label):
            return [Problem("needs a condition with classes, such as `use: classes`", ("label",))]
        missing = [name for name in label.classes if name not in self.names]
        self._ids = [self.names.index(name) for name in label.classes if name in self.names]
        soft = condition.get("soft_label")
        self._mixes = isinstance(soft, Probabilities) and soft.classes == label.classes
        problems = []
        if self.config.strength is not None:
            needed, shape = "images, such as `use: images`", (self.shape[1], self.shape[2])
            problems = image_problems(condition.get("image"), shape, self.config.model, needed)
        scales = self.config.guidance if isinstance(self.config.guidance, dict) else {}
        self._scales = [scales.get(name, 1.0) for name in self.names] if scales else []
        for name in scales:
            if name not in self.names:
                text = f"model {self.config.model}: {unknown(name, self.names, 'class')}"
                problems.append(Problem(text, place=("guidance", name)))
        return problems + [
            Problem(f"model {self.config.model}: {unknown(name, self.names, 'class')}", ("label",)) for name in missing
        ]

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, getattr(torch, self.config.dtype))
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        import torch

        start: dict[str, Any] = {}
        if self.config.strength is not None:
            real = [in_channels(slot.condition["image"], self.shape[0]) for slot in slots]
            start = {"images": np.stack(real), "strength": self.config.strength}
        if self._mixes:
            start |= self._second([(slot.condition["label"], slot.condition["soft_label"]) for slot in slots])
        ids = [self._ids[slot.condition["label"]] for slot in slots]
        images = self._pipeline(
            ids,
            guidance_scale=[self._scales[i] for i in ids] if self._scales else self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(streams.normals(seeds, self.shape)),
            output_type="uint8",
            **start,
        ).images
        return {"image": list(images)}

    def _second(self, slots: Sequence[tuple[int, np.ndarray]]) -> dict[str, Any]:
        """The second classes of slots, and the shares of the first ones; a class of its own is both."""
        others = [soft.copy() for _, soft in slots]
        for other, (label, _) in zip(others, slots, strict=True):
            other[label] = 0
        seconds = [
            int(other.argmax()) if other.any() else label for other, (label, _) in zip(others, slots, strict=True)
        ]
        shares = [float(soft[label]) for label, soft in slots]
        return {"second_labels": [self._ids[cls] for cls in seconds], "first_shares": shares}

"""`use: layout-to-image`: images whose objects stand where a layout puts them; the layout is the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting

from synthgen import seeds as streams
from synthgen.errors import ModelError
from synthgen.fields import Boxes, Columns, Field, Image, InstanceMap, Label, Schema, SegmentationMap
from synthgen.models import folders
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot, Source
from synthgen.parts.registry import unknown
from synthgen.samplers.guided import Guided


class LayoutToImage:
    """Draws `image` to fit a layout, and returns the layout beside it, so that labels are exact by construction.

    Layouts come from the condition (`instances` and `segmentation`, or `boxes`), or are drawn by
    `layout_model` with a stream of their own. Classes and objects are matched to the models' by name.
    """

    version: ClassVar[int] = 1

    class Config(Guided):
        """Settings of `use: layout-to-image`; guidance is towards the layout."""

        model: str = Setting(description="A starter such as starter/nuclei, or the folder of a trained model.")
        layout_model: str | None = Setting(
            default=None,
            description="A model that draws layouts, such as starter/nuclei-layouts; not with a "
            "condition that brings them.",
        )
        size: int | None = Setting(
            default=None, ge=16, le=4096, description="Side of drawn layouts in pixels; by default the layout model's."
        )
        layout_steps: int = Setting(default=18, gt=0, le=1000, description="Denoising steps of a drawn layout.")
        min_area_px: int = Setting(default=8, ge=1, description="Smaller objects of a drawn layout are removed.")
        steps: int = Setting(default=18, gt=0, le=1000, description="Denoising steps of the image.")
        dtype: Literal["float32", "bfloat16", "float16"] = Setting(
            default="float32", description="Number format of the networks; bfloat16 and float16 are for GPUs."
        )

    def __init__(self, config: Config) -> None:
        self.config = config
        self.folder = folders.resolve(config.model)
        index = folders.check_class(self.folder, config.model, "LayoutToImagePipeline", "layout-to-image")
        self.classes = folders.names_in_order(index)
        self.class_of_style = np.array(index["class_of_style"])
        self.style_shares = np.array(index["style_shares"])
        self.objects = tuple(index["objects"])
        unet, patch = folders.component_config(self.folder, "unet"), int(index["patch_size"])
        self.cell = patch * 2 ** (len(unet["block_out_channels"]) - 1)
        self.channels = int(unet["out_channels"]) // patch**2
        self.layout_classes: list[str] = []
        self.size = config.size
        self._problems: list[Problem] = []
        self.layout_cell = 1
        if config.layout_model:
            try:
                self._read_layout_model(config.layout_model)
            except ModelError as error:  # told with the problems that `bind` finds
                self._problems.append(Problem(str(error)))
        self.fields: Mapping[str, Field] = {"image": Image(self.size or 0, self.size or 0, self.channels)}
        self._class_ids: list[int] = []
        self._layout_class_ids: list[int] = []
        self._object_ids: np.ndarray = np.zeros(1, dtype=np.uint8)
        self._label: str | None = None
        self._pipeline: Any = None
        self._layouts: Any = None

    def _read_layout_model(self, name: str) -> None:
        folder = folders.resolve(name)
        index = folders.check_class(folder, name, "LayoutPipeline", "layout")
        unet, patch = folders.component_config(folder, "unet"), int(index["patch_size"])
        if tuple(index["objects"]) != self.objects:
            raise ModelError(
                f"{name} draws layouts of {', '.join(index['objects'])}, "
                f"{self.config.model} needs {', '.join(self.objects)}"
            )
        self.layout_classes = folders.names_in_order(index)
        self.layout_scale = float(index["scale"])
        self.layout_cell = round(patch * 2 ** (len(unet["block_out_channels"]) - 1) / self.layout_scale)
        self.size = self.config.size or round(int(unet["sample_size"]) * patch / self.layout_scale)

    def identity(self) -> dict[str, Any]:
        models = {"model": self.sources[0].sha256}
        if self.config.layout_model:
            models["layout_model"] = self.sources[1].sha256
        return self.config.model_dump(mode="json", exclude={"model", "layout_model"}) | models

    @property
    def sources(self) -> list[Source]:
        names = [self.config.model, self.config.layout_model]
        return [folders.source(name) for name in names if name]

    def bind(self, condition: Schema) -> list[Problem]:
        problems = [*self._problems, *self._bind_classes(condition.get("label"))]
        instances, segmentation, boxes = (condition.get(name) for name in ("instances", "segmentation", "boxes"))
        given = isinstance(instances, InstanceMap) or isinstance(boxes, Boxes)
        if given and self.config.layout_model:
            self.fields = {}
            message = "the condition brings layouts; leave `layout_model` out, or take another condition"
            return [*problems, Problem(message, ("layout_model",))]
        if not given and not self.config.layout_model:
            self.fields = {}
            message = "needs layouts: a condition such as `use: real-layouts`, or `layout_model` to draw them"
            return [*problems, Problem(message, ("layout_model",))]
        if isinstance(instances, InstanceMap) and isinstance(segmentation, SegmentationMap):
            shape, names = (instances.height, instances.width), segmentation.classes
            layout: dict[str, Field] = {"instances": instances, "segmentation": segmentation}
        elif isinstance(boxes, Boxes):
            shape, names = (boxes.height, boxes.width), boxes.classes
            layout = {"boxes": boxes}
        elif self.size is None:
            self.fields = {}
            return problems
        else:
            shape, names = (self.size, self.size), self.objects
            layout = {"instances": InstanceMap(*shape), "segmentation": SegmentationMap(*shape, self.objects)}
            if self.size % self.layout_cell:
                message = f"must be a multiple of {self.layout_cell} for {self.config.layout_model}"
                problems.append(Problem(message, place=("size",)))
        problems += [
            Problem(f"model {self.config.model}: {unknown(name, self.objects, 'object')}")
            for name in names
            if name not in self.objects
        ]
        if shape[0] % self.cell or shape[1] % self.cell:
            message = f"draws pictures whose sides are multiples of {self.cell} px; layouts are {shape[1]} x {shape[0]}"
            problems.append(Problem(message))
        known = [self.objects.index(name) + 1 for name in names if name in self.objects]
        self._object_ids = np.array([0, *known], dtype=np.uint8)
        self.fields = {"image": Image(*shape, self.channels), **layout}
        return problems

    def _bind_classes(self, label: Field | None) -> list[Problem]:
        if not isinstance(label, Label):
            self._label = None
            several = max(self.classes, self.layout_classes, key=len)
            if len(several) == 1:
                return []
            message = f"needs a condition with classes, because the model has several: {', '.join(several)}"
            return [Problem(message, ("label",))]
        self._label = "label"
        problems = []
        for model, names in ((self.config.model, self.classes), (self.config.layout_model, self.layout_classes)):
            if model and len(names) > 1:
                missing = [name for name in label.classes if name not in names]
                problems += [Problem(f"model {model}: {unknown(name, names, 'class')}", ("label",)) for name in missing]
        self._class_ids = [self.classes.index(n) if n in self.classes else 0 for n in label.classes]
        self._layout_class_ids = [
            self.layout_classes.index(n) if n in self.layout_classes else 0 for n in label.classes
        ]
        return problems

    def setup(self, device: str) -> None:
        import torch

        from synthgen.models import registry

        dtype = getattr(torch, self.config.dtype)
        self._pipeline = registry.load_pipeline(self.folder, device, dtype)
        self._pipeline.set_progress_bar_config(disable=True)
        if self.config.layout_model:
            self._layouts = registry.load_pipeline(folders.resolve(self.config.layout_model), device, dtype)
            self._layouts.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        import torch

        columns, channels = self._layout_columns(slots, seeds)
        height, width = channels.shape[2:]
        classes = self._ids(slots, self._class_ids)
        drawn = self._pipeline(
            channels,
            classes,
            [self._style(cls, seed) for cls, seed in zip(classes, seeds, strict=True)],
            guidance_scale=self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(streams.normals(seeds, (self.channels, height, width))),
            output_type="uint8",
        ).images
        return {"image": list(drawn), **columns}

    def _style(self, cls: int, seed: int) -> int:
        """A style of the class, as frequent as in the training pictures, with a stream of its own."""
        styles = np.flatnonzero(self.class_of_style == cls)
        point = streams.unit_interval(streams.seed_of(seed, "style", 0))
        edges = np.cumsum(self.style_shares[styles])
        return int(styles[min(int(np.searchsorted(edges, point * edges[-1], side="right")), len(styles) - 1)])

    def _ids(self, slots: Sequence[Slot], ids: Sequence[int]) -> list[int]:
        return [ids[slot.condition[self._label]] if self._label else 0 for slot in slots]

    def _layout_columns(self, slots: Sequence[Slot], seeds: Sequence[int]) -> tuple[dict[str, Any], np.ndarray]:
        """The layout's fields, and the channels (N, n_objects, H, W) that the network sees."""
        from synthgen.vision import layouts

        n_objects = len(self.objects)
        if self._layouts is not None:
            found = self._drawn_layouts(slots, seeds)
        elif "boxes" in self.fields:
            boxes = [slot.condition["boxes"] for slot in slots]
            image = self.fields["image"]
            assert isinstance(image, Image)
            shape = (image.height, image.width)
            encoded = [
                layouts.from_boxes(b[:, :4], self._object_ids[b[:, 4].astype(int)], shape, n_objects) for b in boxes
            ]
            return {"boxes": boxes}, np.stack(encoded)
        else:
            found = [layouts.Layout(slot.condition["instances"], slot.condition["segmentation"]) for slot in slots]
        columns = {"instances": [f.instances for f in found], "segmentation": [f.segmentation for f in found]}
        seen = [layouts.Layout(f.instances, self._as_models(f.segmentation)) for f in found]
        return columns, np.stack([layouts.encode(layout, n_objects) for layout in seen])

    def _as_models(self, segmentation: np.ndarray) -> np.ndarray:
        """The condition's class ids as the model numbers them; unknown pixels are background to the model."""
        known = np.where(segmentation < len(self._object_ids), segmentation, 0)
        ids: np.ndarray = self._object_ids[known]
        return ids

    def _drawn_layouts(self, slots: Sequence[Slot], seeds: Sequence[int]) -> list[Any]:
        import torch

        assert self.size is not None
        own = [streams.seed_of(seed, "layout", 0) for seed in seeds]
        side = round(self.size * self.layout_scale)
        found: list[Any] = self._layouts.layouts(
            self._ids(slots, self._layout_class_ids),
            latents=torch.from_numpy(streams.normals(own, (len(self.objects), side, side))),
            min_area_px=self.config.min_area_px,
            num_inference_steps=self.config.layout_steps,
        )
        return found

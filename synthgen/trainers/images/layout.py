"""`use: layout`: trains a diffusion pipeline that draws new layouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.base.sizes import Size
from synthgen.errors import DataError
from synthgen.models.images.layout_pipeline import LayoutPipeline
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData
from synthgen.trainers.images import crops, replay
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.crop_settings import CropSettings
from synthgen.trainers.images.crops import Crops
from synthgen.trainers.images.diffusion import DiffusionConfig, DiffusionTask, DiffusionTrainer, unet
from synthgen.trainers.images.layout_to_image import layout_pictures
from synthgen.trainers.images.starting_model import Base
from synthgen.training import output
from synthgen.training.batches import step_generator
from synthgen.training.settings import table
from synthgen.training.task import Start, Task

N_PICTURES = 24


class LayoutTrainer(DiffusionTrainer):
    """Trains on masks or boxes alone; ends with a LayoutPipeline folder, its card and its images."""

    version: ClassVar[int] = 2

    class Config(CropSettings, DiffusionConfig):
        """Settings of `use: layout`."""

        data: MaskData = Field(description="Images with masks or boxes; only the sizes of the images are used.")
        crop: Size = Field(default=64, description="Side of the layouts in pixels, or their `[width, height]`.")
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


class _Task(DiffusionTask):
    def __init__(self, config: LayoutTrainer.Config, start: Start) -> None:
        base = self.base = bases.open_base(config, "LayoutPipeline", "layout")
        config = base.settings(config) if base else config
        self.data, *parts = reader.divided(config.data, start.seed)
        examples = self.data
        self.notes = examples.notes
        if base:
            _check(config, base)
        classes = base.all_classes(examples.classes) if base else list(examples.classes)
        self.training, held_out = (bases.relabelled_examples(part, classes) for part in parts)
        own = Crops(
            self.training, held_out, config.crop_shape, 1.0, config.turn, config.label_dropout, True, config.mirror
        )
        self.names: dict[int | str, str] = dict(enumerate(classes))
        self.objects = examples.objects
        source = replay.beside(own, base, config, config.crop_shape, start)
        super().__init__(config, source, base.deviation if base else crops.deviation(own), start)

    def network(self) -> UNet2DModel:
        if self.base is None:
            return unet(self.config.network, self.config.crop_shape, len(self.objects), 0, len(self.names) + 1, "crop")
        return self.base.network(self.base.with_new_classes(len(self.names) - len(self.base.classes), self.seed))

    def made_of(self, model: Any, scheduler: Any) -> LayoutPipeline:
        smooth = {"smooth": self.base.pipeline.config.smooth} if self.base else {}
        patch, scale = self.config.network.patch_size, self.config.data.scale
        return LayoutPipeline(
            model,
            scheduler,
            patch,
            self.names,
            self.objects,
            scale,
            **smooth,
            stuff=self.data.stuff,
            covered=self.data.covered,
            padding=self.config.network.padding,
        )

    def sample(self, pipeline: LayoutPipeline) -> tuple[np.ndarray, int]:
        labels = [i * len(self.names) // N_PICTURES for i in range(N_PICTURES)]
        random = step_generator(self.seed, "pictures", 0)
        noise = torch.randn(N_PICTURES, len(self.objects), *self.config.crop_shape, generator=random)
        drawn = pipeline(labels, latents=noise, output_type="pt").images
        return layout_pictures(drawn.mul(2).sub(1).cpu().numpy()), 6

    def card(self, title: str, settings: Mapping[str, Any], scores: Mapping[str, float]) -> str:
        height, width = (round(side / self.config.data.scale) for side in self.config.crop_shape)
        use = (
            f"Generates layouts of {', '.join(self.objects)} for images of about {width} x {height}. In a recipe: "
            "`sampler: {use: layout-to-image, layout_model: <this folder>, ...}`."
        )
        settings = {**settings, **table(self.config, "crop", "label_dropout")}
        result = output.Result(title, settings, scores, use, self.tuned_from)
        return output.mask_card(result, self.config.data, self.training)


def _check(config: LayoutTrainer.Config, base: Base) -> None:
    """Raises DataError if the data do not fit the base."""
    scale = float(base.pipeline.config.scale)
    base.check_objects(config.data.objects, config.data.regions)
    base.check_shape(config.crop_shape, "crop")
    if config.data.scale != scale:
        raise DataError(
            f"data.scale: is {config.data.scale}, and the base {base.name} generates at {scale}; set it to {scale}"
        )

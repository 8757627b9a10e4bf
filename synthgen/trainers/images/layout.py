"""`use: layout`: trains a diffusion pipeline that draws new layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.images.layout_pipeline import LayoutPipeline
from synthgen.parts.protocols import Source
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import MaskData
from synthgen.trainers.images import crops
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.crops import Crops
from synthgen.trainers.images.diffusion import DiffusionConfig, train_pipeline, unet
from synthgen.trainers.images.layout_to_image import layout_pictures
from synthgen.trainers.images.starting_model import Base
from synthgen.trainers.text_to_image import replay
from synthgen.training import loop, output

N_PICTURES = 24


class LayoutTrainer:
    """Trains on masks or boxes alone; ends with a LayoutPipeline folder, its card and its pictures."""

    version: ClassVar[int] = 1

    class Config(DiffusionConfig):
        """Settings of `use: layout`."""

        data: MaskData = Field(description="Images with masks or boxes; only the sizes of the images are used.")
        crop: int = Field(default=64, ge=16, description="Side of the layouts in pixels.")
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.identity()

    @property
    def sources(self) -> Sequence[Source]:
        return self.config.sources()

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the masks cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        base = bases.open_base(self.config, "LayoutPipeline", "layout")
        config = base.settings(self.config) if base else self.config
        examples = reader.read(config.data)
        if base:
            self._check(base)
        classes = base.all_classes(examples.classes) if base else list(examples.classes)
        training, held_out = (
            bases.relabelled_examples(part, classes) for part in examples.split(config.data.validation, seed)
        )
        own = Crops(training, held_out, config.crop, 1.0, config.turn, config.label_dropout, draw_layouts=True)
        names: dict[int | str, str] = dict(enumerate(classes))
        patch, n_objects = config.network.patch_size, len(training.objects)

        def make(model: Any, scheduler: Any) -> LayoutPipeline:
            smooth = {"smooth": base.pipeline.config.smooth} if base else {}
            return LayoutPipeline(model, scheduler, patch, names, training.objects, config.data.scale, **smooth)

        def draw(pipeline: LayoutPipeline) -> tuple[np.ndarray, int]:
            labels = [i * len(names) // N_PICTURES for i in range(N_PICTURES)]
            random = loop.step_generator(seed, "pictures", 0)
            noise = torch.randn(N_PICTURES, n_objects, config.crop, config.crop, generator=random)
            drawn = pipeline(labels, latents=noise, output_type="pt").images
            return layout_pictures(drawn.mul(2).sub(1).cpu().numpy()), 6

        def network() -> UNet2DModel:
            if base is None:
                return unet(config.network, config.crop, n_objects, 0, len(names) + 1)
            return base.network(base.with_new_classes(len(names) - len(base.classes)))

        trained = train_pipeline(
            config,
            replay.beside(own, base, config, config.crop, out, seed, device),
            network,
            deviation=base.deviation if base else crops.deviation(own),
            make=make,
            draw=draw,
            notes=training.notes,
            facts={"trainer version": self.version, "images": len(training) + len(held_out), **self.identity()},
            out=out,
            seed=seed,
            device=device,
            quiet=quiet,
        )
        settings = {**trained.settings, "crop": f"{config.crop} px", "label dropout": config.label_dropout}
        side = round(config.crop / config.data.scale)
        use = (
            f"Draws layouts of {', '.join(training.objects)} for pictures of about {side} x {side}. In a recipe: "
            "`sampler: {use: layout-to-image, layout_model: <this folder>, ...}`."
        )
        told = base.source if base else None
        text = output.mask_card(out.name, config.data, training, settings, trained.scores, use, told)
        return output.finish(out, lambda folder: trained.pipeline.to("cpu").save_pretrained(folder), text)

    def _check(self, base: Base) -> None:
        """Raises DataError if the data do not fit the base."""
        config, scale = self.config, float(base.pipeline.config.scale)
        base.check_objects(config.data.objects)
        base.check_side(config.crop, "crop")
        if config.data.scale != scale:
            raise DataError(
                f"data.scale: is {config.data.scale}, and the base {base.name} draws at {scale}; set it to {scale}"
            )

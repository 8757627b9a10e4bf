"""`use: layout`: trains a diffusion pipeline that draws new layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field

from synthgen.models.class_conditional import ClassConditionalPipeline
from synthgen.protocols import Source
from synthgen.realdata import masks
from synthgen.realdata.masks import MaskData
from synthgen.training import crops, loop, output
from synthgen.training.crops import Crops
from synthgen.training.diffusion import DiffusionConfig, DiffusionTask, unet
from synthgen.training.layout_to_image import layout_pictures
from synthgen.training.loop import Progress
from synthgen.training.monitor import Monitor
from synthgen.training.precision import choose_device

N_PICTURES = 24


class LayoutTrainer:
    """Trains on masks or boxes alone; ends with a ClassConditionalPipeline that draws layout channels."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

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
        return self.config.model_dump(mode="json")

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the masks cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        config = self.config
        training, held_out = masks.read(config.data).split(config.data.validation, seed)
        source = Crops(training, held_out, config.crop, 1.0, config.turn, config.label_dropout, draw_layouts=True)
        names: dict[int | str, str] = dict(enumerate(training.classes))
        patch, n_objects = config.network.patch_size, len(training.objects)

        def draw(pipeline: ClassConditionalPipeline) -> tuple[np.ndarray, int]:
            labels = [i * len(names) // N_PICTURES for i in range(N_PICTURES)]
            random = loop.step_generator(seed, "pictures", 0)
            noise = torch.randn(N_PICTURES, n_objects, config.crop, config.crop, generator=random)
            drawn = pipeline(labels, latents=noise, output_type="pt").images
            return layout_pictures(drawn.mul(2).sub(1).cpu().numpy()), 6

        work = output.work_folder(out)
        with Monitor(work, quiet) as monitor:
            task = DiffusionTask(
                config,
                source,
                network=lambda: unet(config.network, config.crop, n_objects, 0, len(names) + 1),
                deviation=crops.deviation(source),
                make=lambda model, scheduler: ClassConditionalPipeline(model, scheduler, patch, names),
                draw=draw,
                seed=seed,
                device=choose_device(device),
                monitor=monitor,
            )
            facts = {"seed": seed, "images": len(training) + len(held_out), **self.identity()}
            ema = loop.fit(task, config, work / "checkpoints", facts, Progress(monitor.on_step))
            pipeline = task.pipeline(ema)
            scores = task.validation(ema)
        settings = {
            "parameters": sum(p.numel() for p in pipeline.unet.parameters()),
            **config.settings(),
            "crop": f"{config.crop} px",
            "label dropout": config.label_dropout,
            "precision": task.precision,
            "seed": seed,
        }
        use = (
            f"Draws layouts of {', '.join(training.objects)}, {config.crop} x {config.crop} pixels, one channel an "
            "object class, which `synthgen.models.layouts.decode` turns into objects. In a recipe: "
            "`sampler: {use: layout-to-image, layout_model: <this folder>, ...}`."
        )
        text = output.mask_card(out.name, config.data, training, settings, scores, use)
        return output.finish(out, lambda folder: pipeline.to("cpu").save_pretrained(folder), text)

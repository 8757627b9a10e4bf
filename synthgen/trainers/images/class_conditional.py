"""`use: class-conditional`: trains a class-conditional image diffusion pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.images.class_conditional import ClassConditionalPipeline
from synthgen.models.images.classifier import to_tensor
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images.labelled import DataConfig, LabelledImages
from synthgen.trainers.images import replay
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.classifier import mirrored
from synthgen.trainers.images.diffusion import (
    N_VALIDATION,
    Batch,
    DiffusionConfig,
    DiffusionTask,
    DiffusionTrainer,
    unet,
)
from synthgen.trainers.images.starting_model import Base
from synthgen.training import output
from synthgen.training.batches import step_generator
from synthgen.training.settings import table
from synthgen.training.task import Start, Task


class ClassConditionalTrainer(DiffusionTrainer):
    """Trains on labelled images; ends with a ClassConditionalPipeline folder, its card and its images."""

    class Config(DiffusionConfig):
        """Settings of `use: class-conditional`."""

        data: DataConfig = Field(description="Labelled images.")
        resolution: int | None = Field(default=None, ge=4, description="Side of the images; by default as they are.")
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )
        flip: bool = Field(default=False, description="Mirror images at random; only if left and right mean nothing.")

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


class _Task(DiffusionTask):
    def __init__(self, config: ClassConditionalTrainer.Config, start: Start) -> None:
        base = self.base = bases.open_base(config, "ClassConditionalPipeline", "class-conditional")
        config = base.settings(config) if base else config
        images = _images(config, base)
        self.data, *parts = real_data.divided(config.data, images, start.seed)
        self.notes = self.data.notes
        classes = base.all_classes(images.classes) if base else list(images.classes)
        self.training, held_out = (bases.relabelled(part, classes) for part in parts)
        rows = np.random.default_rng(start.seed).permutation(len(held_out.labels))[:N_VALIDATION]
        own = LabelledSource(self.training, held_out.take(np.sort(rows)), config.flip, config.label_dropout)
        self.names: dict[int | str, str] = dict(enumerate(classes))
        self.side, self.channels = images.images.shape[1], images.images.shape[3]
        source = replay.beside(own, base, config, (self.side, self.side), start)
        super().__init__(config, source, base.deviation if base else sigma_data(self.training.images), start)

    def network(self) -> UNet2DModel:
        if self.base is None:
            return unet(self.config.network, (self.side, self.side), self.channels, 0, len(self.names) + 1)
        return self.base.network(self.base.with_new_classes(len(self.names) - len(self.base.classes)))

    def made_of(self, model: Any, scheduler: Any) -> ClassConditionalPipeline:
        network = self.config.network
        return ClassConditionalPipeline(model, scheduler, network.patch_size, self.names, network.padding)

    def sample(self, pipeline: ClassConditionalPipeline) -> tuple[np.ndarray, int]:
        n_columns = min(8, max(2, 64 // len(self.names)))
        labels = [label for label in range(len(self.names)) for _ in range(n_columns)]
        random = step_generator(self.seed, "pictures", 0)
        noise = torch.randn(len(labels), self.channels, self.side, self.side, generator=random)
        return pipeline(labels, latents=noise, output_type="uint8").images, n_columns

    def card(self, title: str, settings: Mapping[str, Any], scores: Mapping[str, float]) -> str:
        height, width = self.data.images.shape[1:3]
        use = (
            f"Generates {height} x {width} images of {len(self.names)} classes. "
            "In a recipe: `sampler: {use: class-conditional, model: <this folder>}`."
        )
        settings = {**settings, **table(self.config, "label_dropout")}
        result = output.Result(title, settings, scores, use, self.tuned_from)
        return output.card(result, self.config.data, self.training)


def _images(config: ClassConditionalTrainer.Config, base: Base | None) -> LabelledImages:
    """The training images, of the size and with the channels of the base if there is one.

    Raises:
        DataError: they cannot be read, or do not fit the base.
    """
    data, resolution = config.data, config.resolution
    if base is None:
        return real_data.read_training(data, resolution)
    channels = base.pipeline.channels
    side = resolution or base.pipeline.resolution
    base.check_shape((side, side), "resolution")
    images = real_data.read_training(data, side, 3 if channels == 3 else None)
    if images.images.shape[3] != channels:
        kinds = ["grey" if n == 1 else "in colours" for n in (images.images.shape[3], channels)]
        raise DataError(
            f"{data.path}: images are {kinds[0]}, and the base {base.name} generates images {kinds[1]}; "
            "change them, or train without `base`"
        )
    return images


class LabelledSource:
    """Batches of labelled images, mirrored at random if that is asked for."""

    def __init__(self, training: LabelledImages, held_out: LabelledImages, flip: bool, dropout: float) -> None:
        self.training, self.validation, self.flip, self.dropout = training, held_out, flip, dropout

    def __len__(self) -> int:
        return len(self.training.labels)

    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch:
        some = self.training.take(rows.numpy())
        x = to_tensor(some.images)
        return Batch(mirrored(x, random) if self.flip else x, torch.from_numpy(some.labels))

    def hide(self, batch: Batch, random: torch.Generator) -> Batch:
        hidden = torch.rand(len(batch.x), generator=random) < self.dropout
        return Batch(batch.x, torch.where(hidden, len(self.training.classes), batch.labels))

    def held_out(self) -> list[Batch]:
        images, labels = self.validation.images, self.validation.labels
        starts = range(0, len(labels), 128)
        return [Batch(to_tensor(images[i : i + 128]), torch.from_numpy(labels[i : i + 128])) for i in starts]


def sigma_data(images: np.ndarray) -> float:
    """Standard deviation of all pixels in [-1, 1], which EDM's preconditioning is built on."""
    return round(float(images.std()) / 127.5, 4)

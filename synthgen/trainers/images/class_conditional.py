"""`use: class-conditional`: trains a class-conditional image diffusion pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.images.class_conditional import ClassConditionalPipeline
from synthgen.models.images.classifier import to_tensor
from synthgen.readers import validation
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images import unlabelled
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
    Source,
    unet,
)
from synthgen.trainers.images.mixed import Mixed
from synthgen.trainers.images.starting_model import Base
from synthgen.trainers.images.unlabelled import of_no_class
from synthgen.training import output
from synthgen.training.batches import class_weights, step_generator
from synthgen.training.settings import UnlabelledShare, table
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
        class_balance: float = Field(
            default=0.0,
            ge=0,
            le=1,
            exclude_if=lambda value: not value,
            description="How much more often images of rare classes are drawn: 0 as they come, 1 every class equally "
            "often, 0.5 by the roots of their numbers.",
        )
        unlabelled_share: UnlabelledShare = 0.5

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


class _Task(DiffusionTask):
    def __init__(self, config: ClassConditionalTrainer.Config, start: Start) -> None:
        base = self.base = bases.open_base(config, "ClassConditionalPipeline", "class-conditional")
        config = base.settings(config) if base else config
        images = _images(config, base)
        classes = base.all_classes(images.classes) if base else list(images.classes)
        more, self.scored_on = None, output.HELD_OUT
        if config.data.unlabelled and config.data.validation != validation.SPLIT:
            self.images, self.scored_on = images, output.UNLABELLED
            more, unseen = unlabelled.read(config.data, images).split(config.data.validation, start.seed)
            self.training = bases.relabelled(images, classes)
            held_out = replace(self.training, images=unseen.images, labels=np.full(len(unseen), len(classes)))
        else:
            self.images, *parts = real_data.divided(config.data, images, start.seed)
            more = unlabelled.read(config.data, self.images) if config.data.unlabelled else None
            self.training, held_out = (bases.relabelled(part, classes) for part in parts)
        self.data = (self.images, more) if more else self.images
        self.unlabelled = len(more) if more else 0
        self.notes = [*self.images.notes, *(more.notes if more else ())]
        rows = np.random.default_rng(start.seed).permutation(len(held_out.labels))[:N_VALIDATION]
        shown = held_out.take(np.sort(rows))
        own: Source = LabelledSource(self.training, shown, config.flip, config.label_dropout, config.class_balance)
        if more:
            own = Mixed(own, of_no_class(more.images, len(classes), config.flip), config.unlabelled_share)
        self.names: dict[int | str, str] = dict(enumerate(classes))
        self.side, self.channels = images.images.shape[1], images.images.shape[3]
        source = replay.beside(own, base, config, (self.side, self.side), start)
        deviation = base.deviation if base else sigma_data(more.images if more else self.training.images)
        super().__init__(config, source, deviation, start)

    def network(self) -> UNet2DModel:
        if self.base is None:
            return unet(self.config.network, (self.side, self.side), self.channels, 0, len(self.names) + 1)
        return self.base.network(self.base.with_new_classes(len(self.names) - len(self.base.classes), self.seed))

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
        height, width = self.images.images.shape[1:3]
        use = (
            f"Generates {height} x {width} images of {len(self.names)} classes. "
            "In a recipe: `sampler: {use: class-conditional, model: <this folder>}`."
        )
        settings = {**settings, **table(self.config, "label_dropout", "class_balance")}
        if self.unlabelled:
            settings["images without labels"] = f"{self.unlabelled:,}, {self.config.unlabelled_share:.0%} of a batch"
        result = output.Result(title, settings, scores, use, self.tuned_from)
        return output.card(result, self.config.data, self.training, self.scored_on)


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
    """Batches of labelled images, mirrored at random if that is asked for.

    Args:
        balance: 0 to 1: how much more often images of rare classes are drawn.
    """

    def __init__(
        self, training: LabelledImages, held_out: LabelledImages, flip: bool, dropout: float, balance: float = 0.0
    ) -> None:
        self.training, self.validation, self.flip, self.dropout = training, held_out, flip, dropout
        self.weights = class_weights(torch.from_numpy(training.labels), balance) if balance else None

    def __len__(self) -> int:
        return len(self.training.labels)

    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch:
        if self.weights is not None:
            rows = torch.multinomial(self.weights, len(rows), replacement=True, generator=random)
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

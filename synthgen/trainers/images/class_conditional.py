"""`use: class-conditional`: trains a class-conditional image diffusion pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.images.class_conditional import ClassConditionalPipeline
from synthgen.models.images.classifier import to_tensor
from synthgen.parts.protocols import Source
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images.labelled import DataConfig, LabelledImages
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.diffusion import N_VALIDATION, Batch, DiffusionConfig, train_pipeline, unet
from synthgen.trainers.images.starting_model import Base
from synthgen.trainers.text_to_image import replay
from synthgen.training import loop, output


class ClassConditionalTrainer:
    """Trains on labelled images; ends with a ClassConditionalPipeline folder, its card and its pictures."""

    version: ClassVar[int] = 1

    class Config(DiffusionConfig):
        """Settings of `use: class-conditional`."""

        data: DataConfig = Field(description="Labelled images.")
        resolution: int | None = Field(default=None, ge=4, description="Side of the images; by default as they are.")
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )
        flip: bool = Field(default=False, description="Mirror images at random; only if left and right mean nothing.")

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
            DataError: the images cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        base = bases.open_base(self.config, "ClassConditionalPipeline", "class-conditional")
        config = base.settings(self.config) if base else self.config
        images = self._images(base)
        classes = base.all_classes(images.classes) if base else list(images.classes)
        training, held_out = (bases.relabelled(part, classes) for part in images.split(config.data.validation, seed))
        rows = np.random.default_rng(seed).permutation(len(held_out.labels))[:N_VALIDATION]
        own = LabelledSource(training, held_out.take(np.sort(rows)), config.flip, config.label_dropout)
        names: dict[int | str, str] = dict(enumerate(classes))
        side, channels, patch = images.images.shape[1], images.images.shape[3], config.network.patch_size

        def draw(pipeline: ClassConditionalPipeline) -> tuple[np.ndarray, int]:
            n_columns = min(8, max(2, 64 // len(names)))
            labels = [label for label in range(len(names)) for _ in range(n_columns)]
            random = loop.step_generator(seed, "pictures", 0)
            noise = torch.randn(len(labels), channels, side, side, generator=random)
            return pipeline(labels, latents=noise, output_type="uint8").images, n_columns

        def network() -> UNet2DModel:
            if base is None:
                return unet(config.network, side, channels, 0, len(names) + 1)
            return base.network(base.with_new_classes(len(names) - len(base.classes)))

        source = replay.beside(own, base, config, side, out, seed, device)
        trained = train_pipeline(
            config,
            source,
            network,
            deviation=base.deviation if base else sigma_data(training.images),
            make=lambda model, scheduler: ClassConditionalPipeline(model, scheduler, patch, names),
            draw=draw,
            facts={"trainer version": self.version, "images": len(images.labels), **self.identity()},
            out=out,
            seed=seed,
            device=device,
            quiet=quiet,
            notes=images.notes,
        )
        settings = {**trained.settings, "label dropout": config.label_dropout}
        use = (
            f"Draws {images.images.shape[1]} x {images.images.shape[2]} images of {len(classes)} classes. "
            "In a recipe: `sampler: {use: class-conditional, model: <this folder>}`."
        )
        told = base.source if base else None
        text = output.card(out.name, config.data, training, settings, trained.scores, use, told)
        return output.finish(out, lambda folder: trained.pipeline.to("cpu").save_pretrained(folder), text)

    def _images(self, base: Base | None) -> LabelledImages:
        """The training images, of the size and with the channels of the base if there is one.

        Raises:
            DataError: they cannot be read, or do not fit the base.
        """
        data, resolution = self.config.data, self.config.resolution
        if base is None:
            return real_data.read_training(data, resolution)
        channels = base.pipeline.channels
        side = resolution or base.pipeline.resolution
        base.check_side(side, "resolution")
        images = real_data.read_training(data, side, 3 if channels == 3 else None)
        if images.images.shape[3] != channels:
            kinds = ["grey" if n == 1 else "in colours" for n in (images.images.shape[3], channels)]
            raise DataError(
                f"{data.path}: pictures are {kinds[0]}, and the base {base.name} draws pictures {kinds[1]}; "
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
        if self.flip:
            mirrored = torch.rand(len(x), generator=random) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        return Batch(x, torch.from_numpy(some.labels))

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

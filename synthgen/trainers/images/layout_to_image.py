"""`use: layout-to-image`: trains a diffusion pipeline that draws images to fit layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field

from synthgen.errors import ModelError
from synthgen.models.images.layout_to_image import LayoutToImagePipeline
from synthgen.parts.protocols import Source
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Examples, MaskData
from synthgen.trainers.images import crops, styles
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.crops import Crops
from synthgen.trainers.images.diffusion import DiffusionConfig, train_pipeline, unet
from synthgen.trainers.images.starting_model import Base
from synthgen.trainers.text_to_image import replay
from synthgen.training import loop, output

CHANNELS = 3
N_PICTURES = 24


class LayoutToImageTrainer:
    """Trains on images with masks or boxes; ends with a LayoutToImagePipeline folder, its card and its pictures."""

    version: ClassVar[int] = 1

    class Config(DiffusionConfig):
        """Settings of `use: layout-to-image`."""

        data: MaskData = Field(description="Images with masks or boxes.")
        crop: int = Field(default=64, ge=16, description="Side of the training crops in pixels.")
        gamma: float = Field(
            default=1.0, gt=0, le=1, description="Pixels v become (v / 255)^gamma; 0.5 suits dark pictures."
        )
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )
        styles: int = Field(
            default=1,
            ge=1,
            le=1000,
            description="Kinds of exposure and stain that are told apart within the classes, by clustering.",
        )
        layout_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of layouts that are hidden, which guidance needs."
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
            DataError: the images cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        base = bases.open_base(self.config, "LayoutToImagePipeline", "layout-to-image")
        config = self._settings(base) if base else self.config
        training, held_out = reader.read(config.data).split(config.data.validation, seed)
        found = styles.find(training, held_out, config.styles, config.gamma)
        grey, classes, embeddings = grey_classes(training), list(training.classes), torch.empty(0)
        if base:
            classes = base.all_classes(training.classes)
            share = config.replay.share if config.replay else 0.0
            found, embeddings = bases.restyled(base, found, classes, training.classes, share)
            grey = _grey(base, classes, training.classes, grey)
        own = Crops(found.training, found.held_out, config.crop, config.gamma, config.turn, config.layout_dropout)
        names: dict[int | str, str] = dict(enumerate(classes))
        patch, n_objects = config.network.patch_size, len(training.objects)

        def make(model: Any, scheduler: Any) -> LayoutToImagePipeline:
            return LayoutToImagePipeline(
                model, scheduler, patch, config.gamma, training.objects, names, grey, found.class_of, found.shares
            )

        def network() -> UNet2DModel:
            if base is None:
                return unet(config.network, config.crop, CHANNELS, n_objects, len(found.class_of))
            return base.network(embeddings)

        trained = train_pipeline(
            config,
            replay.beside_layouts(own, base, config, config.crop, out, seed, device),
            network,
            deviation=base.deviation if base else crops.deviation(own),
            make=make,
            draw=lambda pipeline: pictures(pipeline, own, found.class_of, seed),
            notes=training.notes,
            facts={"trainer version": self.version, "images": len(training) + len(held_out), **self.identity()},
            out=out,
            seed=seed,
            device=device,
            quiet=quiet,
        )
        more = {"crop": f"{config.crop} px", "gamma": config.gamma, "layout dropout": config.layout_dropout}
        more["styles"] = len(found.class_of)
        settings = {**trained.settings, **more}
        use = (
            f"Draws RGB images to fit layouts of {', '.join(training.objects)}, in the styles "
            f"{', '.join(classes)}. In a recipe: `sampler: {{use: layout-to-image, model: <this folder>}}`."
        )
        told = base.source if base else None
        shown = bases.relabelled_examples(training, classes)
        text = output.mask_card(out.name, config.data, shown, settings, trained.scores, use, told)
        return output.finish(out, lambda folder: trained.pipeline.to("cpu").save_pretrained(folder), text)

    def _settings(self, base: Base) -> Config:
        """The settings with those that come from the base.

        Raises:
            DataError, ModelError: the data or settings do not fit the base.
        """
        config, gamma = base.settings(self.config), float(base.pipeline.config.gamma)
        base.check_objects(config.data.objects)
        base.check_side(config.crop, "crop")
        if "gamma" in config.model_fields_set and config.gamma != gamma:
            raise ModelError(f"gamma: comes from the base {base.name} and is {gamma}; leave it out")
        return config.model_copy(update={"gamma": gamma})


def _grey(base: Base, classes: Sequence[str], own: Sequence[str], own_grey: Sequence[int]) -> list[int]:
    """Ids of the classes without colour: the data decide for theirs, the base for the others."""
    names = {base.classes[i] for i in base.pipeline.config.grey} - set(own) | {own[i] for i in own_grey}
    return [i for i, name in enumerate(classes) if name in names]


def grey_classes(examples: Examples) -> list[int]:
    """Ids of the classes whose pictures are all grey."""
    coloured = {item.label for item in examples.items if (item.image != item.image[..., :1]).any()}
    return [label for label in range(len(examples.classes)) if label not in coloured]


def pictures(
    pipeline: LayoutToImagePipeline, source: Crops, class_of: Sequence[int], seed: int
) -> tuple[np.ndarray, int]:
    """Layout, drawn image and real image of some held-out crops, in rows of two triples."""
    batch = next(iter(source.held_out()))
    assert batch.layout is not None
    n = min(N_PICTURES // 2, len(batch.x))
    noise = torch.randn(batch.x[:n].shape, generator=loop.step_generator(seed, "pictures", 0))
    chosen = batch.labels[:n].tolist()
    classes = [class_of[style] for style in chosen]
    drawn = pipeline(batch.layout[:n], classes, chosen, latents=noise, output_type="uint8").images
    real = (batch.x[:n].add(1).div(2).pow(1 / source.gamma) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    shown = layout_pictures(batch.layout[:n].numpy())
    return np.stack([shown, drawn, real], axis=1).reshape(3 * n, *drawn.shape[1:]), 6


def layout_pictures(channels: np.ndarray) -> np.ndarray:
    """Layout channels (N, K, H, W) as pictures uint8 (N, H, W, 3); of more than three channels, the first three."""
    shown = np.zeros((len(channels), 3, *channels.shape[2:]), dtype=np.float32)
    if channels.shape[1] == 1:
        shown[:] = channels * 0.5 + 0.5
    else:
        shown[:, : min(3, channels.shape[1])] = channels[:, :3] * 0.5 + 0.5
    return (shown.clip(0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)

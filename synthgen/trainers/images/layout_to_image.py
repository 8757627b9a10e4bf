"""`use: layout-to-image`: trains a diffusion pipeline that draws images to fit layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field
from scipy import ndimage
from torch.nn import functional as F

from synthgen.errors import DataError, ModelError
from synthgen.models import folders
from synthgen.models.images.layout_to_image import LayoutToImagePipeline
from synthgen.readers import validation
from synthgen.readers.masks import reader, unlabelled
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.trainers.images import crops, replay, styles
from synthgen.trainers.images import starting_model as bases
from synthgen.trainers.images.alignment import Alignment, AlignmentSettings
from synthgen.trainers.images.crop_settings import CropSettings
from synthgen.trainers.images.crops import Crops
from synthgen.trainers.images.diffusion import (
    DiffusionConfig,
    DiffusionTask,
    DiffusionTrainer,
    Noised,
    Source,
    unet,
)
from synthgen.trainers.images.mixed import Mixed
from synthgen.trainers.images.starting_model import Base
from synthgen.trainers.images.unlabelled import held_out_without_layout, without_layout
from synthgen.training import output
from synthgen.training.batches import step_generator
from synthgen.training.settings import UnlabelledShare, table
from synthgen.training.task import Start, Task
from synthgen.vision import roughness
from synthgen.vision.foreground import unboxed
from synthgen.vision.palette import palette

CHANNELS = 3
N_PICTURES = 24
TRACES = {"roughness of the border": roughness.border, "highest frequency": roughness.highest_frequency}
MARGIN_PX = 2


class LayoutToImageTrainer(DiffusionTrainer):
    """Trains on images with masks or boxes; ends with a LayoutToImagePipeline folder, its card and its images."""

    class Config(CropSettings, DiffusionConfig):
        """Settings of `use: layout-to-image`."""

        data: MaskData = Field(description="Images with masks or boxes.")
        gamma: float = Field(
            default=1.0, gt=0, le=1, description="Pixels v become (v / 255)^gamma; 0.5 suits dark images."
        )
        styles: int = Field(
            default=1,
            ge=1,
            le=1000,
            description="Kinds of exposure and stain that are distinguished within the classes, by clustering.",
        )
        layout_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of layouts that are hidden, which guidance needs."
        )
        unlabelled_share: UnlabelledShare = 0.5
        ignore_unboxed: bool = Field(
            default=False,
            exclude_if=lambda value: not value,
            description="For data with objects that nobody boxed: what is not background and outside the boxes is left "
            "out of the loss, so that images are not taught to show objects without a box.",
        )
        alignment: AlignmentSettings | None = Field(
            default=None,
            exclude_if=lambda value: value is None,
            description="A segmenter that checks in training whether images follow their layouts.",
        )

    def identity(self) -> Mapping[str, Any]:
        facts, alignment = dict(super().identity()), self.config.alignment
        if alignment is not None:
            facts["alignment"] = {**facts["alignment"], "model": folders.source(alignment.model).sha256}
        return facts

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


class _Task(DiffusionTask):
    def __init__(self, config: LayoutToImageTrainer.Config, start: Start) -> None:
        base = self.base = bases.open_base(config, "LayoutToImagePipeline", "layout-to-image")
        config = _settings(config, base) if base else config
        self.unlabelled, self.scored_on, unseen = None, output.HELD_OUT, None
        if config.data.unlabelled and config.data.validation != validation.SPLIT:
            examples = reader.read(config.data)
            parts = (examples, examples, examples.take([]))
            self.scored_on, more = output.UNLABELLED, unlabelled.read(config.data, examples)
            self.unlabelled, unseen = more.split(config.data.validation, start.seed)
        else:
            parts = reader.divided(config.data, start.seed)
            self.unlabelled = unlabelled.read(config.data, parts[0]) if config.data.unlabelled else None
        examples, training, held_out = map(without_unboxed, parts) if config.ignore_unboxed else parts
        self.data = (examples, self.unlabelled.items) if self.unlabelled else examples
        self.notes = (*examples.notes, *(self.unlabelled.notes if self.unlabelled else ()))
        self.styles = styles.find(training, held_out, config.styles, config.gamma)
        self.grey, self.classes = grey_classes(training), list(training.classes)
        if base:
            self.classes = base.all_classes(training.classes)
            share = config.replay.share if config.replay else 0.0
            self.styles, self.embeddings = bases.restyled(
                base, self.styles, self.classes, training.classes, share, start.seed
            )
            self.grey = _grey(base, self.classes, training.classes, self.grey)
        self.training = bases.relabelled_examples(training, self.classes)
        found = self.styles
        shape, dropout = config.crop_shape, config.layout_dropout
        shown = found.training if unseen else found.held_out
        self.own = Crops(found.training, shown, shape, config.gamma, config.turn, dropout, mirror=config.mirror)
        source: Source = self.own
        if self.unlabelled:
            rest, scored = (
                styles.nearest(some.items, found.training, config.gamma) if some else None
                for some in (self.unlabelled, unseen)
            )
            assert rest is not None
            checked = held_out_without_layout(scored, self.own) if scored else None
            source = Mixed(source, without_layout(rest, self.own), config.unlabelled_share, checked)
        source = replay.beside(source, base, config, shape, start, layouts_too=True)
        super().__init__(config, source, base.deviation if base else crops.deviation(self.own), start)
        aligned = (examples.objects, examples.covered, config.gamma, start.device)
        self.alignment = Alignment(config.alignment, *aligned) if config.alignment else None

    def losses(self, batch: Noised) -> torch.Tensor:
        if self.alignment is None:
            return super().losses(batch)
        batch = batch.to(self.device)
        assert batch.layout is not None
        seen = self._denoised(self.model, batch)
        images = replace(seen, clean=F.pixel_shuffle(seen.clean, self.config.network.patch_size))
        return seen.losses + self.alignment.losses(images, batch.layout)

    def network(self) -> UNet2DModel:
        if self.base is not None:
            return self.base.network(self.embeddings)
        n_objects, n_styles = len(self.training.objects), len(self.styles.class_of)
        return unet(self.config.network, self.config.crop_shape, CHANNELS, n_objects, n_styles, "crop")

    def made_of(self, model: Any, scheduler: Any) -> LayoutToImagePipeline:
        return LayoutToImagePipeline(
            model,
            scheduler,
            self.config.network.patch_size,
            self.config.gamma,
            self.training.objects,
            dict(enumerate(self.classes)),
            self.grey,
            self.styles.class_of,
            self.styles.shares,
            self.training.stuff,
            self.config.network.padding,
        )

    def sample(self, pipeline: LayoutToImagePipeline) -> tuple[np.ndarray, int]:
        """Layout, generated image and real image of some crops, in rows of two triples: held-out ones, if there are."""
        shown, drawn, real = self._generated(pipeline)
        return np.stack([shown, drawn, real], axis=1).reshape(-1, *drawn.shape[1:]), 6

    def more_scores(self, pipeline: LayoutToImagePipeline) -> dict[str, float]:
        """Traces that networks leave, in generated images and in the real ones of the same layouts."""
        _, generated, real = self._generated(pipeline)
        return {
            f"{name}, {which}": measure(images)
            for name, measure in TRACES.items()
            for which, images in (("generated", generated), ("real", real))
        }

    def _generated(self, pipeline: LayoutToImagePipeline) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Some of these crops, uint8 (N, H, W, 3): the layout to look at, the image generated for it, the real one."""
        batch = next(iter(self.own.held_out()))
        assert batch.layout is not None
        n = min(N_PICTURES // 2, len(batch.x))
        noise = torch.randn(batch.x[:n].shape, generator=step_generator(self.seed, "pictures", 0))
        chosen = batch.labels[:n].tolist()
        classes = [self.styles.class_of[style] for style in chosen]
        drawn = pipeline(batch.layout[:n], classes, chosen, latents=noise, output_type="uint8").images
        pixels = batch.x[:n].add(1).div(2).pow(1 / self.config.gamma) * 255
        real = pixels.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return layout_pictures(batch.layout[:n].numpy()), drawn, real

    def card(self, title: str, settings: Mapping[str, Any], scores: Mapping[str, float]) -> str:
        use = (
            f"Generates RGB images to fit layouts of {', '.join(self.training.objects)}, in the styles "
            f"{', '.join(self.classes)}. In a recipe: `sampler: {{use: layout-to-image, model: <this folder>}}`."
        )
        more = {**table(self.config, "crop", "gamma", "layout_dropout"), "styles": len(self.styles.class_of)}
        if self.unlabelled:
            share = f"{self.config.unlabelled_share:.0%} of a batch"
            more["images without masks"] = f"{len(self.unlabelled):,}, {share}"
        more |= {"foreground outside the boxes": "left out of the loss"} if self.config.ignore_unboxed else {}
        result = output.Result(title, {**settings, **more}, scores, use, self.tuned_from)
        return output.mask_card(result, self.config.data, self.training, self.scored_on)


def _settings(config: LayoutToImageTrainer.Config, base: Base) -> LayoutToImageTrainer.Config:
    """The settings with those that come from the base.

    Raises:
        DataError, ModelError: the data or settings do not fit the base.
    """
    config, gamma = base.settings(config), float(base.pipeline.config.gamma)
    base.check_objects(config.data.objects, config.data.regions)
    base.check_shape(config.crop_shape, "crop")
    if "gamma" in config.model_fields_set and config.gamma != gamma:
        raise ModelError(f"gamma: comes from the base {base.name} and is {gamma}; leave it out")
    return config.model_copy(update={"gamma": gamma})


def _grey(base: Base, classes: Sequence[str], own: Sequence[str], own_grey: Sequence[int]) -> list[int]:
    """Ids of the classes without colour: the data decide for theirs, the base for the others."""
    names = {base.classes[i] for i in base.pipeline.config.grey} - set(own) | {own[i] for i in own_grey}
    return [i for i, name in enumerate(classes) if name in names]


def without_unboxed(examples: Examples) -> Examples:
    """The images with what no box covers marked as unknown.

    Raises:
        DataError: the data have masks, which say of every pixel what it shows.
    """
    if any(item.boxes is None for item in examples.items):
        raise DataError("ignore_unboxed: is for data with boxes, and these have masks; leave it out")

    def marked(item: Example) -> Example:
        assert item.boxes is not None
        _, outside = unboxed(item.image, item.boxes, MARGIN_PX)
        return replace(item, known=~ndimage.binary_dilation(outside, iterations=MARGIN_PX))

    items = tuple(marked(item) for item in examples.items)
    known = np.mean([item.known.mean() for item in items if item.known is not None])
    share = f"{100 - 100 * known:.1f} %"
    note = f"{share} of the pixels are foreground outside the boxes, or next to it, and left out of the loss"
    return replace(examples, items=items, notes=(*examples.notes, note))


def grey_classes(examples: Examples) -> list[int]:
    """Ids of the classes whose images are all grey."""
    coloured = {item.label for item in examples.items if (item.image != item.image[..., :1]).any()}
    return [label for label in range(len(examples.classes)) if label not in coloured]


def layout_pictures(channels: np.ndarray) -> np.ndarray:
    """Layout channels (N, K, H, W) as images uint8 (N, H, W, 3): of several, each in the colour of its class id.

    Colours are as bright as the channel that is highest; one channel is grey.
    """
    best = channels.argmax(1)
    value = np.take_along_axis(channels, best[:, None], 1)[:, 0, ..., None].clip(-1, 1) * 0.5 + 0.5
    colours = np.full((1, 3), 255) if channels.shape[1] == 1 else np.array(palette()[1:])
    pictures: np.ndarray = (value * colours[best]).astype(np.uint8)
    return pictures

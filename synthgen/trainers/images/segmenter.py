"""`use: segmenter`: trains a small U-Net that finds objects, to filter samples or evaluate datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch.nn import functional as F

from synthgen.base.sizes import Size
from synthgen.base.units import plural
from synthgen.errors import ModelError
from synthgen.fields import IGNORE
from synthgen.models import folders, registry
from synthgen.models.images import activations
from synthgen.models.images.segmenter import Segmenter
from synthgen.parts.protocols import Source
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.trainers.images import augment
from synthgen.trainers.images.augment import AugmentSettings
from synthgen.trainers.images.crop_settings import CropSettings, check_multiple
from synthgen.trainers.images.crops import crop, tiles
from synthgen.training import batches, output
from synthgen.training.ema import Ema
from synthgen.training.precision import choose_precision
from synthgen.training.real_scores import NAME, RealScores
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Start, Task
from synthgen.training.trainer import GradientTrainer
from synthgen.vision.confusion import Confusion, class_score
from synthgen.vision.matching import Match

EYES = ("ClassConditionalPipeline", "LayoutToImagePipeline")
MIN_CLASS_LOSS = 1e-3
MIN_COUNTED = 1e-3


class SegmenterTrainer(GradientTrainer):
    """Trains on images with masks; ends with a Segmenter folder and its card."""

    class Config(CropSettings, AugmentSettings, LoopConfig):
        """Settings of `use: segmenter`."""

        data: MaskData = Field(description="Images with masks.")
        crop: Size = Field(default=96, description="Side of the training crops in pixels, or their `[width, height]`.")
        widths: list[int] = Field(
            default=[24, 48, 96], min_length=1, description="Channels of each level, multiples of 8."
        )
        class_balance: float = Field(
            default=0.0,
            ge=0,
            le=1,
            exclude_if=lambda value: not value,
            description="Pixels count in proportion to their class's share of all pixels to the power of minus this: "
            "0 leaves thin and rare classes to the last, 1 makes all classes equal.",
        )
        features: str | None = Field(
            default=None,
            exclude_if=lambda value: value is None,
            description="A diffusion model of such images, class-conditional or layout-to-image. What it sees, frozen, "
            "is given to the network beside the pixels: for few masks, with `widths` of one or two levels.",
        )

        @model_validator(mode="after")
        def _has_objects(self) -> SegmenterTrainer.Config:
            if self.copy_paste and self.data.is_semantic:
                raise ValueError("`copy_paste` puts objects into images, and the data have none; leave it out")
            return self

    def identity(self) -> Mapping[str, Any]:
        hashes = {"features": self.sources[0].sha256} if self.config.features else {}
        return {**super().identity(), **hashes}

    @property
    def sources(self) -> Sequence[Source]:
        return (folders.source(self.config.features),) if self.config.features else ()

    def task(self, start: Start) -> Task:
        data = self.config.data
        data.require_masks("a segmenter")
        return SegmenterTask(self.config, *reader.divided(data, start.seed), start.seed, start.device)


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Crops, what the network shall say of them, and what a pixel counts in the loss of the whole batch.

    Attributes:
        x: (B, 3, H, W); classes: ids (B, H, W), 255 is unknown; distances: (B, H, W), -1 off the objects.
        shares: (B, 2), the weight of the image over the number of the batch's known pixels, weighted by class, and over
            that of pixels of objects.
    """

    x: torch.Tensor
    classes: torch.Tensor
    distances: torch.Tensor
    shares: torch.Tensor


class SegmenterTask(Task):
    """Cross-entropy of known pixels and absolute error of distances inside objects, means over a batch's pixels."""

    stream: ClassVar[str] = "augment"
    summed: ClassVar[bool] = True

    def __init__(
        self,
        config: SegmenterTrainer.Config,
        data: Examples,
        training: Examples,
        held_out: Examples,
        seed: int,
        device: str,
    ) -> None:
        self.data, self.notes, self.config = data, data.notes, config
        self.training, self.held_out = training, held_out
        self.metric = (f"validation {'mIoU' if training.is_semantic else 'dice'}", "maximize")
        self.class_weights = class_weights(training, config.class_balance)
        self.alike = _alike(training)
        self.eyes = _eyes(config.features) if config.features else None
        super().__init__(config, len(training), seed, device, choose_precision("auto", device))
        n_levels = plural(len(config.widths), "level")
        user = f"{n_levels} of `widths`" + (f" and {config.features}" if config.features else "")
        check_multiple(config.crop_shape, self.model.unit_px, "crop", user)

    def learn_from(self, examples: Examples) -> None:
        """Later batches are made of these."""
        self.training, self.batches = examples, replace(self.batches, n=len(examples))
        self.class_weights = class_weights(examples, self.config.class_balance)
        self.alike = _alike(examples)

    def network(self, losses: Sequence[float] = ()) -> Any:
        facts = activations.facts_of(self.eyes) if self.eyes else None
        objects, stuff = list(self.training.objects), list(self.training.stuff)
        network: Any = Segmenter(objects, self.config.widths, list(losses), stuff, facts, self.training.range)
        if self.eyes:
            network.activations.unet.load_state_dict(activations.unconditional(self.eyes))
        return network

    def batch(self, step: int, random: torch.Generator) -> Batch:
        rows = self.batches.rows(step).tolist()
        items = [self.view(i, random) for i in rows]
        classes = np.stack([item.layout.segmentation for item in items if item.layout is not None])
        distances = np.stack([item.distances(len(self.training.objects)) for item in items])
        known, weights = classes[classes != IGNORE], self.class_weights
        counted = len(known) if weights is None else float(weights[known.astype(np.int64)].sum())
        counts = torch.tensor([max(counted, MIN_COUNTED), max(int((distances >= 0).sum()), 1)])
        x = torch.cat([self.model.pixels(item.image[None]) for item in items])
        shares = torch.tensor([item.weight for item in items])[:, None] / counts
        return Batch(x, torch.from_numpy(classes).long(), torch.from_numpy(distances), shares)

    def view(self, row: int, random: torch.Generator) -> Example:
        """A training image as one batch sees it."""
        config = self.config
        window = augment.window(config.crop_shape, config.zoom, random)
        item = self.training.items[row]
        part = crop(item, window, random, config.turn, config.mirror)
        if config.copy_paste and float(torch.rand((), generator=random)) < config.copy_paste:
            alike = self.alike[item.label]
            source = self.training.items[alike[int(torch.randint(len(alike), (), generator=random))]]
            part = augment.pasted(part, source, config.turn, config.mirror, random)
        return augment.jittered(augment.magnified(part, config.crop_shape), config.colour_jitter, random)

    def losses(self, batch: Batch) -> torch.Tensor:
        batch = batch.to(self.device)
        with self.autocast():
            logits, predicted = self.model(batch.x)
        weights = None if self.class_weights is None else self.class_weights.to(self.device)
        pixels = F.cross_entropy(logits.float(), batch.classes, weights, ignore_index=IGNORE, reduction="none")
        errors = (predicted.float() - batch.distances).abs() * (batch.distances >= 0)
        total: torch.Tensor = pixels.sum((1, 2)) * batch.shares[:, 0] + errors.sum((1, 2)) * batch.shares[:, 1]
        return total

    def validation(self, ema: Ema) -> dict[str, float]:
        """Agreement with the masks of whole held-out images, means over the images."""
        return {f"validation {name}": value for name, value in agreement(self.averaged(ema), self.held_out).items()}

    def finish(self, ema: Ema, title: str) -> Made:
        losses = class_losses(self.averaged(ema), self.held_out)
        names = ("background", *self.training.objects)
        scores = self.validation(ema) | {
            f"cross-entropy, {name}": loss for name, loss in zip(names, losses, strict=True)
        }
        network = self.averaged(ema, self.network(losses))
        seen = {"activations of": self.config.features} if self.config.features else {}
        settings = self.settings(network, seen, "widths", "crop", "steps", "batch_size", "learning_rate")
        use = (
            f"Finds {', '.join(self.training.objects)} in images. "
            "In a recipe: `labelers: [{use: segmenter, model: <this folder>}]`."
        )
        real = real_scores(network, self.held_out, self.config.crop_shape)
        source = folders.source(self.config.features) if self.config.features else None
        result = output.Result(title, settings, scores, use, source, real)
        card = output.mask_card(result, self.config.data, self.training)
        return self.made(network, card)


def _alike(examples: Examples) -> Mapping[int, Sequence[int]]:
    """Rows of the images of each class of images."""
    found: dict[int, list[int]] = {}
    for row, item in enumerate(examples.items):
        found.setdefault(item.label, []).append(row)
    return found


def _eyes(name: str) -> Any:
    """The diffusion model whose activations are seen. Raises ModelError if it is of no kind that can be."""
    folder = folders.resolve(name)
    kind = folders.read_index(folder).get("_class_name")
    if kind not in EYES:
        raise ModelError(f"features: {name} holds a {kind}; {' or '.join(EYES)} is needed, a diffusion model of images")
    return registry.load_pipeline(folder, "cpu", torch.float32)


def class_weights(examples: Examples, balance: float) -> torch.Tensor | None:
    """What a pixel of each class counts, background first: its class's share of pixels to the power of -`balance`.

    Scaled so that the mean over all known pixels is 1; 0 for classes without any. None if all count the same.
    """
    if not balance:
        return None
    counts = examples.class_pixels
    shares = counts / max(counts.sum(), 1)
    found = np.where(shares > 0, np.maximum(shares, 1e-12) ** -balance, 0)
    return torch.from_numpy(found / max((shares * found).sum(), 1e-12)).float()


def agreement(model: Any, examples: Examples) -> dict[str, float]:
    """How well a segmenter's answers agree with the masks of images.

    Of objects, means over images: Dice of object against background, IoU of objects, panoptic quality, AJI. Of maps
    without objects, over all pixels: mean IoU, pixel accuracy, and the IoU of each class.
    """
    layouts = [(item.layout, model.segment(item.image[None])[0]) for item in examples.items if item.layout is not None]
    if examples.is_semantic:
        n = len(examples.objects)
        total = sum(
            (Confusion.of(true.segmentation, found.segmentation, n) for true, found in layouts), Confusion.none(n)
        )
        classes = zip(examples.objects, total.iou[1:], strict=True)
        by_class = {f"IoU of {name}": float(value) for name, value in classes if np.isfinite(value)}
        return {"mIoU": total.mean_iou, "pixel accuracy": total.pixel_accuracy, **by_class}
    matches = [Match(true.instances, found.instances, true.segmentation == IGNORE) for true, found in layouts]
    rows = [(m.dice, m.mean_iou, m.panoptic_quality, m.aggregated_jaccard) for m in matches]
    means = np.mean(rows, axis=0)
    return dict(zip(("dice", "object IoU", "PQ", "AJI"), map(float, means), strict=True))


def real_scores(model: Any, examples: Examples, shape: tuple[int, int]) -> RealScores:
    """What the scorer of samples, `class-agreement` or `mask-agreement`, says of real images in parts of `shape`."""
    parts = [part for item in examples.items for part in tiles(item, shape)]
    pairs = [(part.layout, model.segment(part.image[None])[0]) for part in parts if part.layout is not None]
    images = f"parts of {shape[1]} x {shape[0]} pixels of {len(examples)} held-out real images"
    if not examples.is_semantic:
        scores = [Match(true.instances, found.instances).scores for true, found in pairs]
        scorer = {"use": "mask-agreement", "predicted": "segmenter_instances"}
        return RealScores.measured(images, scores, ("iou", "dice"), ("missed", "extra"), scorer=scorer)
    ids = {name: i for i, name in enumerate(examples.objects, start=1)}
    tables = [Confusion.of(true.segmentation, found.segmentation, len(ids)) for true, found in pairs]
    scores = [one.scores(ids) for one in tables]
    shown = {class_score(name): [bool(one.pixels[i]) for one in tables] for name, i in ids.items()}
    scorer = {"use": "class-agreement"}
    real = RealScores.measured(images, scores, ("miou", "accuracy", *shown), shown=shown, scorer=scorer)
    ruled = {rule.score for rule in real.of_classes}
    classes = [name for name in ids if f"{NAME}_{class_score(name)}" in ruled]
    return replace(real, scorer={**real.scorer, "classes": classes}) if classes else real


def class_losses(model: Any, examples: Examples) -> list[float]:
    """Mean cross-entropy of each class's pixels on real images, background first, which FreeMask's rule needs.

    A class that the images do not show has the largest loss of the others: rare classes are found worst.
    """
    sums, counts = np.zeros(len(examples.objects) + 1), np.zeros(len(examples.objects) + 1)
    for item in examples.items:
        assert item.layout is not None
        probabilities, _ = model.outputs(item.image[None])
        losses = pixel_losses(probabilities[0], item.layout.segmentation)
        for cls in range(len(sums)):
            inside = item.layout.segmentation == cls
            sums[cls] += losses[inside].sum()
            counts[cls] += inside.sum()
    means = np.maximum(sums / np.maximum(counts, 1), MIN_CLASS_LOSS)
    return [round(float(loss), 5) for loss in np.where(counts > 0, means, means.max())]


def pixel_losses(probabilities: np.ndarray, segmentation: np.ndarray) -> np.ndarray:
    """Cross-entropy of every pixel (H, W), given probabilities (n_classes, H, W) and class ids; 0 where unknown."""
    known = np.where(segmentation == IGNORE, 0, segmentation)
    chosen = np.take_along_axis(probabilities, known[None].astype(np.int64), 0)[0]
    return np.where(segmentation == IGNORE, 0.0, -np.log(np.maximum(chosen, 1e-12)))

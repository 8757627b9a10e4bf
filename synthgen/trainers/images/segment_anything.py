"""`use: segment-anything`: trains a small Sam for one kind of image, with box and point prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch.nn import functional as F

from synthgen.base.settings import Settings
from synthgen.models.segment_anything.network import SegmentAnything, prompt_masks, stretched
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, MaskData
from synthgen.trainers.images.crops import crop
from synthgen.training import batches, output
from synthgen.training.batches import step_generator
from synthgen.training.ema import Ema
from synthgen.training.precision import choose_precision
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Start, Task
from synthgen.training.trainer import GradientTrainer
from synthgen.vision.layouts import boxes_of, central_point

N_PROMPTS = 6
N_EMPTY = 2
JITTER = 0.08
MIN_AREA_PX = 8
FOCAL_WEIGHT = 20.0
N_VIEWS = 1


class EncoderConfig(Settings):
    """Shape of the network."""

    image_size: int = Field(default=128, ge=32, description="Side of the images that it sees, in pixels.")
    patch_size: int = Field(default=8, ge=2, description="Side of a token in pixels.")
    embed_dim: int = Field(default=128, ge=8, description="Width of the image encoder.")
    depth: int = Field(default=6, ge=1, description="Blocks of the image encoder.")
    num_heads: int = Field(default=4, ge=1, description="Attention heads of the image encoder.")
    global_attn_indexes: list[int] = Field(default=[2, 5], description="Blocks that attend over the whole image.")
    window_size: int = Field(default=8, ge=1, description="Window of the other blocks, in tokens.")
    prompt_dim: int = Field(default=64, ge=16, description="Width of prompts and mask decoder.")
    mask_in_chans: int = Field(default=8, ge=4, description="Width of the encoder of mask prompts.")
    decoder_mlp_dim: int = Field(default=256, ge=8, description="Width inside the decoder's blocks.")
    decoder_heads: int = Field(default=4, ge=1, description="Attention heads of the decoder.")
    iou_hidden_dim: int = Field(default=64, ge=8, description="Width inside the head that predicts IoUs.")


class SegmentAnythingTrainer(GradientTrainer):
    """Trains on images with masks; ends with a SegmentAnything folder and its card."""

    class Config(LoopConfig):
        """Settings of `use: segment-anything`."""

        data: MaskData = Field(description="Images with masks.")
        network: EncoderConfig = Field(default=EncoderConfig(), description="Shape of the network.")
        crop: int = Field(
            default=128, ge=16, description="Side of the training crops in pixels; they are scaled to `image_size`."
        )
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )
        stretch: bool = Field(
            default=False, description="Stretch the contrast of each image, and of those it is used on later."
        )

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Crops with their prompts (`prompts`); `shares` (B,): one over the number of the batch's prompts."""

    views: Sequence[Example]
    prompts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
    shares: torch.Tensor


class _Task(Task):
    stream: ClassVar[str] = "augment"
    summed: ClassVar[bool] = True
    metric = ("validation IoU, box prompts", "maximize")

    def __init__(self, config: SegmentAnythingTrainer.Config, start: Start) -> None:
        config.data.require_masks("segment-anything")
        self.data, self.training, self.held_out = reader.divided(config.data, start.seed)
        self.notes, self.config = self.data.notes, config
        super().__init__(config, len(self.training), start.seed, start.device, choose_precision("auto", start.device))

    def network(self) -> Any:
        return SegmentAnything(**self.config.network.model_dump())

    def batch(self, step: int, random: torch.Generator) -> Batch:
        views = [self._view(self.training.items[i], random) for i in self.batches.rows(step).tolist()]
        prompted = [prompts(item, random) for item in views]
        n = sum(len(boxes) + len(truth) for boxes, _, truth in prompted)
        return Batch(views, prompted, torch.full((len(views),), 1 / max(n, 1)))

    def _view(self, item: Example, random: torch.Generator) -> Example:
        side = self.config.crop
        return resized(crop(item, (side, side), random, self.config.turn), self.config.network.image_size)

    def _picture(self, item: Example) -> torch.Tensor:
        image = stretched(item.image) if self.config.stretch else item.image
        return torch.from_numpy(image).permute(2, 0, 1).float().to(self.device)

    def losses(self, batch: Batch) -> torch.Tensor:
        sam = self.model.sam
        with self.autocast():
            embeddings = sam.image_encoder(torch.stack([sam.preprocess(self._picture(view)) for view in batch.views]))
            pairs = zip(embeddings, batch.prompts, strict=True)
            sums = torch.stack([self._loss(embedding[None], *prompted) for embedding, prompted in pairs])
        return sums * batch.shares.to(self.device)

    def _loss(
        self, embedding: torch.Tensor, boxes: torch.Tensor, points: torch.Tensor, truth: torch.Tensor
    ) -> torch.Tensor:
        """The sum of the losses of an image's prompts: of all boxes, then of all points."""
        where = (points[:, None].to(self.device), torch.ones(len(points), 1, device=self.device))
        total = torch.zeros((), device=self.device)
        for point, box, wanted in ((None, boxes.to(self.device), truth[: len(boxes)]), (where, None, truth)):
            if len(wanted):
                logits, ious = prompt_masks(self.model.sam, embedding, point, box)
                total = total + mask_loss(logits.float(), ious.float(), wanted.to(self.device)).sum()
        return total

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Mean IoU of masks prompted by exact boxes and by the most central points, on held-out crops."""
        model = self.averaged(ema)
        random = step_generator(self.seed, "validation", 0)
        found: dict[str, list[float]] = {"box": [], "point": []}
        for item in [self._view(item, random) for item in self.held_out.items for _ in range(N_VIEWS)]:
            assert item.layout is not None
            boxes, ids = boxes_of(item.layout.instances)
            if not len(ids):
                continue
            image = stretched(item.image) if self.config.stretch else item.image
            predictor = model.predictors([image])[0]
            truth = item.layout.instances[None] == ids[:, None, None]
            points = np.stack([central_point(mask) for mask in truth])
            for name, given in (("box", (boxes, None)), ("point", (None, points))):
                drawn = model.masks(predictor, *given)[0]
                shared, joined = (drawn & truth).sum((1, 2)), (drawn | truth).sum((1, 2))
                found[name] += (shared / np.maximum(joined, 1)).tolist()
        return {f"validation IoU, {name} prompts": float(np.mean(values)) for name, values in found.items()}

    def finish(self, ema: Ema, title: str) -> Made:
        config, network, scores = self.config, self.averaged(ema), self.validation(ema)
        rows = ("crop", "steps", "batch_size", "learning_rate", ("contrast stretched", "stretch"))
        settings = self.settings(network, config.network.model_dump(), *rows)
        stretch = ", stretch: true" if config.stretch else ""
        use = (
            f"A small Segment Anything model for {', '.join(self.training.objects)}: `SegmentAnything.sam` is what "
            "`SamPredictor` and `SamAutomaticMaskGenerator` take. "
            f"In a recipe: `labelers: [{{use: segment-anything, model: <this folder>{stretch}}}]`."
        )
        card = output.mask_card(output.Result(title, settings, scores, use), config.data, self.training)
        return self.made(network, card)


def resized(item: Example, side: int) -> Example:
    """The example at `side` x `side` pixels: the image smoothly, its objects by nearest pixels."""

    def change(array: np.ndarray) -> np.ndarray:
        if array.shape[0] == side:
            return array
        if array.ndim == 3:
            return np.array(Image.fromarray(array).resize((side, side), Image.Resampling.BILINEAR))
        rows = ((np.arange(side) + 0.5) * (len(array) / side)).astype(int)
        nearest: np.ndarray = array[np.ix_(rows, rows)]
        return nearest

    return item.map(change)


def prompts(item: Example, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Up to `N_PROMPTS` objects of a crop as jittered boxes (N, 4) and as points (N + E, 2), with their masks.

    The last E points and masks stand for empty background: their masks are empty.
    """
    assert item.layout is not None
    instances = item.layout.instances
    boxes, ids = boxes_of(instances)
    areas = np.bincount(instances.ravel())[ids] if len(ids) else np.zeros(0)
    boxes, ids = boxes[areas >= MIN_AREA_PX], ids[areas >= MIN_AREA_PX]
    chosen = torch.randperm(len(ids), generator=random)[:N_PROMPTS].numpy()
    some = torch.from_numpy(boxes[chosen])
    sides = (some[:, 2:] - some[:, :2]).repeat(1, 2)
    some = some + sides * JITTER * torch.randn(some.shape, generator=random).clamp(-2, 2)
    points, truth = [], []
    for number in ids[chosen]:
        points.append(_pick(instances == number, random))
        truth.append(torch.from_numpy(instances == number))
    empty = instances == 0
    for _ in range(N_EMPTY if empty.any() else 0):
        points.append(_pick(empty, random))
        truth.append(torch.zeros(instances.shape, dtype=torch.bool))
    return some, torch.tensor(points, dtype=torch.float32).reshape(-1, 2), torch.stack(truth)


def _pick(mask: np.ndarray, random: torch.Generator) -> tuple[float, float]:
    """A random pixel of a mask, as x and y of its centre."""
    places = np.flatnonzero(mask)
    y, x = divmod(int(places[int(torch.randint(0, len(places), (), generator=random))]), mask.shape[1])
    return x + 0.5, y + 0.5


def mask_loss(logits: torch.Tensor, ious: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Loss of each prompt, (N,): its single mask, the best of its three others, and all predicted IoUs.

    Args:
        logits: (N, 4, H, W); ious: (N, 4); truth: bool (N, H, W), empty where there is no object.

    Source: Kirillov et al. 2023, "Segment Anything", appendix A (20 focal + 1 dice, the smallest of three, squared
    error of the IoU). That empty background has an IoU of 0 is ours.
    """
    wanted = truth[:, None].float().expand_as(logits)
    bce = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    probability = logits.sigmoid()
    agreed = probability * wanted + (1 - probability) * (1 - wanted)
    focal = ((1 - agreed) ** 2 * bce).mean((2, 3))
    dice = 1 - (2 * (probability * wanted).sum((2, 3)) + 1) / (probability.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    each = FOCAL_WEIGHT * focal + dice
    with torch.no_grad():
        found = logits > 0
        shared = (found & truth[:, None]).sum((2, 3))
        actual = shared / (found | truth[:, None]).sum((2, 3)).clamp_min(1)
    there = truth.flatten(1).any(1)
    error = (ious - actual).square().mean(1)
    return (each[:, 0] + each[:, 1:].amin(1)) * there + error

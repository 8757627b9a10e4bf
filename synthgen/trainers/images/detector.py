"""`use: detector`: trains a small network that finds boxes, to filter samples or evaluate datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import Field, model_validator
from torchvision.ops import generalized_box_iou_loss

from synthgen.errors import DataError
from synthgen.models.images.detections import BoxMatch, average_precision
from synthgen.models.images.detector import Detector
from synthgen.models.images.unet import prepare
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.trainers.images.augment import JitterSettings, jittered
from synthgen.trainers.images.crops import crop, tiles
from synthgen.training import batches, output
from synthgen.training.ema import Ema
from synthgen.training.precision import choose_precision
from synthgen.training.real_scores import RealScores
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Start, Task
from synthgen.training.trainer import GradientTrainer

GAUSSIAN_SHARE = 0.54 / 6
"""Standard deviation of a centre's Gaussian over the box's side (TTFNet, section 3.2)."""
MIN_SIGMA_PX = 1.0
MIN_VISIBLE = 0.25
BOX_WEIGHT = 5.0
SETTLED = 0.4
LOW_SCORE = 0.05
THRESHOLDS = np.round(np.arange(0.1, 0.75, 0.05), 2)


class DetectorTrainer(GradientTrainer):
    """Trains on images with boxes; ends with a Detector folder and its card."""

    class Config(LoopConfig, JitterSettings):
        """Settings of `use: detector`."""

        data: MaskData = Field(description="Images with boxes.")
        crop: int = Field(default=96, ge=16, description="Side of the training crops in pixels.")
        widths: list[Annotated[int, Field(ge=8, multiple_of=8)]] = Field(
            default=[16, 32, 64, 96], min_length=2, description="Channels of each level, multiples of 8."
        )
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )
        unlabelled: float = Field(
            default=1.0,
            gt=0,
            le=1,
            description="For data with objects that nobody boxed: places without a box that the network scores above "
            "this are left out of the loss, once it has settled. 1 trusts the boxes to be complete.",
        )
        test: Literal["val", "test"] | None = Field(
            default=None,
            description="Split of the data that the finished network is measured on; by default the held-out images.",
        )

        @model_validator(mode="after")
        def _fits(self) -> Self:
            unit = 2 ** (len(self.widths) - 1)
            if self.crop % unit:
                raise ValueError(f"crop must be a multiple of {unit}, because `widths` has {len(self.widths)} levels")
            return self

    def task(self, start: Start) -> Task:
        config = self.config
        if not config.data.boxes:
            raise DataError("a detector learns from boxes; name the COCO file in `data.boxes`")
        examples, training, held_out = reader.divided(config.data, start.seed)
        check(examples, config.crop)
        tested = reader.read(config.data, config.test) if config.test else held_out
        return DetectorTask(config, examples, training, held_out, tested, start.seed, start.device)


def check(examples: Examples, side: int) -> None:
    """Raises DataError if a crop would reach over an image, where objects are mirrored on and boxes are not."""
    shapes = {item.name: (item.image.shape[1], item.image.shape[0]) for item in examples.items}
    small = [f"{name} is {width} x {height}" for name, (width, height) in shapes.items() if min(width, height) < side]
    if small:
        more = f", and {len(small) - 3} more" if len(small) > 3 else ""
        least = min(min(shape) for shape in shapes.values())
        raise DataError(
            f"crop: is {side} px, and images are smaller at this scale: {', '.join(small[:3])}{more}; it can be "
            f"{least} at most"
        )
    if not any(item.n_objects for item in examples.items):
        raise DataError("data.boxes: no image of the training split has a box, so there is nothing to learn")


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Crops x (B, 3, H, W), what the network shall say of them (`targets`), and how it counts.

    Attributes:
        trusted: (B,), a place without a box counts if the network scores it at most so.
        shares: (B,), the weight of the image over the number of the batch's boxes.
    """

    x: torch.Tensor
    heat: torch.Tensor
    known: torch.Tensor
    boxes: torch.Tensor
    weights: torch.Tensor
    trusted: torch.Tensor
    shares: torch.Tensor


class DetectorTask(Task):
    """Focal loss of the boxes' centres and GIoU loss of the boxes, means over the boxes of a batch."""

    stream: ClassVar[str] = "augment"
    summed: ClassVar[bool] = True
    metric = ("validation AP50", "maximize")

    def __init__(
        self,
        config: DetectorTrainer.Config,
        data: Examples,
        training: Examples,
        held_out: Examples,
        tested: Examples,
        seed: int,
        device: str,
    ) -> None:
        self.data, self.notes, self.config = data, data.notes, config
        self.training, self.held_out, self.tested = training, held_out, tested
        super().__init__(config, len(training), seed, device, choose_precision("auto", device))

    def network(self, min_score: float = LOW_SCORE, measured: Mapping[str, Any] | None = None) -> Any:
        training = self.training
        return Detector(list(training.objects), self.config.widths, min_score, measured, training.range)

    def batch(self, step: int, random: torch.Generator) -> Batch:
        config, n_objects = self.config, len(self.training.objects)
        rows = self.batches.rows(step).tolist()
        parts = [crop(self.training.items[i], (config.crop, config.crop), random, config.turn) for i in rows]
        items = [jittered(part, config.colour_jitter, random) for part in parts]
        x = torch.cat([prepare(item.image[None]) for item in items])
        wanted = [targets(item, n_objects, config.crop, self.model.stride_px) for item in items]
        heat, known, boxes, weights = (torch.from_numpy(np.stack(part)) for part in zip(*wanted, strict=True))
        settled = step >= SETTLED * config.steps
        trusted = torch.full((len(items),), config.unlabelled if settled else 1.0)
        shares = torch.tensor([item.weight for item in items]) / (heat == 1).sum().clamp_min(1)
        return Batch(x, heat, known, boxes, weights, trusted, shares)

    def losses(self, batch: Batch) -> torch.Tensor:
        batch = batch.to(self.device)
        with self.autocast():
            logits, predicted = self.model(batch.x)
        settled = (logits.detach().sigmoid() <= batch.trusted[:, None, None, None]) | (batch.heat > 0.1)
        error = generalized_box_iou_loss(predicted.permute(0, 2, 3, 1).reshape(-1, 4), batch.boxes.reshape(-1, 4))
        of_boxes = (error.view_as(batch.weights) * batch.weights).sum((1, 2))
        total: torch.Tensor = (
            focal_loss(logits, batch.heat, batch.known * settled) + BOX_WEIGHT * of_boxes
        ) * batch.shares
        return total

    def validation(self, ema: Ema) -> dict[str, float]:
        found = Found.of(self.averaged(ema), self.held_out)
        scores = found.scores(found.best_score())
        return {f"validation {name}": value for name, value in scores.items() if "," not in name}

    def finish(self, ema: Ema, title: str) -> Made:
        config = self.config
        held_out_found = Found.of(self.averaged(ema), self.held_out)
        min_score = held_out_found.best_score()
        found = Found.of(self.averaged(ema, self.network(min_score)), self.tested)
        measured = {"split": config.test or "held-out", **found.by_score()}
        network = self.averaged(ema, self.network(min_score, measured))
        rows = ("widths", "crop", "steps", "batch_size", "learning_rate", {"least score that counts": min_score})
        settings = self.settings(network, *rows)
        use = (
            f"Finds {', '.join(self.training.objects)} in images. "
            "In a recipe: `labelers: [{use: detector, model: <this folder>}]`."
        )
        scores = held_out_found.scores(min_score)
        real = real_scores(network, self.held_out, config.crop)
        card = output.mask_card(output.Result(title, settings, scores, use, real=real), config.data, self.training)
        if config.test:
            card = output.with_test_scores(card, found.scores(min_score), config.test, len(self.tested))
        return self.made(network, card)


def targets(
    item: Example, n_objects: int, side: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the network shall say of a crop of `side` pixels; h and w are `side / stride`.

    Returns:
        heat: float32 (n_objects, h, w), 1 at the places of centres, falling off as Gaussians.
        known: float32 (1, h, w), 0 where objects are that lie mostly outside the crop.
        boxes: float32 (h, w, 4), for each place the box whose Gaussian is highest there.
        weights: float32 (h, w), how much that box counts there; those of one box sum to 1.
    """
    assert item.boxes is not None and item.box_classes is not None
    n = -(-side // stride)
    centres = (np.arange(n) + 0.5) * stride
    heat, known = np.zeros((n_objects, n, n), np.float32), np.ones((1, n, n), np.float32)
    boxes, owner, highest = (
        np.tile(np.array([0, 0, 1, 1], np.float32), (n, n, 1)),
        np.full((n, n), -1),
        np.zeros((n, n)),
    )
    seen = np.clip(item.boxes, 0, side)
    areas, whole = ((b[:, 2:] - b[:, :2]).prod(1) for b in (seen, item.boxes))
    for k, (box, share) in enumerate(zip(seen, areas / whole, strict=True)):
        left, top, right, bottom = box
        if share < MIN_VISIBLE:
            inside = (centres >= left) & (centres < right), (centres >= top) & (centres < bottom)
            known[0, inside[1][:, None] & inside[0][None]] = 0
            continue
        gaussians = []
        for low, high in ((top, bottom), (left, right)):
            middle = centres[min(int((low + high) / 2 / stride), n - 1)]
            sigma = max((high - low) * GAUSSIAN_SHARE, MIN_SIGMA_PX)
            gaussians.append(np.exp(-((centres - middle) ** 2) / (2 * sigma**2)))
        hill = np.outer(*gaussians)
        cls = int(item.box_classes[k]) - 1
        heat[cls] = np.maximum(heat[cls], hill)
        nearer = (hill > highest) & (hill > 0.1)
        owner[nearer], highest[nearer], boxes[nearer] = k, hill[nearer], box
    totals = np.bincount(owner[owner >= 0], weights=highest[owner >= 0], minlength=len(seen))
    weights = np.where(owner >= 0, highest / np.maximum(totals, 1e-9)[owner], 0) if len(seen) else highest
    return heat, known, boxes, weights.astype(np.float32)


def focal_loss(logits: torch.Tensor, heat: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Penalty-reduced focal loss, summed over places, (B,); `known` is 0 where a place does not count.

    Args:
        logits, heat: (B, n, h, w); known: (B, 1 or n, h, w).

    Source: Law and Deng 2018, "CornerNet", eq. 1, with alpha 2 and beta 4.
    """
    logits = logits.float()
    p, log_p, log_q = logits.sigmoid(), torch.nn.functional.logsigmoid(logits), torch.nn.functional.logsigmoid(-logits)
    at_centre = -((1 - p) ** 2) * log_p
    elsewhere = -((1 - heat) ** 4) * p**2 * log_q * known
    return torch.where(heat == 1, at_centre, elsewhere).sum((1, 2, 3))


def real_scores(model: Any, examples: Examples, side: int) -> RealScores:
    """What the scorer of samples, `box-agreement`, says of real images in parts of `side` pixels.

    Of objects cut off there, those count of which `MIN_VISIBLE` or more is left.
    """
    scores = []
    for part in (part for item in examples.items for part in tiles(item, (side, side))):
        assert part.boxes is not None and part.box_classes is not None
        seen = np.clip(part.boxes, 0, side)
        left, whole = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (seen, part.boxes))
        intended = np.concatenate([seen, part.box_classes[:, None]], axis=1)[left >= MIN_VISIBLE * whole]
        scores.append(BoxMatch(intended, model.detect(part.image[None])[0][0]).scores)
    images = f"parts of {side} x {side} pixels of {len(examples)} held-out real images"
    scorer = {"use": "box-agreement", "predicted": "detector_boxes"}
    return RealScores.measured(images, scores, ("iou",), ("missed", "extra"), scorer=scorer)


@dataclass(frozen=True)
class Found:
    """The boxes of some images, and what a detector found of them with any score."""

    names: tuple[str, ...]
    intended: list[np.ndarray]
    found: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, model: Any, examples: Examples) -> Found:
        intended, found = [], []
        for item in examples.items:
            assert item.boxes is not None and item.box_classes is not None
            intended.append(np.concatenate([item.boxes, item.box_classes[:, None]], axis=1).astype(np.float32))
            found += model.detect(item.image[None], LOW_SCORE)
        return cls(examples.objects, intended, found)

    def measured(self, min_score: float, cls: int | None = None) -> dict[str, int]:
        """Counts at a score: images, boxes, boxes that were found, and objects found where there is no box.

        Args:
            cls: the class number that is counted; all by default.
        """

        def counted(boxes: np.ndarray) -> np.ndarray:
            return boxes if cls is None else boxes[boxes[:, 4] == cls]

        matches = [
            BoxMatch(counted(intended), counted(found[scores >= min_score]))
            for intended, (found, scores) in zip(self.intended, self.found, strict=True)
        ]
        return {
            "pictures": len(matches),
            "boxes": sum(len(match.intended) for match in matches),
            "found": sum(match.n_matched for match in matches),
            "extra": sum(match.n_extra for match in matches),
        }

    def by_score(self) -> dict[str, Any]:
        """Counts for the configuration of a network: `at` each least score, the boxes found and objects without one."""
        counts = {f"{score:.2f}": self.measured(float(score)) for score in THRESHOLDS}
        first = next(iter(counts.values()))
        at = {score: [each["found"], each["extra"]] for score, each in counts.items()}
        return {"pictures": first["pictures"], "boxes": first["boxes"], "at": at}

    def scores(self, min_score: float) -> dict[str, float]:
        """Average precision at IoU 0.5, its mean over classes first, and recall and precision at a score."""
        by_class = average_precision(self.intended, self.found, self.names)
        numbers = {"AP50": float(np.mean(list(by_class.values()))) if by_class else 0.0}
        for cls, name in [(None, ""), *((self.names.index(name) + 1, f", {name}") for name in by_class)]:
            counts = self.measured(min_score, cls)
            numbers |= {f"AP50{name}": by_class[name[2:]]} if name else {}
            numbers[f"recall{name}"] = counts["found"] / max(counts["boxes"], 1)
            numbers[f"precision{name}"] = counts["found"] / max(counts["found"] + counts["extra"], 1)
        return numbers

    def best_score(self) -> float:
        """The least score at which recall and precision balance best: the largest F1."""

        def f1(score: float) -> float:
            counts = self.measured(score)
            return 2 * counts["found"] / max(counts["boxes"] + counts["found"] + counts["extra"], 1)

        return round(float(max(THRESHOLDS, key=f1)), 2)

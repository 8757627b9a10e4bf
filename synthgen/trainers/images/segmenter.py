"""`use: segmenter`: trains a small U-Net that finds objects, to check samples (a critic) or to judge datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from synthgen.fields import IGNORE
from synthgen.models.images.segmenter import Segmenter
from synthgen.models.images.unet import prepare
from synthgen.parts.protocols import Source
from synthgen.readers.masks import reader
from synthgen.readers.masks.types import Example, Examples, MaskData
from synthgen.trainers.images.crops import crop
from synthgen.training import loop, output
from synthgen.training.ema import Ema
from synthgen.training.loop import LoopConfig
from synthgen.training.monitor import Monitor
from synthgen.training.precision import autocast, choose_device, choose_precision
from synthgen.vision.matching import Match

MIN_CLASS_LOSS = 1e-3


class SegmenterTrainer:
    """Trains on images with masks; ends with a Segmenter folder and its card."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(LoopConfig):
        """Settings of `use: segmenter`."""

        data: MaskData = Field(description="Images with masks.")
        crop: int = Field(default=96, ge=16, description="Side of the training crops in pixels.")
        widths: list[int] = Field(
            default=[24, 48, 96], min_length=1, description="Channels of each level, multiples of 8."
        )
        turn: bool = Field(
            default=False, description="Mirror and quarter-turn at random; only if directions mean nothing."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json")

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the images cannot be used, or objects are known by boxes only.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        config = self.config
        config.data.require_masks("a segmenter")
        training, held_out = reader.read(config.data).split(config.data.validation, seed)
        work = output.work_folder(out)
        with Monitor(work, quiet, training.notes) as monitor:
            task = SegmenterTask(config, training, held_out, seed, choose_device(device), monitor)
            facts = {
                "trainer version": self.version,
                "seed": seed,
                "images": len(training) + len(held_out),
                **self.identity(),
            }
            ema = loop.fit(task, config, work / "checkpoints", facts, monitor.progress)
            losses = class_losses(task.averaged(ema), held_out)
            scores = task.validation(ema) | {
                f"cross-entropy, {name}": loss
                for name, loss in zip(("background", *training.objects), losses, strict=True)
            }
            network = task.averaged(ema, losses)
        settings = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "widths": ", ".join(map(str, config.widths)),
            "crop": f"{config.crop} px",
            "steps": config.steps,
            "batch size": config.batch_size,
            "learning rate": config.learning_rate,
            "precision": task.precision,
            "seed": seed,
        }
        use = (
            f"Finds {', '.join(training.objects)} in pictures. "
            "In a recipe: `labelers: [{use: segmenter, model: <this folder>}]`."
        )
        text = output.mask_card(out.name, config.data, training, settings, scores, use)
        return output.finish(out, lambda folder: network.to("cpu").save_pretrained(folder), text)


class SegmenterTask:
    """The network, its data and its loss, as the loop wants them."""

    def __init__(
        self,
        config: SegmenterTrainer.Config,
        training: Examples,
        held_out: Examples,
        seed: int,
        device: str,
        monitor: Monitor | None,
    ) -> None:
        self.config, self.training, self.held_out = config, training, held_out
        self.seed, self.device, self.monitor = seed, device, monitor
        self.precision = choose_precision("auto", device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model: Any = self.network().to(device)

    def network(self, losses: Sequence[float] = ()) -> Any:
        return Segmenter(list(self.training.objects), list(self.config.widths), list(losses))

    def loss(self, step: int) -> torch.Tensor:
        rows = loop.batch_rows(len(self.training), self.config.batch_size, step, self.seed)
        random = loop.step_generator(self.seed, "augment", step)
        items = [crop(self.training.items[i], self.config.crop, random, self.config.turn) for i in rows.tolist()]
        x, classes, distances = targets(items, len(self.training.objects))
        with autocast(self.device, self.precision):
            logits, predicted = self.model(x.to(self.device))
        pixels = F.cross_entropy(logits.float(), classes.to(self.device), ignore_index=IGNORE)
        inside = (distances >= 0).to(self.device)
        error = (predicted.float() - distances.to(self.device)).abs() * inside
        total: torch.Tensor = pixels + error.sum() / inside.sum().clamp_min(1)
        return total

    def averaged(self, ema: Ema, losses: Sequence[float] = ()) -> Any:
        model = self.network(losses).to(self.device)
        ema.copy_to(model)
        return model.eval()

    def validation(self, ema: Ema) -> dict[str, float]:
        """Agreement with the masks of whole held-out pictures, means over the pictures."""
        return {f"validation {name}": value for name, value in agreement(self.averaged(ema), self.held_out).items()}

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        if self.monitor is not None:
            numbers = {"training loss": train_loss, **self.validation(ema), "seconds a step": seconds}
            self.monitor.record(step, numbers)


def targets(items: Sequence[Example], n_objects: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs (B, 3, H, W), class ids (B, H, W) with 255 for unknown, and distances (B, H, W), -1 off the objects."""
    layouts = [item.layout for item in items]
    classes = np.stack([layout.segmentation for layout in layouts if layout is not None])
    distances = np.stack([item.encoded(n_objects).max(0) for item in items])
    x = torch.cat([prepare(item.image[None]) for item in items])
    return x, torch.from_numpy(classes).long(), torch.from_numpy(distances)


def agreement(model: Any, examples: Examples) -> dict[str, float]:
    """Means over pictures: Dice of object against ground, IoU of objects, panoptic quality, AJI."""
    rows = []
    for item in examples.items:
        assert item.layout is not None
        found = model.segment(item.image[None])[0]
        match = Match(item.layout.instances, found.instances, item.layout.segmentation == IGNORE)
        rows.append((match.dice, match.mean_iou, match.panoptic_quality, match.aggregated_jaccard))
    means = np.mean(rows, axis=0)
    return dict(zip(("dice", "object IoU", "PQ", "AJI"), map(float, means), strict=True))


def class_losses(model: Any, examples: Examples) -> list[float]:
    """Mean cross-entropy of each class's pixels on real pictures, background first, which FreeMask's rule needs."""
    sums, counts = np.zeros(len(examples.objects) + 1), np.zeros(len(examples.objects) + 1)
    for item in examples.items:
        assert item.layout is not None
        probabilities, _ = model.outputs(item.image[None])
        losses = pixel_losses(probabilities[0], item.layout.segmentation)
        for cls in range(len(sums)):
            inside = item.layout.segmentation == cls
            sums[cls] += losses[inside].sum()
            counts[cls] += inside.sum()
    return [round(float(max(s / max(n, 1), MIN_CLASS_LOSS)), 5) for s, n in zip(sums, counts, strict=True)]


def pixel_losses(probabilities: np.ndarray, segmentation: np.ndarray) -> np.ndarray:
    """Cross-entropy of every pixel (H, W), given probabilities (n_classes, H, W) and class ids; 0 where unknown."""
    known = np.where(segmentation == IGNORE, 0, segmentation)
    chosen = np.take_along_axis(probabilities, known[None].astype(np.int64), 0)[0]
    return np.where(segmentation == IGNORE, 0.0, -np.log(np.maximum(chosen, 1e-12)))

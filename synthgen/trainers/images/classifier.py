"""`use: classifier`: trains a small image classifier, to score samples as a filter model or to evaluate datasets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, field_validator
from torch.nn import functional as F

from synthgen.models.images.classifier import ImageClassifier, to_tensor
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images.labelled import DataConfig
from synthgen.training import batches, output
from synthgen.training.ema import Ema
from synthgen.training.real_scores import RealScores
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Start, Task
from synthgen.training.trainer import GradientTrainer


class ClassifierTrainer(GradientTrainer):
    """Trains on labelled images; ends with an ImageClassifier folder and its card."""

    class Config(LoopConfig):
        """Settings of `use: classifier`."""

        data: DataConfig = Field(description="Labelled images.")
        resolution: int | None = Field(default=None, ge=4, description="Side of the images; by default as they are.")
        kind: Literal["plain", "resnet"] = Field(
            default="plain", description="Stacked convolutions, or with shortcuts."
        )
        widths: list[int] = Field(default=[32, 64, 128], min_length=1, description="Channels of each stage.")
        shift_px: int = Field(default=2, ge=0, description="Images are moved by up to this many pixels both ways.")
        flip: bool = Field(default=False, description="Mirror images at random; only if left and right mean nothing.")
        label_smoothing: float = Field(
            default=0.0, ge=0, lt=1, description="Share of the label spread over all classes."
        )

        @field_validator("data")
        @classmethod
        def _labelled(cls, data: DataConfig) -> DataConfig:
            if data.unlabelled is not None:
                raise ValueError("`unlabelled`: a classifier learns from labelled images alone; leave it out")
            return data

    def task(self, start: Start) -> Task:
        return _Task(self.config, start)


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Augmented images x (B, C, H, W) float32 in [-1, 1], and their class ids (B,)."""

    x: torch.Tensor
    labels: torch.Tensor


class _Task(Task):
    stream: ClassVar[str] = "augment"

    def __init__(self, config: ClassifierTrainer.Config, start: Start) -> None:
        images = real_data.read_training(config.data, config.resolution)
        self.data, self.training, self.held_out = real_data.divided(config.data, images, start.seed)
        self.notes, self.config = self.data.notes, config
        super().__init__(config, len(self.training.labels), start.seed, start.device)

    def network(self, temperature: float = 1.0) -> Any:
        side, _, channels = self.training.images.shape[1:]
        names = {str(i): name for i, name in enumerate(self.training.classes)}
        return ImageClassifier(names, side, channels, self.config.kind, tuple(self.config.widths), temperature)

    def batch(self, step: int, random: torch.Generator) -> Batch:
        some = self.training.take(self.batches.rows(step).numpy())
        x = shifted(to_tensor(some.images), self.config.shift_px, random)
        return Batch(mirrored(x, random) if self.config.flip else x, torch.from_numpy(some.labels))

    def losses(self, batch: Batch) -> torch.Tensor:
        batch = batch.to(self.device)
        logits, smoothing = self.model(batch.x), self.config.label_smoothing
        return F.cross_entropy(logits, batch.labels, reduction="none", label_smoothing=smoothing)

    @torch.no_grad()
    def logits(self, ema: Ema) -> torch.Tensor:
        """Logits of the averaged weights on the held-out images, on the CPU."""
        model, images = self.averaged(ema), self.held_out.images
        parts = [model(to_tensor(images[i : i + 256]).to(self.device)).cpu() for i in range(0, len(images), 256)]
        return torch.cat(parts)

    def validation(self, ema: Ema) -> dict[str, float]:
        logits, labels = self.logits(ema), torch.from_numpy(self.held_out.labels)
        right = float((logits.argmax(1) == labels).float().mean())
        return {"validation loss": float(F.cross_entropy(logits, labels)), "validation accuracy": right}

    def finish(self, ema: Ema, title: str) -> Made:
        temperature = fit_temperature(self.logits(ema), self.held_out.labels)
        scores = self.validation(ema) | {"temperature": temperature}
        network = self.averaged(ema, self.network(temperature))
        settings = self.settings(network, "kind", "widths", "steps", "batch_size", "learning_rate", "shift_px")
        del settings["precision"]
        height, width = self.data.images.shape[1:3]
        use = (
            f"Classifies {height} x {width} images into {len(self.data.classes)} classes. "
            "In a recipe: `scorers: [{use: agreement, model: <this folder>}]`."
        )
        intended = network.predict_proba(self.held_out.images)[
            np.arange(len(self.held_out.labels)), self.held_out.labels
        ]
        real = RealScores.measured("held-out real images", [{"agreement": float(p)} for p in intended], ("agreement",))
        card = output.card(output.Result(title, settings, scores, use, real=real), self.config.data, self.training)
        return self.made(network, card)


def mirrored(x_bchw: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Each image as it is or mirrored, with equal chances."""
    chosen = torch.rand(len(x_bchw), generator=random) < 0.5
    return torch.where(chosen[:, None, None, None], x_bchw.flip(3), x_bchw)


def shifted(x_bchw: torch.Tensor, most_px: int, random: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `most_px` pixels both ways; the edge is repeated."""
    if most_px == 0:
        return x_bchw
    n, _, height, width = x_bchw.shape
    padded = F.pad(x_bchw, [most_px] * 4, mode="replicate")
    down, right = torch.randint(0, 2 * most_px + 1, (2, n), generator=random).tolist()
    crops = [padded[i, :, y : y + height, x : x + width] for i, (y, x) in enumerate(zip(down, right, strict=True))]
    return torch.stack(crops)


def fit_temperature(logits: torch.Tensor, labels: np.ndarray) -> float:
    """The divisor of the logits that makes held-out labels most likely, so that probabilities mean what they say.

    Source: Guo et al. 2017, "On calibration of modern neural networks", section 4.2.
    """
    targets = torch.from_numpy(labels)
    grid = torch.logspace(-1, 1, 201)
    losses = [float(F.cross_entropy(logits / t, targets)) for t in grid]
    return round(float(grid[int(np.argmin(losses))]), 4)

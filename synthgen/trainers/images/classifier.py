"""`use: classifier`: trains a small image classifier, to score samples (a critic) or to judge datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional as F

from synthgen.models.images.classifier import ImageClassifier, to_tensor
from synthgen.parts.protocols import Source
from synthgen.readers.images import labelled as real_data
from synthgen.readers.images.labelled import DataConfig, LabelledImages
from synthgen.training import loop, output
from synthgen.training.ema import Ema
from synthgen.training.loop import LoopConfig
from synthgen.training.monitor import Monitor
from synthgen.training.precision import choose_device


class ClassifierTrainer:
    """Trains on labelled images; ends with an ImageClassifier folder and its card."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

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

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json")

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the images cannot be used.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        config = self.config
        images = real_data.read_training(config.data, config.resolution)
        training, held_out = images.split(config.data.validation, seed)
        work = output.work_folder(out)
        with Monitor(work, quiet, images.notes) as monitor:
            task = _Task(config, training, held_out, seed, choose_device(device), monitor)
            facts = {"trainer version": self.version, "seed": seed, "images": len(images.labels), **self.identity()}
            ema = loop.fit(task, config, work / "checkpoints", facts, monitor.progress)
            temperature = fit_temperature(task.logits(ema), held_out.labels)
            scores = task.validation(ema) | {"temperature": temperature}
            network = task.averaged(ema, temperature)
        settings = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "kind": config.kind,
            "widths": ", ".join(map(str, config.widths)),
            "steps": config.steps,
            "batch size": config.batch_size,
            "learning rate": config.learning_rate,
            "shift": f"{config.shift_px} px",
            "seed": seed,
        }
        height, width = images.images.shape[1:3]
        use = (
            f"Classifies {height} x {width} images into {len(images.classes)} classes. "
            "In a recipe: `scorers: [{use: agreement, model: <this folder>}]`."
        )
        text = output.card(out.name, config.data, training, settings, scores, use)
        return output.finish(out, lambda folder: network.to("cpu").save_pretrained(folder), text)


class _Task:
    """The network, its data and its loss, as the loop wants them."""

    def __init__(
        self,
        config: ClassifierTrainer.Config,
        training: LabelledImages,
        held_out: LabelledImages,
        seed: int,
        device: str,
        monitor: Monitor,
    ) -> None:
        self.config, self.seed, self.device, self.monitor = config, seed, device, monitor
        self.classes, self.held_out = training.classes, held_out
        self.images, self.labels = training.images, torch.from_numpy(training.labels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = self.network().to(device)

    def network(self, temperature: float = 1.0) -> Any:
        side, _, channels = self.images.shape[1:]
        names = {str(i): name for i, name in enumerate(self.classes)}
        return ImageClassifier(names, side, channels, self.config.kind, tuple(self.config.widths), temperature)

    def loss(self, step: int) -> torch.Tensor:
        config = self.config
        rows = loop.batch_rows(len(self.labels), config.batch_size, step, self.seed)
        random = loop.step_generator(self.seed, "augment", step)
        x = shifted(to_tensor(self.images[rows.numpy()]), config.shift_px, random)
        if config.flip:
            mirrored = torch.rand(len(x), generator=random) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(1 << 62, (1,), generator=random)))  # for dropout
            logits = self.model(x.to(self.device))
        return F.cross_entropy(logits, self.labels[rows].to(self.device), label_smoothing=config.label_smoothing)

    def averaged(self, ema: Ema, temperature: float = 1.0) -> Any:
        model = self.network(temperature).to(self.device)
        ema.copy_to(model)
        return model.eval()

    @torch.no_grad()
    def logits(self, ema: Ema) -> torch.Tensor:
        """Logits of the averaged weights on the held-out images, on the CPU."""
        model = self.averaged(ema)
        images = self.held_out.images
        parts = [model(to_tensor(images[i : i + 256]).to(self.device)).cpu() for i in range(0, len(images), 256)]
        return torch.cat(parts)

    def validation(self, ema: Ema) -> dict[str, float]:
        logits, labels = self.logits(ema), torch.from_numpy(self.held_out.labels)
        right = float((logits.argmax(1) == labels).float().mean())
        return {"validation loss": float(F.cross_entropy(logits, labels)), "validation accuracy": right}

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        numbers = {"training loss": train_loss, **self.validation(ema), "seconds a step": seconds}
        self.monitor.record(step, numbers)


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

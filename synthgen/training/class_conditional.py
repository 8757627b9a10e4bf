"""`use: class-conditional`: trains a class-conditional image diffusion pipeline."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import BaseModel, ConfigDict, Field
from torch.nn import functional as F

from synthgen.errors import DataError
from synthgen.models.class_conditional import ClassConditionalPipeline
from synthgen.models.classifier import to_tensor
from synthgen.models.losses import Edm, Objective, VPrediction
from synthgen.protocols import Source
from synthgen.training import data as real_data
from synthgen.training import loop, output
from synthgen.training.data import DataConfig, LabelledImages
from synthgen.training.ema import Ema
from synthgen.training.loop import LoopConfig, Progress
from synthgen.training.monitor import Monitor
from synthgen.training.precision import autocast, choose_device, choose_precision

N_VALIDATION = 1024
BANDS = {"low": -0.8, "middle": 0.0, "high": 0.8}


class NetworkConfig(BaseModel):
    """Shape of the UNet."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    patch_size: int = Field(
        default=2, ge=1, le=8, description="Pixels per side that become channels; 2 makes a step four times cheaper."
    )
    channels: list[int] = Field(default=[64, 96], min_length=1, description="Width of each level, multiples of 8.")
    layers: int = Field(default=1, ge=1, description="Residual blocks a level.")
    attention_levels: int = Field(default=1, ge=0, description="How many of the lowest levels have attention.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in the residual blocks.")


class ClassConditionalTrainer:
    """Trains on labelled images; ends with a ClassConditionalPipeline folder, its card and its pictures."""

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(LoopConfig):
        """Settings of `use: class-conditional`."""

        data: DataConfig = Field(description="Labelled images.")
        resolution: int | None = Field(default=None, ge=4, description="Side of the images; by default as they are.")
        network: NetworkConfig = Field(default=NetworkConfig(), description="Shape of the UNet.")
        objective: Literal["edm", "v-prediction"] = Field(
            default="edm", description="What the network learns to output."
        )
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )
        flip: bool = Field(default=False, description="Mirror images at random; only if left and right mean nothing.")
        precision: Literal["auto", "fp32", "bf16"] = Field(
            default="auto", description="auto is bf16 where the hardware multiplies it fast, else fp32."
        )
        picture_every: int = Field(default=2000, ge=1, description="Steps between sample grids.")

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
        images = real_data.read(config.data.path, "train", config.data.classes, config.resolution)
        training, held_out = images.split(config.data.validation, seed)
        place = choose_device(device)
        work = output.work_folder(out)
        with Monitor(work, quiet) as monitor:
            task = _Task(config, training, held_out, seed, place, monitor)
            facts = {"seed": seed, "images": len(images.labels), **self.identity()}
            ema = loop.fit(task, config, work / "checkpoints", facts, Progress(monitor.on_step))
            pipeline = task.pipeline(ema)
            scores = task.validation(ema)
        settings = {
            "parameters": sum(p.numel() for p in pipeline.unet.parameters()),
            "objective": config.objective,
            "steps": config.steps,
            "batch size": config.batch_size,
            "learning rate": config.learning_rate,
            "ema": config.ema,
            "label dropout": config.label_dropout,
            "patch size": config.network.patch_size,
            "channels": ", ".join(map(str, config.network.channels)),
            "precision": task.precision,
            "seed": seed,
        }
        use = (
            f"Draws {images.images.shape[1]} x {images.images.shape[2]} images of {len(images.classes)} classes. "
            "In a recipe: `sampler: {use: class-conditional, model: <this folder>}`."
        )
        text = output.card(out.name, config.data, training, settings, scores, use)
        return output.finish(out, lambda folder: pipeline.to("cpu").save_pretrained(folder), text)


class _Task:
    """The network, its data and its loss, as the loop wants them."""

    def __init__(
        self,
        config: ClassConditionalTrainer.Config,
        training: LabelledImages,
        held_out: LabelledImages,
        seed: int,
        device: str,
        monitor: Monitor,
    ) -> None:
        self.config, self.seed, self.device, self.monitor = config, seed, device, monitor
        self.classes = training.classes
        self.patch = config.network.patch_size
        self.precision = choose_precision(config.precision, device)
        self.images = torch.from_numpy(np.ascontiguousarray(training.images))
        self.labels = torch.from_numpy(training.labels)
        self.objective: Objective = Edm(sigma_data(training.images)) if config.objective == "edm" else VPrediction()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = unet(config.network, training.images.shape[1:], len(self.classes)).to(device)
        rows = np.random.default_rng(seed).permutation(len(held_out.labels))[:N_VALIDATION]
        self.held_out = held_out.take(np.sort(rows))

    def loss(self, step: int) -> torch.Tensor:
        config = self.config
        rows = loop.batch_rows(len(self.labels), config.batch_size, step, self.seed)
        random = loop.step_generator(self.seed, "noise", step)
        x = self.to_patches(self.images[rows].numpy())
        if config.flip:
            mirrored = torch.rand(len(x), generator=random) < 0.5
            x = torch.where(mirrored[:, None, None, None], self.to_patches(self.images[rows].numpy()[:, :, ::-1]), x)
        labels = self.labels[rows].clone()
        labels[torch.rand(len(rows), generator=random) < config.label_dropout] = len(self.classes)
        levels = torch.randn(len(rows), generator=random)
        noise = torch.randn(x.shape, generator=random)
        return self._loss(self.model, x, labels, levels, noise).mean()

    def _loss(
        self, model: Any, x: torch.Tensor, labels: torch.Tensor, levels: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Loss of each sample, (B,); arguments on the CPU."""
        x, labels, levels, noise = (tensor.to(self.device) for tensor in (x, labels, levels, noise))

        def network(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            with autocast(self.device, self.precision):
                out: torch.Tensor = model(noisy, time, labels).sample
            return out.float()

        return self.objective.loss(network, x, levels, noise)

    def to_patches(self, images: np.ndarray) -> torch.Tensor:
        """uint8 NHWC to float32 (N, C * patch^2, H / patch, W / patch) in [-1, 1]."""
        return F.pixel_unshuffle(to_tensor(images), self.patch)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Losses of the averaged weights on held-out images, the same noise every time, by noise level."""
        model = self.averaged(ema)
        random = loop.step_generator(self.seed, "validation", 0)
        rows: list[tuple[torch.Tensor, torch.Tensor]] = []
        for start in range(0, len(self.held_out.labels), 128):
            x = self.to_patches(self.held_out.images[start : start + 128])
            labels = torch.from_numpy(self.held_out.labels[start : start + 128])
            levels, noise = torch.randn(len(x), generator=random), torch.randn(x.shape, generator=random)
            rows.append((levels, self._loss(model, x, labels, levels, noise).cpu()))
        levels, losses = (torch.cat(parts) for parts in zip(*rows, strict=True))
        found = {"validation loss": float(losses.mean())}
        edges = [
            -torch.inf,
            *[(a + b) / 2 for a, b in zip(list(BANDS.values()), list(BANDS.values())[1:], strict=False)],
        ]
        for (name, _), low, high in zip(BANDS.items(), edges, [*edges[1:], torch.inf], strict=True):
            inside = (levels >= low) & (levels < high)
            if bool(inside.any()):
                found[f"validation loss, {name} noise"] = float(losses[inside].mean())
        return found

    def averaged(self, ema: Ema) -> Any:
        model = unet(self.config.network, tuple(self.held_out.images.shape[1:]), len(self.classes)).to(self.device)
        ema.copy_to(model)
        return model.eval()

    def pipeline(self, ema: Ema) -> ClassConditionalPipeline:
        names: dict[int | str, str] = dict(enumerate(self.classes))
        made = ClassConditionalPipeline(self.averaged(ema), self.objective.scheduler(), self.patch, names)
        made.set_progress_bar_config(disable=True)
        return made

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        started = time.monotonic()
        numbers = {"training loss": train_loss, **self.validation(ema), "seconds a step": seconds}
        if step % self.config.picture_every == 0 or step == self.config.steps:
            n_columns = min(8, max(2, 64 // len(self.classes)))
            labels = [label for label in range(len(self.classes)) for _ in range(n_columns)]
            random = loop.step_generator(self.seed, "pictures", 0)
            side = self.held_out.images.shape[1]
            noise = torch.randn(len(labels), self.held_out.images.shape[3], side, side, generator=random)
            drawn = self.pipeline(ema)(labels, latents=noise, output_type="uint8").images
            self.monitor.pictures(step, drawn, n_columns)
        numbers["seconds of this report"] = time.monotonic() - started
        self.monitor.record(step, numbers)


def unet(config: NetworkConfig, shape: tuple[int, ...], n_classes: int) -> UNet2DModel:
    """A stock UNet for images (H, W, C) in pixel-unshuffled space, with one class more for "no class".

    Raises:
        DataError: the side is no multiple of patch_size * 2^(levels - 1).
    """
    side, _, channels = shape
    n_levels = len(config.channels)
    unit = config.patch_size * 2 ** (n_levels - 1)
    if side % unit:
        raise DataError(
            f"images of side {side} do not fit patch_size {config.patch_size} and {n_levels} levels: "
            f"the side must be a multiple of {unit}; set `resolution` to {max(unit, side // unit * unit)}"
        )
    attention = [i >= n_levels - config.attention_levels for i in range(n_levels)]
    return UNet2DModel(
        sample_size=side // config.patch_size,
        in_channels=channels * config.patch_size**2,
        out_channels=channels * config.patch_size**2,
        layers_per_block=config.layers,
        block_out_channels=tuple(config.channels),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
        num_class_embeds=n_classes + 1,
        norm_num_groups=8,
        attention_head_dim=32 if all(width % 32 == 0 for width in config.channels) else 8,
        dropout=config.dropout,
    )


def sigma_data(images: np.ndarray) -> float:
    """Standard deviation of all pixels in [-1, 1], which EDM's preconditioning is built on."""
    return round(float(images.std()) / 127.5, 4)

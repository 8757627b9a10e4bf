"""What every image diffusion training shares: the UNet, the noisy loss, validation by noise level, pictures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch.nn import functional as F

from synthgen.errors import DataError
from synthgen.models import folders
from synthgen.models.losses import P_MEAN, P_STD, Edm, Objective, VPrediction
from synthgen.parts import protocols as origins
from synthgen.training import loop, output
from synthgen.training.ema import Ema
from synthgen.training.loop import LoopConfig
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


class ReplaySettings(BaseModel):
    """Pictures of old classes that the base draws, mixed into the batches."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    share: float = Field(default=0.3, gt=0, lt=1, description="Part of every batch.")
    samples: int = Field(default=1000, ge=1, description="How many are drawn, of each class in turn.")
    steps: int = Field(default=18, gt=0, le=1000, description="Denoising steps.")
    guidance: float = Field(default=1.0, ge=0, le=20, description="Guidance; 1 is none.")
    layout_model: str | None = Field(
        default=None,
        description="For `use: layout-to-image`: what draws the layouts, such as starter/nuclei-layouts.",
    )


class DiffusionConfig(LoopConfig):
    """Settings that every image diffusion training shares."""

    base: str | None = Field(
        default=None,
        description="A model to go on from, such as starter/nuclei: weights, network and classes are its own.",
    )
    replay: ReplaySettings | None = Field(
        default=None, description="What the base knows is trained on as well, so that it is not forgotten."
    )
    network: NetworkConfig = Field(default=NetworkConfig(), description="Shape of the UNet; with `base`, the base's.")
    objective: Literal["edm", "v-prediction"] = Field(default="edm", description="What the network learns to output.")
    noise_mean: float = Field(
        default=P_MEAN,
        ge=-5,
        le=5,
        description="Mean of the logarithm of EDM's noise levels; raise it for large or smooth pictures, whose broad "
        "shapes are decided at high noise.",
    )
    noise_std: float = Field(default=P_STD, gt=0, le=4, description="Standard deviation of that logarithm.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto is bf16 where the hardware multiplies it fast, else fp32."
    )
    picture_every: int = Field(default=2000, ge=1, description="Steps between sample grids.")

    @model_validator(mode="after")
    def _replayable(self) -> DiffusionConfig:
        if self.replay is not None:
            if self.base is None:
                raise ValueError("`replay` draws with the base; name one with `base`")
            if not 0 < round(self.replay.share * self.batch_size) < self.batch_size:
                raise ValueError(
                    f"`replay.share` {self.replay.share} of a batch of {self.batch_size} leaves one part empty; "
                    "raise `batch_size`"
                )
        return self

    def identity(self) -> dict[str, Any]:
        """All that decides the model, as JSON values; the base goes by its hash."""
        if self.base is None:
            return self.model_dump(mode="json", exclude={"base", "replay"})
        return self.model_dump(mode="json") | {"base": folders.source(self.base).sha256}

    def sources(self) -> list[origins.Source]:
        """The base, if there is one."""
        return [] if self.base is None else [folders.source(self.base)]

    def settings(self) -> dict[str, Any]:
        """The rows that the model card shows."""
        return {
            **({"base": self.base} if self.base else {}),
            **({"replay": f"{self.replay.share:.0%} of a batch, {self.replay.samples} drawn"} if self.replay else {}),
            "objective": self.objective,
            "noise": f"log-normal, mean {self.noise_mean}, deviation {self.noise_std}",
            "steps": self.steps,
            "batch size": self.batch_size,
            "learning rate": self.learning_rate,
            "ema": self.ema,
            "patch size": self.network.patch_size,
            "channels": ", ".join(map(str, self.network.channels)),
        }


@dataclass(frozen=True, slots=True)
class Batch:
    """Clean images x (B, C, H, W) float32 in [-1, 1], class ids (B,), and layout channels (B, K, H, W) if any."""

    x: torch.Tensor
    labels: torch.Tensor
    layout: torch.Tensor | None = None


class Source(Protocol):
    """Where batches come from. `batch` decides all augmentation with `random`."""

    def __len__(self) -> int: ...
    def batch(self, rows: torch.Tensor, random: torch.Generator) -> Batch: ...
    def hide(self, batch: Batch, random: torch.Generator) -> Batch:
        """The batch with some conditions hidden, which is what guidance needs."""
        ...

    def held_out(self) -> Sequence[Batch]:
        """Batches for validation, the same every time."""
        ...


class DiffusionTask:
    """A UNet, its batches and its loss, as the loop wants them.

    Args:
        make: the pipeline around averaged weights and a scheduler.
        draw: pictures uint8 (N, H, W, C) for the monitor, and how many stand in a row.
    """

    def __init__(
        self,
        config: DiffusionConfig,
        source: Source,
        network: Callable[[], UNet2DModel],
        deviation: float,
        make: Callable[[Any, Any], Any],
        draw: Callable[[Any], tuple[np.ndarray, int]],
        seed: int,
        device: str,
        monitor: Monitor,
    ) -> None:
        self.config, self.source, self.network = config, source, network
        self.make, self.draw = make, draw
        self.seed, self.device, self.monitor = seed, device, monitor
        self.precision = choose_precision(config.precision, device)
        edm = Edm(deviation, config.noise_mean, config.noise_std)
        self.objective: Objective = edm if config.objective == "edm" else VPrediction()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = network().to(device)
        self.held_out = source.held_out()

    def loss(self, step: int) -> torch.Tensor:
        rows = loop.batch_rows(len(self.source), self.config.batch_size, step, self.seed)
        random = loop.step_generator(self.seed, "noise", step)
        batch = self.source.hide(self.source.batch(rows, random), random)
        return self._losses(self.model, batch, random)[1].mean()

    def _losses(self, model: Any, batch: Batch, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise levels and losses of each sample, (B,); the random numbers are drawn on the CPU."""
        patch = self.config.network.patch_size
        x = F.pixel_unshuffle(batch.x, patch)
        levels, noise = torch.randn(len(x), generator=random), torch.randn(x.shape, generator=random)
        x, labels, levels, noise = (tensor.to(self.device) for tensor in (x, batch.labels, levels, noise))
        layout = None if batch.layout is None else F.pixel_unshuffle(batch.layout, patch).to(self.device)

        def network(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            seen = noisy if layout is None else torch.cat([noisy, layout], dim=1)
            with autocast(self.device, self.precision):
                out: torch.Tensor = model(seen, time, labels).sample
            return out.float()

        return levels, self.objective.loss(network, x, levels, noise)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Losses of the averaged weights on held-out images, the same noise every time, by noise level."""
        model = self.averaged(ema)
        random = loop.step_generator(self.seed, "validation", 0)
        pairs = [tuple(t.cpu() for t in self._losses(model, batch, random)) for batch in self.held_out]
        levels, losses = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        return by_noise_level(levels, losses)

    def averaged(self, ema: Ema) -> Any:
        model = self.network().to(self.device)
        ema.copy_to(model)
        return model.eval()

    def pipeline(self, ema: Ema) -> Any:
        made = self.make(self.averaged(ema), self.objective.scheduler())
        made.set_progress_bar_config(disable=True)
        return made

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        started = time.monotonic()
        numbers = {"training loss": train_loss, **self.validation(ema), "seconds a step": seconds}
        if step % self.config.picture_every == 0 or step == self.config.steps:
            self.monitor.pictures(step, *self.draw(self.pipeline(ema)))
        numbers["seconds of this report"] = time.monotonic() - started
        self.monitor.record(step, numbers)


def by_noise_level(levels: torch.Tensor, losses: torch.Tensor) -> dict[str, float]:
    """The mean of losses (N,), and their means at low, middle and high noise by standard normal levels (N,)."""
    found = {"validation loss": float(losses.mean())}
    centres = list(BANDS.values())
    edges = [-torch.inf, *[(a + b) / 2 for a, b in itertools.pairwise(centres)], torch.inf]
    for name, low, high in zip(BANDS, edges, edges[1:], strict=False):
        inside = (levels >= low) & (levels < high)
        if bool(inside.any()):
            found[f"validation loss, {name} noise"] = float(losses[inside].mean())
    return found


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished pipeline, its scores on held-out images, and the settings that its card shows."""

    pipeline: Any
    scores: dict[str, float]
    settings: dict[str, Any]


def train_pipeline(
    config: DiffusionConfig,
    source: Source,
    network: Callable[[], UNet2DModel],
    deviation: float,
    make: Callable[[Any, Any], Any],
    draw: Callable[[Any], tuple[np.ndarray, int]],
    facts: dict[str, Any],
    out: Path,
    seed: int,
    device: str,
    quiet: bool,
    notes: Sequence[str] = (),
) -> Trained:
    """Trains from what `network` makes, or goes on from the last checkpoint under `out/training`.

    Raises:
        ModelError: that checkpoint was made with other settings or data (`facts` differ).
        Interrupted: stopped by a signal, after writing a checkpoint.
    """
    work = output.work_folder(out)
    with Monitor(work, quiet, notes) as monitor:
        task = DiffusionTask(config, source, network, deviation, make, draw, seed, choose_device(device), monitor)
        ema = loop.fit(task, config, work / "checkpoints", {"seed": seed, **facts}, monitor.progress)
        pipeline, scores = task.pipeline(ema), task.validation(ema)
    settings = {"parameters": sum(p.numel() for p in pipeline.unet.parameters()), **config.settings()}
    return Trained(pipeline, scores, settings | {"precision": task.precision, "seed": seed})


def unet(config: NetworkConfig, side: int, channels: int, extra: int, n_embeddings: int) -> UNet2DModel:
    """A stock UNet for images of `side` pixels and `channels`, in pixel-unshuffled space.

    Args:
        extra: channels of the condition that are concatenated to the image's.
        n_embeddings: classes, and one more if "no class" is to be known.

    Raises:
        DataError: the side is no multiple of patch_size * 2^(levels - 1).
    """
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
        in_channels=(channels + extra) * config.patch_size**2,
        out_channels=channels * config.patch_size**2,
        layers_per_block=config.layers,
        block_out_channels=tuple(config.channels),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
        num_class_embeds=n_embeddings,
        norm_num_groups=8,
        attention_head_dim=32 if all(width % 32 == 0 for width in config.channels) else 8,
        dropout=config.dropout,
    )

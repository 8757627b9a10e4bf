"""What every image diffusion training shares: the UNet, the noisy loss, validation by noise level, images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from diffusers import UNet2DModel
from pydantic import Field, model_validator
from torch.nn import functional as F

from synthgen.base.settings import Settings
from synthgen.models import folders
from synthgen.models.images.padding import Padding, padded
from synthgen.models.losses import P_MEAN, P_STD, Denoised, Edm, Objective, VPrediction
from synthgen.parts import protocols as origins
from synthgen.trainers.images.crop_settings import check_multiple
from synthgen.training import batches
from synthgen.training.batches import step_generator
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.precision import choose_precision
from synthgen.training.settings import LoopConfig
from synthgen.training.task import Made, Start, Task, by_noise_level
from synthgen.training.trainer import GradientTrainer

N_VALIDATION = 1024


class NetworkConfig(Settings):
    """Shape of the UNet."""

    patch_size: int = Field(
        default=2, ge=1, le=8, description="Pixels per side that become channels; 2 makes a step four times cheaper."
    )
    channels: list[int] = Field(default=[64, 96], min_length=1, description="Width of each level, multiples of 8.")
    layers: int = Field(default=1, ge=1, description="Residual blocks a level.")
    attention_levels: int = Field(default=1, ge=0, description="How many of the lowest levels have attention.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout in the residual blocks.")
    padding: Padding = Field(
        default="zeros",
        exclude_if=lambda value: value == "zeros",
        description="What convolutions see beyond the border. reflect: the image mirrored on, without a rough frame.",
    )


class ReplaySettings(Settings):
    """Images of old classes that the base generates, mixed into the batches."""

    share: float = Field(default=0.3, gt=0, lt=1, description="Part of every batch.")
    samples: int = Field(default=1000, ge=1, description="How many are generated, of each class in turn.")
    steps: int = Field(default=18, gt=0, le=1000, description="Denoising steps.")
    guidance: float = Field(default=1.0, ge=0, le=20, description="Guidance; 1 is none.")
    layout_model: str | None = Field(
        default=None,
        description="For `use: layout-to-image`: what generates the layouts, such as starter/nuclei-layouts.",
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
    log_sigma_mean: float = Field(
        default=P_MEAN,
        ge=-5,
        le=5,
        description="Mean of the logarithm of EDM's noise levels; raise it for large or smooth images, whose broad "
        "shapes are decided at high noise.",
    )
    log_sigma_std: float = Field(default=P_STD, gt=0, le=4, description="Standard deviation of that logarithm.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto is bf16 where the hardware multiplies it fast, else fp32."
    )
    sample_every: int = Field(default=2000, ge=1, description="Steps between sample grids.")

    @model_validator(mode="after")
    def _replayable(self) -> DiffusionConfig:
        if self.replay is not None:
            if self.base is None:
                raise ValueError("`replay` generates with the base; name one with `base`")
            if not 0 < round(self.replay.share * self.batch_size) < self.batch_size:
                raise ValueError(
                    f"`replay.share` {self.replay.share} of a batch of {self.batch_size} leaves one part empty; "
                    "raise `batch_size`"
                )
        return self


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Clean images x (B, C, H, W) float32 in [-1, 1], class ids (B,), and layout channels (B, K, H, W) if any.

    `known`, bool (B, 1, H, W), is false where an error does not count; without it, all do.
    """

    x: torch.Tensor
    labels: torch.Tensor
    layout: torch.Tensor | None = None
    known: torch.Tensor | None = None


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


@dataclass(frozen=True, slots=True)
class Noised(Batch):
    """A batch with standard normal `levels` (B,) and `noise` (B, C p^2, H / p, W / p), p pixels in a patch."""

    levels: torch.Tensor = field(kw_only=True)
    noise: torch.Tensor = field(kw_only=True)


class DiffusionTrainer(GradientTrainer):
    """What image diffusion trainers share: a base goes by its hash."""

    def identity(self) -> Mapping[str, Any]:
        """All that decides the model, as JSON values."""
        config: DiffusionConfig = self.config
        if config.base is None:
            return config.model_dump(mode="json", exclude={"base", "replay"})
        return config.model_dump(mode="json") | {"base": self.sources[0].sha256}

    @property
    def starts_soon(self) -> bool:
        return self.config.replay is None  # whose images the base generates before the first step

    @property
    def sources(self) -> Sequence[origins.Source]:
        base = self.config.base
        return () if base is None else (folders.source(base),)


class DiffusionTask(Task):
    """A UNet, its batches and its loss. A subclass says what pipeline it ends with.

    Args:
        deviation: standard deviation of what is generated, which EDM's preconditioning is built on.
    """

    def __init__(self, config: DiffusionConfig, source: Source, deviation: float, start: Start) -> None:
        self.config, self.source = config, source
        self.sample_every = config.sample_every
        edm = Edm(deviation, config.log_sigma_mean, config.log_sigma_std)
        self.objective: Objective = edm if config.objective == "edm" else VPrediction()
        self.held_out = source.held_out()
        precision = choose_precision(config.precision, start.device)
        super().__init__(config, len(source), start.seed, start.device, precision)

    @abstractmethod
    def made_of(self, model: Any, scheduler: Any) -> Any:
        """The pipeline around averaged weights and a scheduler."""

    @abstractmethod
    def sample(self, pipeline: Any) -> tuple[np.ndarray, int]:
        """Images uint8 (N, H, W, C) to look at, and how many stand in a row."""

    @abstractmethod
    def card(self, title: str, settings: Mapping[str, Any], scores: Mapping[str, float]) -> str:
        """The model card."""

    def batch(self, step: int, random: torch.Generator) -> Noised:
        rows = self.batches.rows(step)
        return self._noised(self.source.hide(self.source.batch(rows, random), random), random)

    def _noised(self, batch: Batch, random: torch.Generator) -> Noised:
        n, channels, height, width = batch.x.shape
        patch = self.config.network.patch_size
        levels = torch.randn(n, generator=random)
        noise = torch.randn(n, channels * patch**2, height // patch, width // patch, generator=random)
        return Noised(batch.x, batch.labels, batch.layout, batch.known, levels=levels, noise=noise)

    def losses(self, batch: Noised) -> torch.Tensor:
        return self._denoised(self.model, batch.to(self.device)).losses

    def _denoised(self, model: Any, batch: Noised) -> Denoised:
        patch = self.config.network.patch_size
        layout = None if batch.layout is None else F.pixel_unshuffle(batch.layout, patch)
        known = None if batch.known is None else F.pixel_unshuffle(batch.known.expand_as(batch.x), patch)

        def network(noisy: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
            seen = noisy if layout is None else torch.cat([noisy, layout], dim=1)
            with self.autocast():
                out: torch.Tensor = model(seen, time, batch.labels).sample
            return out.float()

        return self.objective.denoise(network, F.pixel_unshuffle(batch.x, patch), batch.levels, batch.noise, known)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Losses of the averaged weights on held-out images, the same noise every time, by noise level."""
        model = self.averaged(ema)
        random = step_generator(self.seed, "validation", 0)
        noised = [self._noised(batch, random) for batch in self.held_out]
        losses = [self._denoised(model, batch.to(self.device)).losses.cpu() for batch in noised]
        return by_noise_level(torch.cat([batch.levels for batch in noised]), torch.cat(losses))

    def pipeline(self, ema: Ema) -> Any:
        made = self.made_of(self.averaged(ema), self.objective.scheduler())
        made.set_progress_bar_config(disable=True)
        return made

    def pictures(self, step: int, ema: Ema, monitor: Monitor) -> None:
        monitor.pictures(step, *self.sample(self.pipeline(ema)))

    def finish(self, ema: Ema, title: str) -> Made:
        config: DiffusionConfig = self.config
        pipeline = self.pipeline(ema)
        scores = self.validation(ema) | self.more_scores(pipeline)
        replay = config.replay
        settings = self.settings(
            pipeline.unet,
            {"base": config.base} if config.base else {},
            {"replay": f"{replay.share:.0%} of a batch, {replay.samples} generated"} if replay else {},
            "objective",
            {"noise": f"log-normal, mean {config.log_sigma_mean}, deviation {config.log_sigma_std}"},
            *("steps", "batch_size", "learning_rate", "ema_decay", "network.patch_size", "network.channels"),
        )
        return self.made(pipeline, self.card(title, settings, scores))

    def more_scores(self, pipeline: Any) -> dict[str, float]:
        """What the card says of the finished pipeline beside its losses."""
        return {}

    @property
    def tuned_from(self) -> origins.Source | None:
        """Where the base came from, for the card."""
        return folders.source(self.config.base) if self.config.base else None


def unet(
    config: NetworkConfig, shape: tuple[int, int], channels: int, extra: int, n_embeddings: int, key: str = "resolution"
) -> UNet2DModel:
    """A stock UNet for images of `shape` (height, width) and `channels`, in pixel-unshuffled space.

    Args:
        extra: channels of the condition that are concatenated to the image's.
        n_embeddings: classes, and one more if "no class" is to be known.
        key: the setting that `shape` comes from.

    Raises:
        DataError: a side is no multiple of patch_size * 2^(levels - 1).
    """
    n_levels, patch = len(config.channels), config.patch_size
    check_multiple(shape, patch * 2 ** (n_levels - 1), key, f"patch_size {patch} and {n_levels} levels")
    attention = [i >= n_levels - config.attention_levels for i in range(n_levels)]
    network = UNet2DModel(
        sample_size=size_in_patches(shape, patch),
        in_channels=(channels + extra) * patch**2,
        out_channels=channels * patch**2,
        layers_per_block=config.layers,
        block_out_channels=tuple(config.channels),
        down_block_types=tuple("AttnDownBlock2D" if a else "DownBlock2D" for a in attention),
        up_block_types=tuple("AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
        num_class_embeds=n_embeddings,
        norm_num_groups=8,
        attention_head_dim=32 if all(width % 32 == 0 for width in config.channels) else 8,
        dropout=config.dropout,
    )
    return padded(network, config.padding)


def size_in_patches(shape: tuple[int, int], patch: int) -> int | tuple[int, int]:
    """What a UNet's `sample_size` says of images (height, width): one number for squares."""
    height, width = shape
    return height // patch if height == width else (height // patch, width // patch)

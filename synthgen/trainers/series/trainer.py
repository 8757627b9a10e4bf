"""`use: series`: trains a diffusion model of multivariate series on windows of real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.losses import Edm
from synthgen.models.series.denoiser import SeriesDenoiser
from synthgen.models.series.pipeline import SeriesPipeline
from synthgen.models.series.scaler import Kind, SeriesScaler
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.series import reader as real_data
from synthgen.readers.series.reader import SeriesData, Windows
from synthgen.trainers.series.observed_mask import Shown
from synthgen.trainers.series.task import SeriesTask
from synthgen.training import loop, output
from synthgen.training.loop import LoopConfig
from synthgen.training.monitor import Monitor
from synthgen.training.precision import choose_device, choose_precision

PRESETS: Mapping[str, Mapping[str, int]] = {
    "tiny": {"width": 64, "n_blocks": 3, "n_heads": 4},
    "small": {"width": 128, "n_blocks": 4, "n_heads": 4},
    "base": {"width": 256, "n_blocks": 8, "n_heads": 8},
}
N_VALIDATION = 1024
N_NARROW = 16
"""Scaled channels that tokens of the narrowest preset carry well; with more, channels get networks of their own."""


class SeriesTrainer:
    """Trains on windows of series; ends with a SeriesPipeline folder, its card and its pictures."""

    version: ClassVar[int] = 6

    class Config(LoopConfig):
        """Settings of `use: series`."""

        steps: int = Field(default=10_000, ge=1, description="Optimiser steps.")
        data: SeriesData = Field(description="Real series, and how windows are cut from them.")
        preset: Literal["tiny", "small", "base"] = Field(
            default="tiny", description="Size of the network: about 0.25, 1.3 and 10 million parameters."
        )
        patch: int = Field(
            default=1,
            ge=1,
            le=64,
            description="Steps in a token; for long windows, attention costs patch^2 times less.",
        )
        scaling: Kind = Field(
            default="standard",
            description="How channels are scaled: by mean and deviation, or by quantiles, which suits heavy tails.",
        )
        shown: Shown = Field(
            default=Shown(), description="Which cells are known in training: for imputation, forecasts and long series."
        )
        told: float = Field(
            default=1.0,
            ge=0,
            le=1,
            description="Share of windows with the places of missing values marked. The others are learned from as "
            "they are drawn, without such marks: lower it if many values are missing.",
        )
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )
        noise_mean: float = Field(default=-1.2, ge=-5, le=5, description="Mean of the logarithm of noise levels.")
        noise_std: float = Field(
            default=1.2,
            gt=0,
            le=4,
            description="Standard deviation of that logarithm; above the mean it is more where the values of a window "
            "go together: sampling starts from more noise then, and training must visit it.",
        )
        balance: float = Field(
            default=0.0,
            ge=0,
            le=1,
            description="How much more often windows of rare classes are drawn: 0 as they come, 1 every class equally "
            "often, 0.5 by the roots of their numbers.",
        )
        precision: Literal["auto", "fp32", "bf16"] = Field(
            default="auto",
            description="auto is bf16 where the hardware multiplies it fast, else fp32; on CPUs, the network tiny is "
            "faster in fp32 everywhere.",
        )
        picture_every: int = Field(default=2000, ge=1, description="Steps between pictures of drawn series.")

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json")

    @property
    def sources(self) -> Sequence[Source]:
        return []

    def check(self) -> Sequence[Problem]:
        """Everything in the data that `train` would stumble over."""
        data = self.config.data
        shares = {"train": 1.0, "validation": data.validation, "test": data.test}
        try:
            recordings = real_data.read(data)
            for split in ("train", "validation", "test"):
                if shares[split]:
                    windows = real_data.windows(recordings, data, split)
                    if split == "train":
                        self._scaler(windows)
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def columns(self) -> Mapping[str, str]:
        """What each column of the data is used as, in words."""
        return real_data.read(self.config.data).roles

    def sketch(self, out: Path) -> None:
        """Writes the model as it is before its first step: all that a recipe must fit is known then.

        Raises:
            DataError: the series cannot be used; names every problem.
        """
        config = self.config
        training = real_data.windows(real_data.read(config.data), config.data, "train")
        scaler = self._scaler(training)
        scheduler = Edm.stochastic(1.0).scheduler()
        model = network(config.preset, config.patch, scaler, training)
        pipeline(model, scaler, scheduler, training, self._continues).save_pretrained(out)

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains, or goes on from the last checkpoint under `out/training`, and returns `out`.

        Raises:
            DataError: the series cannot be used; names every problem.
            Interrupted: stopped by a signal, after writing a checkpoint.
        """
        config = self.config
        recordings = real_data.read(config.data)
        training = real_data.windows(recordings, config.data, "train")
        held_out = (
            _some(real_data.windows(recordings, config.data, "validation"), seed) if config.data.validation else None
        )
        scaler = self._scaler(training)
        found, work = choose_device(device), output.work_folder(out)
        with Monitor(work, quiet) as monitor:
            task = SeriesTask(
                config,
                training,
                held_out,
                scaler,
                lambda: network(config.preset, config.patch, scaler, training),
                lambda model, scheduler: pipeline(model, scaler, scheduler, training, self._continues),
                seed,
                found,
                self._precision(found),
                monitor,
            )
            facts = {
                "trainer version": self.version,
                "seed": seed,
                "data_sha256": real_data.sha256(config.data),
                **self.identity(),
            }
            ema = loop.fit(task, config, work / "checkpoints", facts, monitor.progress)
            made, scores = task.pipeline(ema), task.validation(ema)
        settings = self._settings(made, task) | {"seed": seed}
        text = output.series_card(out.name, config.data, training, settings, scores, _use(training))
        return output.finish(out, lambda folder: made.to("cpu").save_pretrained(folder), text)

    def _scaler(self, training: Windows) -> SeriesScaler:
        names = [channel.name for channel in training.channels]
        made: SeriesScaler = SeriesScaler.fit(
            training.rows[training.covered], names, self.config.scaling, offsets=training.rows.dtype == np.float64
        )
        return made

    @property
    def _continues(self) -> bool:
        """Windows around events begin at one place of a series only, and could not go on from another."""
        return self.config.shown.start > 0 and self.config.data.events is None

    def _precision(self, device: str) -> str:
        """Matrices of width 64 are too small to repay the casts: with AVX512-BF16, a step took 1.5 times as long."""
        config = self.config
        small = config.preset == "tiny" and device == "cpu"
        return "fp32" if small and config.precision == "auto" else choose_precision(config.precision, device)

    def _settings(self, made: SeriesPipeline, task: SeriesTask) -> dict[str, Any]:
        config = self.config
        shown = ", ".join(f"{name} {share:g}" for name, share in config.shown.model_dump().items())
        return {
            "parameters": sum(p.numel() for p in made.denoiser.parameters()),
            "preset": config.preset,
            "steps in a token": config.patch,
            "scaling": config.scaling,
            "gates": len(made.scaler.config.gated),
            "shown": shown,
            "noise": f"log-normal, mean {config.noise_mean}, deviation {config.noise_std}, above the mean "
            f"{task.objective.p_std_above:.3g}; drawn from {task.objective.sigma_max:g}",
            "steps": config.steps,
            "batch size": config.batch_size,
            "learning rate": config.learning_rate,
            "ema": config.ema,
            "label dropout": config.label_dropout,
            "balance": config.balance,
            "precision": task.precision,
        }


def network(preset: str, patch: int, scaler: SeriesScaler, windows: Windows) -> SeriesDenoiser:
    """The untrained network for such windows."""
    made: SeriesDenoiser = SeriesDenoiser(
        scaler.n_scaled,
        len(windows.covariate_names),
        len(windows.static_names),
        len(windows.classes) or 1,
        patch=patch,
        interval=windows.median_step,
        wide=scaler.n_scaled > N_NARROW,
        **PRESETS[preset],
    )
    covariates = windows.row_covariates[windows.covered]
    made.set_units(torch.from_numpy(covariates), torch.from_numpy(windows.static))
    return made


def pipeline(
    model: SeriesDenoiser, scaler: SeriesScaler, scheduler: Any, windows: Windows, continues: bool
) -> SeriesPipeline:
    """The pipeline around averaged weights."""
    made = SeriesPipeline(
        model,
        scaler,
        scheduler,
        dict(enumerate(windows.classes or ("series",))),
        [channel.name for channel in windows.channels],
        [channel.unit for channel in windows.channels],
        windows.length,
        windows.time_unit,
        windows.covariate_names,
        windows.static_names,
        continues,
    )
    made.set_progress_bar_config(disable=True)
    return made


def _some(held_out: Windows, seed: int) -> Windows:
    rows = np.random.default_rng(seed).permutation(len(held_out))[:N_VALIDATION]
    return held_out.take(np.sort(rows))


def _use(windows: Windows) -> str:
    length, n_channels = windows.length, len(windows.channels)
    classes = f" of {len(windows.classes)} classes" if windows.classes else ""
    return (
        f"Draws series of {length} steps and {n_channels} channels{classes}. "
        "In a recipe: `sampler: {use: series, model: <this folder>}`."
    )

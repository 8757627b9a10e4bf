"""The training of a series model, step by step: batches, hidden cells, the loss, validation, images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from synthgen.models.losses import Edm
from synthgen.models.series.entities import Entities
from synthgen.models.series.pipeline import SeriesPipeline
from synthgen.models.series.scaler import SeriesScaler
from synthgen.readers.series import bands
from synthgen.readers.series.reader import Windows
from synthgen.trainers.series import level_shifts, observed_mask
from synthgen.trainers.series.entities import say_on_card
from synthgen.trainers.series.model import network, pipeline
from synthgen.training import batches, output
from synthgen.training.batches import class_weights, part_of, step_generator
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.task import Made, Start, Task, by_noise_level

N_DRAWN = 64
MAX_SPREAD_WINDOWS, MAX_SPREAD_VALUES = 1024, 2**24
OF_NOBODY = 0.1
"""Share of windows that do not say whose they are, besides those without a label: for entities that are held out."""


@dataclass(frozen=True, slots=True)
class Batch(batches.Batch):
    """Windows, and what the network sees of them.

    Attributes:
        x: scaled values (B, L, C), 0 where `missing`.
        missing: true (B, L, C) where a value is missing and after a window's end, where `real` (B, L) is false.
        labels: class ids (B,); times: (B, L); covariates: (B, L, K); static: (B, S).
    """

    x: torch.Tensor
    missing: torch.Tensor
    labels: torch.Tensor
    times: torch.Tensor
    covariates: torch.Tensor | None
    static: torch.Tensor | None
    real: torch.Tensor | None

    def take(self, n: int) -> Batch:
        """The first windows."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(Batch)}
        some: dict[str, Any] = {name: None if value is None else value[:n] for name, value in values.items()}
        return Batch(**some)


@dataclass(frozen=True, slots=True)
class Noised(Batch):
    """Windows with standard normal `levels` (B,) and `noise` (B, L, C).

    Attributes:
        shown: true (B, L, C) where the network sees the value.
        absent: true (B, L, C) where it sees that there is none.
        shifted: true (B,) where it sees that levels may be others than those of the training data.
    """

    levels: torch.Tensor
    noise: torch.Tensor
    shown: torch.Tensor
    absent: torch.Tensor
    shifted: torch.Tensor


def joined(some: Batch, others: Batch) -> Batch:
    """One batch of two; steps of windows of which none ends early are all real."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(Batch):
        pair = [getattr(batch, field.name) for batch in (some, others)]
        if field.name == "real" and any(real is not None for real in pair):
            whole = [torch.ones(batch.x.shape[:2], dtype=torch.bool) for batch in (some, others)]
            pair = [ones if real is None else real for real, ones in zip(pair, whole, strict=True)]
        found[field.name] = None if pair[0] is None else torch.cat(pair)
    return Batch(**found)


class ScaledWindows:
    """Scaled windows as tensors; what they share is stored once, however much they overlap.

    Attributes:
        rows: scaled values (R, C) of all recordings, NaN where missing; windows are places in them.
    """

    def __init__(self, windows: Windows, scaler: SeriesScaler) -> None:
        self.windows = windows
        with torch.no_grad():
            self.rows = scaler.scale(torch.tensor(windows.rows))
        self.labels = torch.tensor(windows.labels)
        self.padded = bool((windows.lengths < windows.length).any())

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def deviation(self) -> float:
        """Standard deviation of all scaled values that are in a window."""
        covered = self.rows[torch.from_numpy(self.windows.covered)]
        return float(covered[~covered.isnan()].double().std())

    def spread(self) -> float:
        """The largest standard deviation of scaled windows (L, C), missing values 0, in any direction.

        The direction is that of every other of some evenly spaced windows, the deviation that of the rest along it:
        in many dimensions, the same windows would find a direction in mere noise. 0 for a single window.
        """
        n_values = self.windows.length * self.rows.shape[1]
        n = min(len(self), MAX_SPREAD_WINDOWS, max(16, MAX_SPREAD_VALUES // n_values))
        x = self.take(torch.linspace(0, len(self) - 1, n).long()).x.flatten(1).double()
        x = x - x.mean(0)
        seen, rest = x[::2], x[1::2]
        if not len(rest):
            return 0.0
        direction = seen.T @ torch.linalg.eigh(seen @ seen.T).eigenvectors[:, -1]
        return float((rest @ direction).square().mean().sqrt() / direction.norm().clamp_min(1e-12))

    def take(self, rows: torch.Tensor) -> Batch:
        """Windows of these numbers."""
        some = self.windows.take(rows.numpy())
        values, real = self.rows[torch.from_numpy(some.places)], None
        missing = values.isnan()
        if self.padded:
            real = torch.arange(some.length) < torch.from_numpy(some.lengths)[:, None]
            missing |= ~real[..., None]
        return Batch(
            torch.where(missing, 0.0, values),
            missing,
            self.labels[rows],
            torch.tensor(some.times, dtype=torch.float32),
            torch.tensor(some.covariates) if some.covariate_names else None,
            torch.tensor(some.static) if some.static_names else None,
            real,
        )


class SeriesTask(Task):
    """Windows of series, some cells of which are shown.

    Args:
        scaler: fitted to the training windows.
        entities: those of the windows, which say whose they are if the network is to know it.
        unlabelled: windows without classes, if there are some.
        precision: bf16 or fp32.
    """

    def __init__(
        self,
        config: Any,
        training: Windows,
        held_out: Windows | None,
        scaler: SeriesScaler,
        entities: Entities | None,
        start: Start,
        precision: str = "fp32",
        unlabelled: Windows | None = None,
    ) -> None:
        self.config, self.windows, self.scaler, self.entities = config, training, scaler, entities
        self.data = (training, held_out) if unlabelled is None else (training, held_out, unlabelled)
        self.sample_every = config.sample_every
        self.training = ScaledWindows(training, scaler)
        self.held_out = ScaledWindows(held_out, scaler) if held_out is not None else None
        self.unlabelled = ScaledWindows(unlabelled, scaler) if unlabelled is not None else None
        deviation, spread = round(self.training.deviation, 4), self.training.spread()
        self.objective = Edm.stochastic(deviation, spread, config.log_sigma_mean, config.log_sigma_std)
        super().__init__(config, len(self.training), start.seed, start.device, precision)

    def network(self) -> Any:
        return network(self.config, self.scaler, self.windows, self.entities)

    def batch(self, step: int, random: torch.Generator) -> Noised:
        config = self.config
        batch = self.training.take(self._balanced(random) if config.class_balance else self.batches.rows(step))
        hidden = torch.rand(len(batch), generator=random) < config.label_dropout
        if self.unlabelled is not None:
            n = part_of(len(batch), config.unlabelled_share)
            others = self.unlabelled.take(torch.randint(len(self.unlabelled), (n,), generator=random))
            batch = joined(batch.take(len(batch) - n), others)
            hidden[-n:] = True
        labels = torch.where(hidden, max(1, len(self.windows.classes)), batch.labels)
        static = batch.static
        if static is not None and self.entities and (n := len(self.entities.columns)):
            static[hidden | (torch.rand(len(batch), generator=random) < OF_NOBODY), -n:] = torch.nan
        return self._noised(replace(batch, labels=labels, static=static), random, config.level_shift)

    def _balanced(self, random: torch.Generator) -> torch.Tensor:
        """Rows of a batch in which windows of rare classes are likelier than others."""
        weights = class_weights(self.training.labels, self.config.class_balance)
        n = len(self.batches.rows(0))
        return torch.multinomial(weights, n, replacement=True, generator=random)

    def _noised(self, batch: Batch, random: torch.Generator, level_shift: float = 0.0) -> Noised:
        x, missing = batch.x, batch.missing
        shape = (*x.shape[:2], len(self.windows.channels))
        shown = self.scaler.shown(observed_mask.draw(self.config.observed_mask, shape, random)) & ~missing
        shifted = shown.any(1).any(1)
        if level_shift:
            x, shifted = level_shifts.move(x, missing, shown, self.scaler.free, level_shift, random)
        # One level of each of B equally likely ranges: batches differ less than if each were chosen by itself.
        share = (torch.randperm(len(x), generator=random) + torch.rand(len(x), generator=random)) / len(x)
        levels, noise = torch.special.ndtri(share.clamp(1e-6, 1 - 1e-6)), torch.randn(x.shape, generator=random)
        absent = missing
        if self.config.missing_indicator < 1:
            unmarked = torch.rand(len(x), 1, 1, generator=random) >= self.config.missing_indicator
            ended = torch.zeros_like(missing) if batch.real is None else ~batch.real[..., None]
            absent = torch.where(unmarked, ended, missing)
        fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)} | {"x": x}
        return Noised(**fields, levels=levels, noise=noise, shown=shown, absent=absent, shifted=shifted)

    def losses(self, batch: Noised) -> torch.Tensor:
        return self._losses(self.model, batch)

    def _losses(self, model: Any, batch: Noised) -> torch.Tensor:
        """The loss of each window, (B,): the mean over cells that are there and not shown."""
        batch = batch.to(self.device)
        known = torch.where(batch.shown, batch.x, torch.nan)
        names = ("absent", "labels", "times", "covariates", "static", "real", "shifted")
        given = {name: getattr(batch, name) for name in names}

        def network(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            with self.autocast():
                out: torch.Tensor = model(noisy, level, known=known, **given)
            return out.float()

        errors = self.objective.errors(network, batch.x, batch.levels, batch.noise)
        counted = ~(batch.missing | batch.shown)
        return (errors * counted).sum((1, 2)) / counted.sum((1, 2)).clamp_min(1)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Losses of the averaged weights on held-out windows, the same noise every time, by noise level.

        Empty if nothing was held out.
        """
        if self.held_out is None:
            return {}
        model = self.averaged(ema)
        random = step_generator(self.seed, "validation", 0)
        rows = torch.split(torch.arange(len(self.held_out)), 128)
        noised = [self._noised(self.held_out.take(some), random) for some in rows]
        losses = [self._losses(model, batch).cpu() for batch in noised]
        return by_noise_level(torch.cat([batch.levels for batch in noised]), torch.cat(losses))

    def pipeline(self, ema: Ema) -> SeriesPipeline:
        scheduler = self.objective.scheduler()
        return pipeline(self.config, self.averaged(ema), self.scaler, scheduler, self.windows, self.entities)

    def pictures(self, step: int, ema: Ema, monitor: Monitor) -> None:
        """Generated series over bands of real ones, as many of each class."""
        random, labels = np.random.default_rng(self.seed), self.windows.labels
        there = np.unique(labels)
        n_each = max(1, N_DRAWN // len(there))
        rows = np.concatenate([random.choice(np.flatnonzero(labels == label), n_each) for label in there])
        some = self.windows.take(rows)
        drawn = self.pipeline(ema)(
            some.labels.tolist(),
            times=some.times,
            covariates=some.covariates if some.covariate_names else None,
            static=some.static if some.static_names else None,
            generator=step_generator(self.seed, "pictures", 0),
        )
        bands.save(monitor.picture_file(step), drawn.series, some.labels, self.windows)

    def finish(self, ema: Ema, title: str) -> Made:
        config, made, scores = self.config, self.pipeline(ema), self.validation(ema)
        noise = (
            f"log-normal, mean {config.log_sigma_mean}, deviation {config.log_sigma_std}, above the mean "
            f"{self.objective.p_std_above:.3g}; generated from {self.objective.sigma_max:g}"
        )
        shown = ", ".join(f"{name} {share:g}" for name, share in config.observed_mask.model_dump().items())
        settings = self.settings(
            made.denoiser,
            *("preset", "scaling"),
            {"steps in a token": int(made.denoiser.config.patch)},
            {"windows without classes": f"{len(self.unlabelled):,}, {config.unlabelled_share:.0%} of a batch"}
            if self.unlabelled
            else {},
            {"gates": made.scaler.n_scaled - len(self.windows.channels), "shown": shown, "noise": noise},
            *("steps", "batch_size", "learning_rate", "ema_decay", "label_dropout", "class_balance"),
        )
        n_classes = len(self.windows.classes)
        use = (
            f"Generates series of {self.windows.length} steps and {len(self.windows.channels)} channels"
            f"{f' of {n_classes} classes' if n_classes else ''}. "
            f"In a recipe: `sampler: {{use: series, model: <this folder>}}`. {say_on_card(self.entities)}"
        ).rstrip()
        card = output.series_card(output.Result(title, settings, scores, use), config.data, self.windows)
        return self.made(made, card)

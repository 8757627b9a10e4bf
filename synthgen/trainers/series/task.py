"""The training of a series model, step by step: batches, hidden cells, the loss, validation, pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from synthgen.models.losses import Edm
from synthgen.models.series.pipeline import SeriesPipeline
from synthgen.models.series.scaler import SeriesScaler
from synthgen.readers.series.reader import Windows
from synthgen.trainers.images.diffusion import by_noise_level
from synthgen.trainers.series import observed_mask
from synthgen.training import loop
from synthgen.training.ema import Ema
from synthgen.training.monitor import Monitor
from synthgen.training.precision import autocast

N_DRAWN = 64
MAX_SPREAD_WINDOWS, MAX_SPREAD_VALUES = 1024, 2**24


class Batches:
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
        x = self.take(torch.linspace(0, len(self) - 1, n).long())["x"]
        assert x is not None
        x = x.flatten(1).double()
        x = x - x.mean(0)
        seen, rest = x[::2], x[1::2]
        if not len(rest):
            return 0.0
        direction = seen.T @ torch.linalg.eigh(seen @ seen.T).eigenvectors[:, -1]
        return float((rest @ direction).square().mean().sqrt() / direction.norm().clamp_min(1e-12))

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor | None]:
        """Windows of these numbers: `x` (B, L, C) scaled, 0 where `missing`, and what the network is told of them.

        `missing` is true where a value is missing and after a window's end, where `real` (B, L) is false.
        """
        some = self.windows.take(rows.numpy())
        values, real = self.rows[torch.from_numpy(some.places)], None
        missing = values.isnan()
        if self.padded:
            real = torch.arange(some.length) < torch.from_numpy(some.lengths)[:, None]
            missing |= ~real[..., None]
        return {
            "x": torch.where(missing, 0.0, values),
            "missing": missing,
            "labels": self.labels[rows],
            "times": torch.tensor(some.times, dtype=torch.float32),
            "covariates": torch.tensor(some.covariates) if some.covariate_names else None,
            "static": torch.tensor(some.static) if some.static_names else None,
            "real": real,
        }


class SeriesTask:
    """What is particular to series, as the loop wants it."""

    def __init__(
        self,
        config: Any,
        training: Windows,
        held_out: Windows | None,
        scaler: SeriesScaler,
        network: Callable[[], Any],
        make: Callable[[Any, Any], SeriesPipeline],
        seed: int,
        device: str,
        precision: str,
        monitor: Monitor,
    ) -> None:
        self.config, self.windows, self.network, self.make = config, training, network, make
        self.seed, self.device, self.precision, self.monitor = seed, device, precision, monitor
        self.training = Batches(training, scaler)
        self.held_out = Batches(held_out, scaler) if held_out is not None else None
        self.owners = [*range(len(training.channels)), *scaler.config.gated]
        deviation, spread = round(self.training.deviation, 4), self.training.spread()
        self.objective = Edm.stochastic(deviation, spread, config.noise_mean, config.noise_std)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = network().to(device)

    def loss(self, step: int) -> torch.Tensor:
        random = loop.step_generator(self.seed, "noise", step)
        if self.config.balance:
            rows = self._balanced(random)
        else:
            rows = loop.batch_rows(len(self.training), self.config.batch_size, step, self.seed)
        batch = self.training.take(rows)
        labels = batch["labels"]
        assert labels is not None
        hidden = torch.rand(len(labels), generator=random) < self.config.label_dropout
        batch["labels"] = torch.where(hidden, max(1, len(self.windows.classes)), labels)
        return self._losses(self.model, batch, random)[1].mean()

    def _balanced(self, random: torch.Generator) -> torch.Tensor:
        """Rows of a batch in which windows of rare classes are likelier than others."""
        counts = torch.bincount(self.training.labels).clamp_min(1)
        weights = counts.double().pow(-self.config.balance)[self.training.labels]
        return torch.multinomial(weights, self.config.batch_size, replacement=True, generator=random)

    def _losses(self, model: Any, batch: dict[str, Any], random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise levels and losses of each window, (B,): the mean over cells that are there and not shown."""
        x = batch.pop("x")
        missing = batch.pop("missing")
        shape = (*x.shape[:2], len(self.windows.channels))
        shown = observed_mask.draw(self.config.shown, shape, random)[..., self.owners] & ~missing
        levels, noise = torch.randn(len(x), generator=random), torch.randn(x.shape, generator=random)
        absent = missing
        if self.config.told < 1:
            untold = torch.rand(len(x), 1, 1, generator=random) >= self.config.told
            ended = torch.zeros_like(missing) if batch["real"] is None else ~batch["real"][..., None]
            absent = torch.where(untold, ended, missing)
        fixed = {name: None if value is None else value.to(self.device) for name, value in batch.items()}
        x, levels, noise, missing, absent, shown = (
            t.to(self.device) for t in (x, levels, noise, missing, absent, shown)
        )
        known = torch.where(shown, x, torch.nan)

        def network(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            with autocast(self.device, self.precision):
                out: torch.Tensor = model(noisy, level, known=known, absent=absent, **fixed)
            return out.float()

        errors = self.objective.errors(network, x, levels, noise)
        counted = ~(missing | shown)
        return levels, (errors * counted).sum((1, 2)) / counted.sum((1, 2)).clamp_min(1)

    @torch.no_grad()
    def validation(self, ema: Ema) -> dict[str, float]:
        """Losses of the averaged weights on held-out windows, the same noise every time, by noise level.

        Empty if nothing was held out.
        """
        if self.held_out is None:
            return {}
        model = self.averaged(ema)
        random = loop.step_generator(self.seed, "validation", 0)
        starts = range(0, len(self.held_out), 128)
        rows = [torch.arange(i, min(i + 128, len(self.held_out))) for i in starts]
        pairs = [tuple(t.cpu() for t in self._losses(model, self.held_out.take(some), random)) for some in rows]
        levels, losses = (torch.cat(parts) for parts in zip(*pairs, strict=True))
        return by_noise_level(levels, losses)

    def averaged(self, ema: Ema) -> Any:
        model = self.network().to(self.device)
        ema.copy_to(model)
        return model.eval()

    def pipeline(self, ema: Ema) -> SeriesPipeline:
        return self.make(self.averaged(ema), self.objective.scheduler())

    def report(self, step: int, ema: Ema, train_loss: float, seconds: float) -> None:
        started = time.monotonic()
        numbers = {"training loss": train_loss, **self.validation(ema), "seconds a step": seconds}
        if step % self.config.picture_every == 0 or step == self.config.steps:
            self.picture(step, self.pipeline(ema))
        numbers["seconds of this report"] = time.monotonic() - started
        self.monitor.record(step, numbers)

    def picture(self, step: int, made: SeriesPipeline) -> None:
        """Drawn series over bands of real ones, as many of each class."""
        random, labels = np.random.default_rng(self.seed), self.windows.labels
        there = np.unique(labels)
        n_each = max(1, N_DRAWN // len(there))
        rows = np.concatenate([random.choice(np.flatnonzero(labels == label), n_each) for label in there])
        some = self.windows.take(rows)
        drawn = made(
            some.labels.tolist(),
            times=some.times,
            covariates=some.covariates if some.covariate_names else None,
            static=some.static if some.static_names else None,
            generator=loop.step_generator(self.seed, "pictures", 0),
        )
        self.monitor.series(step, drawn.series, some.labels, self.windows)

"""`use: series`: trains a diffusion model of multivariate series on windows of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from synthgen.errors import DataError
from synthgen.models.losses import Edm
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.channel_maps import Kind
from synthgen.models.series.entities import Entities
from synthgen.models.series.scaler import SeriesScaler, Snap
from synthgen.parts.problem import Problem
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.series import reader as real_data
from synthgen.readers.series.reader import SeriesData, Windows
from synthgen.readers.series.summary import describe
from synthgen.trainers.series.calendar import calendar_of, with_calendar
from synthgen.trainers.series.calendar import say as say_calendar
from synthgen.trainers.series.entities import entities_of, say_entities, with_identity
from synthgen.trainers.series.model import PRESETS, Size, network, pipeline
from synthgen.trainers.series.observed_mask import Shown
from synthgen.trainers.series.task import SeriesTask
from synthgen.training.precision import choose_precision
from synthgen.training.settings import LoopConfig, UnlabelledShare
from synthgen.training.task import Start, Task
from synthgen.training.trainer import GradientTrainer

N_VALIDATION = 1024
WIDE_ENOUGH = 128
"""For bf16 on a CPU."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a network is given beside the values of its training windows: the calendar, and whose they are.

    `unlabelled` are windows without classes, None if there are none; `notes` say what of them is left out.
    """

    training: Windows
    calendar: Calendar | None
    entities: Entities | None
    unlabelled: Windows | None = None
    notes: Sequence[str] = ()

    def windows(self, some: Windows) -> Windows:
        """Windows of any part with all of that."""
        return with_identity(with_calendar(some, self.calendar), self.entities)


class SeriesTrainer(GradientTrainer):
    """Trains on windows of series; ends with a SeriesPipeline folder, its card and its images."""

    version: ClassVar[int] = 11

    class Config(LoopConfig):
        """Settings of `use: series`."""

        steps: int = Field(default=10_000, ge=1, description="Optimiser steps.")
        data: SeriesData = Field(description="Real series, and how windows are cut from them.")
        preset: Literal["auto", "tiny", "mini", "small", "base"] = Field(
            default="auto",
            description="Size of the network: about 0.25, 0.7, 1.3 and 10 million parameters; auto grows with the "
            "values in a token, which are those of all channels in `patch` steps.",
        )
        patch: Literal["auto"] | Annotated[int, Field(ge=1, le=64)] = Field(
            default="auto",
            description="Steps in a token; for long windows, attention costs patch^2 times less. auto is 1 up to 64 "
            "steps, and makes about 32 tokens of more.",
        )
        dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of what layers add that is left out in training."
        )
        scaling: Kind = Field(
            default="mixed",
            description="How channels are scaled: by mean and deviation, by quantiles, which suits heavy tails, or by "
            "the mean of both.",
        )
        snap: Snap = Field(
            default="observed",
            description="What generated values are: the nearest that occurs in the training data, any on the grid that "
            "all of a channel lie on (whole numbers, cents), or any.",
        )
        observed_mask: Shown = Field(
            default=Shown(), description="Which cells are known in training: for imputation, forecasts and long series."
        )
        level_shift: float = Field(
            default=1.0,
            ge=0,
            description="How far channels are moved, in standard deviations, in some of the windows of which enough is "
            "known, and by how many fifths stretched: so that gaps and forecasts follow levels that the training data "
            "do not have. The network sees in which windows that may be; 0 does without.",
        )
        missing_indicator: float = Field(
            default=1.0,
            ge=0,
            le=1,
            description="Share of windows with the places of missing values marked. The others are learned from as "
            "they are generated, without such marks: lower it if many values are missing.",
        )
        identity: Literal["auto", "none"] = Field(
            default="auto",
            description="auto: the model stores names and static columns of its entities, so that series can be asked "
            "for by name, and where there are few, with several windows each, the network learns them apart; none: "
            "it knows of no entities.",
            exclude_if=lambda value: value == "auto",
        )
        label_dropout: float = Field(
            default=0.1, ge=0, lt=1, description="Share of labels that are hidden, which guidance needs."
        )
        log_sigma_mean: float = Field(default=-0.5, ge=-5, le=5, description="Mean of the logarithm of noise levels.")
        log_sigma_std: float = Field(
            default=1.4,
            gt=0,
            le=4,
            description="Standard deviation of that logarithm; above the mean it is more where the values of a window "
            "go together: sampling starts from more noise then, and training must visit it.",
        )
        class_balance: float = Field(
            default=0.0,
            ge=0,
            le=1,
            description="How much more often windows of rare classes are drawn: 0 as they come, 1 every class equally "
            "often, 0.5 by the roots of their numbers.",
        )
        unlabelled_share: UnlabelledShare = 0.5
        precision: Literal["auto", "fp32", "bf16"] = Field(
            default="auto",
            description="auto is bf16 where the hardware multiplies it fast, else fp32; on CPUs, the network tiny is "
            "faster in fp32 everywhere.",
        )
        sample_every: int = Field(default=2000, ge=1, description="Steps between images of generated series.")

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
                        self._scaler(self._given(windows, recordings))
        except DataError as error:
            return [Problem(message, place=("data", "path")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """What each column of the data is used as, and how windows are cut from them, in words."""
        data = self.config.data
        recordings = real_data.read(data)
        shares = {
            "train": ("training", 1.0),
            "validation": ("validation", data.validation),
            "test": ("tests", data.test),
        }
        parts: list[real_data.Split] = ["train", "validation", "test"]
        cut = {shares[part][0]: real_data.windows(recordings, data, part) for part in parts if shares[part][1]}
        made = self._given(cut["training"], recordings)
        said = {"calendar": say_calendar(made.calendar), "identity": say_entities(made.entities)}
        found = describe(recordings, data, cut)
        more = {"windows without classes": f"{len(made.unlabelled):,}"} if made.unlabelled else {}
        columns = {**found.columns, **{name: text for name, text in said.items() if text}}
        rows = {**found.rows, **more, "network": self._network(made)}
        return replace(found, columns=columns, rows=rows, notes=(*found.notes, *made.notes))

    def _given(self, training: Windows, recordings: real_data.Recordings) -> Given:
        """Training windows with all that the network is given beside them.

        Raises:
            DataError: a class has no training window, or the windows without classes cannot be used.
        """
        unseen = [name for i, name in enumerate(training.classes) if i not in training.labels]
        if len(training.classes) > 1 and unseen:
            data = self.config.data
            others = [name for name in training.classes if name not in unseen]
            instead = f"name the others in `events.classes` ({', '.join(others)})" if data.events else "leave them out"
            raise DataError(
                f"{data.path}: no training window is of {', '.join(unseen)}, so that nothing can be learned of "
                f"{'it' if len(unseen) == 1 else 'them'}; {instead}, or hold less out with `validation` and `test`"
            )
        calendar = calendar_of(self.config.data, training)
        entities = entities_of(training, calendar) if self.config.identity == "auto" else None
        data = self.config.data
        more = real_data.unlabelled(data, recordings) if data.unlabelled else (None, [])
        return Given(training, calendar, entities, *more)

    def _network(self, given: Given) -> str:
        """`mini, tokens of 3 steps, 0.73 million weights`: what `preset` and `patch` come to."""
        scaler = self._scaler(given)
        size = Size.of(self.config, scaler.n_scaled, given.training.length)
        made = network(self.config, scaler, given.windows(given.training), given.entities)
        n = sum(p.numel() for p in made.parameters())
        tokens = "a token a step" if size.patch == 1 else f"tokens of {size.patch} steps"
        return f"{size.preset}, {tokens}, {n / 1e6:.2f} million weights"

    def sketch(self, out: Path) -> None:
        """Writes the model as it is before its first step: all that a recipe must fit is known then.

        Raises:
            DataError: the series cannot be used; names every problem.
        """
        config = self.config
        recordings = real_data.read(config.data)
        given = self._given(real_data.windows(recordings, config.data, "train"), recordings)
        training, known = given.windows(given.training), given.entities
        scaler = self._scaler(given)
        made = network(config, scaler, training, known)
        pipeline(config, made, scaler, Edm.stochastic(1.0).scheduler(), training, known).save_pretrained(out)

    def task(self, start: Start) -> Task:
        data = self.config.data
        recordings = real_data.read(data)
        given = self._given(real_data.windows(recordings, data, "train"), recordings)
        training, held_out = given.windows(given.training), None
        if data.validation:
            held_out = given.windows(_some(real_data.windows(recordings, data, "validation"), start.seed))
        scaler = self._scaler(given)
        size = Size.of(self.config, scaler.n_scaled, training.length)
        precision = self._precision(size, start.device)
        more = given.windows(given.unlabelled) if given.unlabelled else None
        task = SeriesTask(self.config, training, held_out, scaler, given.entities, start, precision, more)
        task.notes = given.notes
        return task

    def _scaler(self, given: Given) -> SeriesScaler:
        """Fitted to all windows that are learned from: values that none of them has are never generated."""
        names, config = [channel.name for channel in given.training.channels], self.config
        parts = [some.rows[some.covered] for some in (given.training, given.unlabelled) if some is not None]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        offsets = rows.dtype == np.float64
        made: SeriesScaler = SeriesScaler.fit(rows, names, config.scaling, snap=config.snap, offsets=offsets)
        return made

    def _precision(self, size: Size, device: str) -> str:
        """Matrices of width 64 are too small to repay the casts: with AVX512-BF16, a step took 1.5 times as long."""
        small = PRESETS[size.preset]["width"] < WIDE_ENOUGH and device == "cpu"
        precision = self.config.precision
        return "fp32" if small and precision == "auto" else choose_precision(precision, device)


def _some(held_out: Windows, seed: int) -> Windows:
    rows = np.random.default_rng(seed).permutation(len(held_out))[:N_VALIDATION]
    return held_out.take(np.sort(rows))

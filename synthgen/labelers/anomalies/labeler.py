"""`use: anomalies`: a normal series with anomalies of known kinds in it, and the labels of what was done to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field as Setting
from pydantic import model_validator

from synthgen import seeds as streams
from synthgen.base.settings import FieldName, Settings
from synthgen.fields import Columns, Events, Field, Schema, Series, StepClasses, Times
from synthgen.labelers.anomalies.events import Event, Placed, Wish, place
from synthgen.labelers.anomalies.kinds import KINDS, Kind, Scale
from synthgen.models import folders
from synthgen.models.series.calendar import Calendar
from synthgen.models.series.entities import Entities, asked_of, whose
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source

Amount = Annotated[float, Setting(gt=0)]
Count = Annotated[int, Setting(ge=0)]


class Anomalies:
    """Writes `anomalous`, `anomaly` and `events`; the series itself stays as the normal one that belongs to it.

    `anomalous` is the series with the events: outside them equal to the bit, and missing where it was. `anomaly` has
    the kind of every value (`StepClasses`: 0 normal), so that `anomaly > 0` is what a detector should find. `events`
    says of each what, when, in which channels and how severe. Which events a series gets depends on its seed alone.

    With a `model`, the cuts that only an injection leaves behind (around a shift, an odd stretch, where a sensor works
    again) are generated again by it: the steps within `seam` of the cut, on both sides, belong to the event, and at
    least a third of the event lies between its seams. That softens cuts, and need not hide them: what is next to a seam
    may be far from all that the model knows. Sizes are then measured by the model's data, not by the series.

    Source, for the kinds: Lai et al. 2021, "Revisiting time series outlier detection" (what is odd in a signal: points,
    seasons, trends); Ni et al. 2009, "Sensor network data fault types" (what sensors do).
    """

    version: ClassVar[int] = 1

    class Config(Settings):
        """Settings of `use: anomalies`."""

        kinds: dict[Kind, Annotated[float, Setting(ge=0)]] | None = Setting(
            default=None,
            description="How often each kind comes up, such as {point: 1, drift: 0.5}; by default all equally often.",
        )
        count: tuple[Count, Count] = Setting(
            default=(0, 3), description="Fewest and most events of a series; with 0, some series stay normal."
        )
        length: tuple[Amount, Amount] = Setting(
            default=(0.05, 0.25),
            description="Shortest and longest event: shares of the series below 1, else steps. A spike has one step.",
        )
        severity: tuple[Amount, Amount] = Setting(
            default=(3.0, 8.0),
            description="Size of spikes, shifts and drifts in robust standard deviations of the channel.",
        )
        speed: tuple[Amount, Amount] = Setting(
            default=(1.5, 3.0), description="How many times faster, or slower, time goes in `frequency` events."
        )
        missing: float = Setting(
            default=0.5, ge=0, le=1, description="Share of dropouts without values; the others are at the floor."
        )
        channels: tuple[Annotated[int, Setting(ge=1)], Annotated[int, Setting(ge=1)]] | None = Setting(
            default=None, description="Fewest and most channels of an event; by default from one to all."
        )
        model: str | None = Setting(
            default=None, description="A model of these series, as the sampler's, that generates the cuts again."
        )
        seam: int = Setting(default=4, ge=1, description="Steps on each side of a cut that the model generates again.")
        steps: int = Setting(default=20, gt=0, le=1000, description="Denoising steps of the model.")
        series: str = Setting(default="series", description="The series that is read.")
        time: str = Setting(default="time", description="The times of its steps.")
        field: FieldName = Setting(default="anomalous", description="Name of the new series.")
        labels: FieldName = Setting(default="anomaly", description="Name of the kinds by step and channel.")
        events: FieldName = Setting(default="events", description="Name of the list of events.")

        @model_validator(mode="after")
        def _sensible(self) -> Anomalies.Config:
            for name in ("count", "length", "severity", "speed", "channels"):
                pair = getattr(self, name)
                if pair is not None and pair[0] > pair[1] and not (name == "length" and pair[1] < 1 <= pair[0]):
                    raise ValueError(f"`{name}` must rise, such as [1, 3] (got {list(pair)})")
            if self.speed[0] <= 1:
                raise ValueError(f"`speed` must be over 1 (got {list(self.speed)})")
            if self.kinds is not None and not any(self.kinds.values()):
                raise ValueError("`kinds` must have one that comes up: a weight over 0")
            if len({self.field, self.labels, self.events}) < 3:
                raise ValueError("`field`, `labels` and `events` must be three names")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        self.fields: Mapping[str, Field] = {}
        self._wish: Wish | None = None
        self._ids: list[int] | None = None
        self._pipeline: Any = None
        self._scales: list[Scale] | None = None
        self._whose: str | None = None
        if config.model is not None:
            self.folder = folders.resolve(config.model)
            self._index = folders.check_class(self.folder, config.model, "SeriesPipeline", "series")
            self._calendar, self._entities = Calendar.of(self._index), Entities.of(self._index)

    def identity(self) -> dict[str, Any]:
        model = {"model": self.sources[0].sha256} if self.config.model else {}
        return self.config.model_dump(mode="json", exclude={"model"}) | model

    @property
    def sources(self) -> list[Source]:
        return [folders.source(self.config.model)] if self.config.model else []

    def bind(self, columns: Schema) -> list[Problem]:
        config, series, times = self.config, columns.get(self.config.series), columns.get(self.config.time)
        if not isinstance(series, Series) or not isinstance(times, Times):
            message = f"needs the series `{config.series}` and its times `{config.time}`"
            return [Problem(message, (config.series, config.time))]
        n_channels = len(series.channels)
        weights: dict[Kind, float] = dict(config.kinds or dict.fromkeys(KINDS, 1.0))
        if n_channels == 1 and config.kinds is None:
            del weights["decoupling"]
        problems = []
        if n_channels == 1 and weights.get("decoupling"):
            problems.append(Problem("decoupling needs two channels; the series has one", place=("kinds",)))
        n_steps = tuple(max(1, round(x * series.length if x < 1 else x)) for x in config.length)
        if n_steps[0] > min(n_steps[1], series.length):
            message = f"{list(config.length)} is no range within the {series.length} steps of the series"
            problems.append(Problem(message, place=("length",)))
        if config.channels and config.channels[1] > n_channels:
            message = f"the series has {n_channels} (got {list(config.channels)})"
            problems.append(Problem(message, place=("channels",)))
        self.fields = {
            config.field: series,
            config.labels: StepClasses(series.length, series.channels, KINDS),
            config.events: Events(series.length, KINDS, series.channels, times.unit),
        }
        self._wish = Wish(
            weights,
            config.count,
            (n_steps[0], n_steps[1]),
            config.channels or (1, n_channels),
            config.severity,
            config.speed,
            config.missing,
            config.seam if config.model else 0,
        )
        return [*problems, *(self._bind_model(series, times, columns) if config.model else [])]

    def _bind_model(self, series: Series, times: Times, columns: Schema) -> list[Problem]:
        """What does not fit between the model and the series; sets the class ids, as the sampler of series has them."""
        index = self._index
        asks = [name for names in asked_of(index).values() for name in names]
        if asks:
            message = f"model {self.config.model}: needs {', '.join(asks)} of each series, which no condition gives yet"
            return [Problem(message)]
        self._whose = whose(columns)
        its = (tuple(index["channels"]), tuple(index["units"]), int(index["length"]), str(index["time_unit"]))
        given = (series.channels, series.units, series.length, times.unit)
        wrong = [
            Problem(
                f"model {self.config.model}: has the {what} {_words(a)}; `{self.config.series}` has {_words(b)}",
                (self.config.series,),
            )
            for what, a, b in zip(("channels", "units", "length", "time unit"), its, given, strict=True)
            if a != b
        ]
        if self._calendar:
            texts = self._calendar.problems(columns.get("start_time"))
            wrong += [Problem(f"model {self.config.model}: {text}", (self.config.time,)) for text in texts]
        self._ids, unknown_classes = folders.class_ids(index, columns.get("condition.label"), str(self.config.model))
        return [*wrong, *unknown_classes]

    def setup(self, device: str) -> None:
        if not self.config.model:
            return
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)
        self._scales = scales_of(self._pipeline.scaler)

    def annotate(self, columns: Columns, seeds: Sequence[int]) -> Columns:
        assert self._wish is not None
        normal, times = columns[self.config.series], columns[self.config.time]
        placed = [
            place(series, self._wish, streams.generator(seed), self._scales)
            for series, seed in zip(normal, seeds, strict=True)
        ]
        series = [found.series for found in placed]
        if self._pipeline is not None and any(found.seams.any() for found in placed):
            labels = [0] * len(placed) if self._ids is None else [self._ids[i] for i in columns["condition.label"]]
            names = columns[self._whose] if self._whose else [None] * len(placed)
            more = self._entities.beside({}, names) if self._entities else {}
            if self._calendar:
                more |= self._calendar.beside({}, columns.get("start_time", ()), np.stack(times))
            series = self._with_seams(placed, np.stack(times), labels, seeds, more)
        field = self.fields[self.config.field]
        assert isinstance(field, Series)
        return {
            self.config.field: series,
            self.config.labels: [found.classes for found in placed],
            self.config.events: [
                [as_dict(event, when, field.channels) for event in found.events]
                for found, when in zip(placed, times, strict=True)
            ],
        }

    def _with_seams(
        self,
        placed: Sequence[Placed],
        times: np.ndarray,
        labels: Sequence[int],
        seeds: Sequence[int],
        more: Mapping[str, np.ndarray],
    ) -> list[np.ndarray]:
        """The series with new values at their seams, generated around all others; what is missing stays missing.

        Args:
            more: `covariates` and `static` numbers that the model is given.
        """
        import torch

        from synthgen.models.sampling import torch_generator

        series = np.stack([found.series for found in placed])
        seams = np.stack([found.seams for found in placed])
        own = [streams.seed_of(seed, "seams", 0) for seed in seeds]  # others than those that chose the events
        noise = streams.normals(own, (series.shape[1], int(self._pipeline.scaler.n_scaled)))
        drawn = self._pipeline(
            labels,
            known=np.where(seams, np.nan, series),
            times=times,
            **more,
            num_inference_steps=self.config.steps,
            latents=torch.from_numpy(noise),
            generator=[torch_generator(seed) for seed in own],
        ).series
        return list(np.where(seams & ~np.isnan(series), drawn, series).astype(series.dtype))


def scales_of(scaler: Any) -> list[Scale]:
    """Each channel's scale in a model's data: half the way between what it maps to -1 and to +1.

    Those are the 16 % and 84 % quantiles, or one standard deviation from the mean; zeros of a channel with a gate
    are left out of them.
    """
    import torch

    steps = scaler.config.resolution or [0.0] * int(scaler.config.n_channels)
    with torch.no_grad():
        ends = torch.ones(2, scaler.n_scaled) * torch.tensor([[-1.0], [1.0]])
        ends[:, scaler.config.n_channels :] = 1  # above the floor
        low, high = scaler.unscale(ends.to(scaler.low.device)).cpu().double().numpy()
    floors, ranges = scaler.floors, (scaler.high.cpu().double() - scaler.low.cpu().double()).tolist()
    return [
        Scale(max((b - a) / 2, step) or ranges[i] / 4, floors[i], step, i in scaler.config.gated)
        for i, (a, b, step) in enumerate(zip(low.tolist(), high.tolist(), steps, strict=True))
    ]


def as_dict(event: Event, times: np.ndarray, channels: Sequence[str]) -> dict[str, Any]:
    """An event as `Events` has it; an end after the last step is as long after it as the step before it was before."""
    after = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1.0)
    return {
        "kind": event.kind,
        "start": event.start,
        "end": event.end,
        "start_time": float(times[event.start]),
        "end_time": float(times[event.end] if event.end < len(times) else after),
        "channels": [channels[i] for i in event.channels],
        "severity": event.severity,
    }


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)

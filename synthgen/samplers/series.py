"""`use: series`: multivariate series of a class from a diffusion model of series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from synthgen import seeds as streams
from synthgen.fields import Columns, Schema, Series, Times, Timestamp
from synthgen.models import folders
from synthgen.models.parts import FolderPart
from synthgen.models.series.calendar import At, Calendar
from synthgen.models.series.entities import asked_of
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Slot
from synthgen.samplers.guided import Guided
from synthgen.samplers.series_entities import SeriesEntities
from synthgen.samplers.varied import strength_for

VALUES = ("series", "known", "real")
"""What a condition calls values: all of a series, or some, that are not generated, or all, that are generated again."""


class SeriesSampler(FolderPart):
    """Generates `series` and `time` for `condition.label`; classes are matched to the model's by name.

    Of a model that knows one class, no class need be asked for. A condition such as `real-series` may also give
    `known` values, which are kept, `time`, `covariates` and `static` numbers; what the model was given of these stands
    beside the series as fields of the same names, because a forecast cannot be learned without its covariates.
    Series longer than the windows that the model was trained on, by `length` or as the condition's are, are generated
    window by window, each with the end of those before it known. Steps after the condition's last one follow at the
    median of its steps.
    A model of real times computes the covariates of its calendar by itself; `start_time` then is the moment of a
    series' first step: the condition's, or that at which one of the model's training windows began, by the sample's
    seed.
    A model of a table with entities generates series of one of them: of the condition's `source`, or, if the condition
    gives neither that nor values or static columns, of one chosen by the sample's seed, as likely as it has training
    windows of the class. Such a series has its static columns and begins as one of its windows did; the fields `entity`
    and `static` say so.
    A condition that gives whole `series` leaves nothing to draw: they pass through as they are, gaps and all. With
    `strength`, the `real` values of a condition are generated again, as `real-series` gives them with `generate:
    variants`; gaps stay gaps.
    """

    version: ClassVar[int] = 3
    wanted: ClassVar[str] = "SeriesPipeline"
    trainer: ClassVar[str] = "series"

    class Config(Guided):
        """Settings of `use: series`."""

        model: str = Field(description="A starter such as starter/ecg, or the folder of a trained model.")
        steps: int = Field(default=20, gt=0, le=1000, description="Denoising steps, one network evaluation each.")
        strength: float | None = strength_for("real values")
        length: int | None = Field(
            default=None,
            ge=2,
            description="Steps of a series, more than the model's windows have too: it then goes on from what it has "
            "generated. By default as many as the condition's series, or the model's windows.",
        )
        overlap: float = Field(
            default=0.5,
            gt=0,
            description="How much of a window of a longer series is known from the one before: a share of the model's "
            "window, or steps from 1 on, rounded up to whole tokens of its `patch`.",
        )

        at: At | None = Field(
            default=None,
            description="When series begin, such as {weekday: sunday, hour: 6}, of a model of real times; by default "
            "as any of its training windows does.",
        )

        entity: tuple[str, ...] | None = Field(
            default=None,
            min_length=1,
            description="Whose series are generated: an entity of the training by name, or a list of several, each as "
            "likely as it has training windows; by default any.",
        )

        @field_validator("entity", mode="before")
        @classmethod
        def _listed(cls, entity: Any) -> Any:
            """Names as texts, also those that YAML reads as numbers."""
            given = entity if entity is None or isinstance(entity, list | tuple) else (entity,)
            return given and [str(name) if type(name) is int else name for name in given]

        @field_validator("overlap")
        @classmethod
        def _whole(cls, overlap: float) -> float:
            if overlap >= 1 and overlap != int(overlap):
                raise ValueError(f"must be a share below 1, such as 0.5, or a whole number of steps (got {overlap:g})")
            return overlap

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        index = self.index
        self._calendar = Calendar.of(index)
        self._asks = asked_of(index)
        self._entities = SeriesEntities(config.model, index, config.entity or ())
        scaler = folders.component_config(self.folder, "scaler")
        dtype: Literal["float32", "float64"] = "float64" if "offsets" in scaler else "float32"
        self._series = Series(int(index["length"]), tuple(index["channels"]), tuple(index["units"]), dtype)
        self._unit = str(index["time_unit"])
        self._continues = bool(index.get("continues"))  # models of earlier versions do not say
        patch = int(folders.component_config(self.folder, "denoiser")["patch"])
        self._overlap = overlap_steps(config.overlap, self._series.length, patch)
        self._given: tuple[str, ...] = ()
        self._timed = False
        self._starts: Mapping[int, np.ndarray] = {}
        self._set_fields()
        self._ids: list[int] | None = None
        self._pipeline: Any = None

    def identity(self) -> dict[str, Any]:
        """`at` and `entity` are left out if they are not set: older datasets do not state them."""
        found = super().identity()
        return {name: value for name, value in found.items() if name not in ("at", "entity") or value is not None}

    def _set_fields(self, given: int | None = None, condition: Schema | None = None) -> None:
        """The fields of series as long as `length` says, else as the `given` steps of the condition."""
        kind = replace(self._series, length=self.config.length or given or self._series.length)
        kinds: Mapping[str, Any] = condition or {}
        if "series" in self._given:
            kind = replace(kind, dtype=kinds["series"].dtype)
        moment = self._moment(kinds)
        self.fields: Mapping[str, Any] = {
            "series": kind,
            "time": Times(kind.length, self._unit),
            **({"known": replace(kind, dtype=kinds["known"].dtype)} if "known" in self._given else {}),
            **{name: kinds[name] for name in self._asks if name in self._given},
            **({"start_time": moment} if moment else {}),
            **self._entities.fields,
        }

    def _moment(self, condition: Mapping[str, Any]) -> Timestamp | None:
        """The field of when a series begins: the condition's, or the model's if the condition has no times."""
        if isinstance(given := condition.get("start_time"), Timestamp):
            return given
        timed = "time" in self._given or "series" in self._given
        return Timestamp(self._calendar.zoned) if self._calendar and not timed else None

    def bind(self, condition: Schema) -> list[Problem]:
        names = (*VALUES, "time", *self._asks)
        self._given = tuple(name for name in names if isinstance(condition.get(name), Series | Times))
        self._entities.see(condition, self._given)
        lengths = [condition[name].length for name in self._given if name != "static"]  # type: ignore[attr-defined]
        given = lengths[0] if lengths else None
        self._set_fields(given, condition)
        self._ids, wrong = folders.class_ids(self.index, condition.get("label"), self.config.model)
        labels = [0] if self._ids is None else sorted(set(self._ids))
        moments = self._bind_moments(condition, labels)
        calendar, at = None if self._timed else self._calendar, {} if moments else self._at
        whose = self._entities.bind(labels, calendar, at)
        lengths_and_real = [*self._bind_length(given), *self._bind_real()]
        return [*self._bind_numbers(condition), *wrong, *lengths_and_real, *moments, *whose]

    @property
    def _at(self) -> Mapping[str, Sequence[Any]]:
        return self.config.at.accepted if self.config.at else {}

    def _bind_moments(self, condition: Schema, labels: Sequence[int]) -> list[Problem]:
        """What is wrong with the times that series begin at; finds those that the model can begin at."""
        model, calendar, moment = f"model {self.config.model}", self._calendar, self.fields.get("start_time")
        self._timed = "start_time" in condition
        if self.config.at and (self._timed or calendar is None):
            what = "the condition says when its series begin" if self._timed else f"{model}: knows no real times"
            return [Problem(f"{what}; leave it out", ("start_time",), ("at",))]
        if calendar is None or "series" in self._given:
            return []
        if wrong := calendar.problems(moment):
            return [Problem(f"{model}: {text}", ("time",)) for text in wrong]
        if self._timed or self._entities.chooses:
            return []
        self._starts = {label: calendar.starts_of(label, self._at) for label in labels}
        if all(len(found) for found in self._starts.values()):
            return []
        return [Problem(f"{model}: {calendar.none_began()}", place=("at",))]

    def _bind_length(self, given: int | None) -> list[Problem]:
        """What is wrong with the length asked for, and with going on from window to window."""
        model, trained, asked = f"model {self.config.model}", self._series.length, self.config.length
        length, problems = self.fields["series"].length, []
        whole = [name for name in ("series", "real") if name in self._given]
        if whole and asked and asked != given:
            text = f"the condition gives whole series of {given} steps; leave it out (got {asked})"
            return [Problem(text, tuple(whole), ("length",))]
        if "series" in whole:
            return []
        if asked and asked < (given or trained):
            whose = "the condition's series have" if given else f"{model}: its windows have"
            message = f"{whose} {given or trained} steps; ask for as many or more (got {asked})"
            problems.append(Problem(message, place=("length",)))
        if asked and given and asked > given and "covariates" in self._given:
            message = (
                f"the condition gives the covariates of {given} steps, and {model} needs them at "
                f"every one; leave out `length`, or let the condition's windows have {asked} steps"
            )
            problems.append(Problem(message, ("covariates",), ("length",)))
        if length <= trained:
            return problems
        if not self._continues:
            message = (
                f"{model}: generates {trained} steps and was not trained to go on, so that {length} cannot be drawn; "
                "train it with `observed_mask: {start: 0.15}` or more, on windows from anywhere in a series (not of "
                "`events`)"
            )
            problems.append(Problem(message))
        if self._overlap >= trained:
            message = (
                f"{self.config.overlap:g} is {self._overlap} steps in whole tokens and leaves nothing of the "
                f"{trained} steps of {model} to draw; use less, such as 0.5"
            )
            problems.append(Problem(message, place=("overlap",)))
        return problems

    def _bind_real(self) -> list[Problem]:
        """What is wrong with the values that are generated again, and with how far."""
        asked, given = self.config.strength is not None, "real" in self._given
        if asked and not given:
            text = "needs a condition with real values, such as `use: real-series` with `generate: variants`"
            return [Problem(text, ("real",), ("strength",))]
        if given and not asked:
            return [
                Problem("the condition gives values to be generated again; `strength: 0.5` says how far", ("real",))
            ]
        return []

    def _bind_numbers(self, condition: Schema) -> list[Problem]:
        """What is wrong with known values, times, covariates and static numbers."""
        model, problems = f"model {self.config.model}", []
        wanted = dict.fromkeys(VALUES, self._series.channels) | self._asks
        for name, channels in wanted.items():
            kind = condition.get(name)
            if name not in self._given:
                if name not in VALUES and not (name == "static" and self._entities.chooses):
                    message = f"{model}: needs the {name} {', '.join(channels)}, as `use: real-series` gives them"
                    problems.append(Problem(message, (name,)))
            elif isinstance(kind, Series) and kind.channels != channels:
                what = "the channels" if name in VALUES else f"the {name}"
                message = f"{model}: has {what} {', '.join(channels)}, in this order (got {', '.join(kind.channels)})"
                problems.append(Problem(message, (name,)))
        time = condition.get("time")
        if "series" in self._given and not isinstance(time, Times):
            message = "needs the times `time` of the steps of the condition's `series`"
            problems.append(Problem(message, ("time", "series")))
        if isinstance(time, Times) and time.unit != self._unit:
            problems.append(
                Problem(f"{model}: counts time in {self._unit}, and the condition in {time.unit}", ("time",))
            )
        return problems

    def setup(self, device: str) -> None:
        if "series" in self._given:
            return
        import torch

        from synthgen.models import registry

        self._pipeline = registry.load_pipeline(self.folder, device, torch.float32)
        self._pipeline.set_progress_bar_config(disable=True)

    def sample(self, slots: Sequence[Slot], seeds: Sequence[int]) -> Columns:
        if "series" in self._given:
            return {name: [slot.condition[name] for slot in slots] for name in self.fields}
        from synthgen.models.series import continuation

        ids, length = self._ids, self.fields["series"].length
        labels = [0 if ids is None else ids[slot.condition["label"]] for slot in slots]
        given = {name: np.stack([slot.condition[name] for slot in slots]) for name in self._given}
        if "static" in given:
            given["static"] = given["static"][:, 0]
        if "known" in given:
            given["known"] = continuation.followed(given["known"], length)
        if "time" in given:
            given["times"] = continuation.gone_on(given.pop("time"), length)
        beside = {name: [slot.condition[name] for slot in slots] for name in self._asks if name in self._given}
        chosen = self._entities.chosen(labels, seeds) if self._entities.chooses else []
        if chosen:
            beside |= self._entities.beside(chosen)
            if "static" in beside:
                given["static"] = np.concatenate(beside["static"])
        given |= self._entities.identity(given, beside, slots)
        if "start_time" in self.fields:
            starts = [one.starts for one in chosen] or [self._starts.get(label) for label in labels]
            beside["start_time"] = self._begin(slots, starts, seeds)
        if self._calendar:
            interval = float(self._pipeline.denoiser.config.interval)
            times = given.get("times", np.tile(np.arange(length) * interval, (len(slots), 1)))
            given |= self._calendar.beside(given, beside.get("start_time", ()), times)
        drawn = continuation.draw(
            self._pipeline,
            labels,
            seeds,
            length,
            self._overlap,
            given,
            guidance_scale=self.config.guidance,
            guidance_interval=self.config.guidance_interval,
            num_inference_steps=self.config.steps,
            strength=self.config.strength or 1.0,
        )
        columns: dict[str, Sequence[Any]] = {"series": list(drawn.series), "time": list(drawn.times)}
        if "known" in given:
            columns["known"] = list(given["known"])
        return columns | beside

    def _begin(
        self, slots: Sequence[Slot], starts_each: Sequence[np.ndarray | None], seeds: Sequence[int]
    ) -> list[np.datetime64]:
        """When each series begins: as its condition says, or as a training window of its class and entity did."""
        if self._timed:
            return [slot.condition["start_time"] for slot in slots]
        found = []
        for starts, seed in zip(starts_each, seeds, strict=True):
            assert starts is not None
            chosen = streams.generator(streams.seed_of(seed, "start", 0)).integers(len(starts))
            found.append(starts[chosen].astype("datetime64[us]"))
        return found


def overlap_steps(overlap: float, length: int, patch: int) -> int:
    """An overlap in steps: of a share of a window of `length`, or of steps from 1 on; whole tokens of `patch`.

    It is rounded up, so that what is known ends where a token ends.
    """
    steps = round(overlap * length) if overlap < 1 else int(overlap)
    return max(1, -(-steps // patch)) * patch

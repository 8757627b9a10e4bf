"""`use: real-series`: what is known of real series, to be completed, continued, generated again, or only labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field as Setting
from pydantic import model_validator

from synthgen import seeds
from synthgen.base.settings import Settings
from synthgen.conditions.lazy import Lazy
from synthgen.errors import DataError
from synthgen.fields import Field, Label, Number, Series, StepLabels, Text, Times, Timestamp
from synthgen.parts.protocols import Source
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData, Windows
from synthgen.readers.series.summary import describe

Part = Literal["all", "train", "validation", "test"]
NAMES = {"missing": "known", "hidden": "known", "end": "known", "variants": "real", "nothing": "series"}
"""The field that holds the values, by what is generated."""


class RealSeries:
    """Windows of real series in order, again and again; slots that share a step of a recording stay in one split.

    So if windows overlap, all those of a recording go where it goes.

    `known` holds the values that are kept, NaN where the sampler generates; `time`, `covariates` and `static` are as in
    the data, `start` is the time of the window's first step in its recording (and `start_time` the moment, if times are
    timestamps), `source` names the recording, and `origin` is the timestamp that its times count from, empty if they
    are numbers. With `generate: variants`, `real` in the place of `known` holds the values that samples start from.
    With `generate: nothing`, windows come as they are, as `series`: gaps stay gaps, and the last window of a recording
    ends with it, so that every step is in one.
    """

    version: ClassVar[int] = 2

    class Config(Settings):
        """Settings of `use: real-series`."""

        data: SeriesData = Setting(description="Real series, and how windows are cut from them.")
        part: Part = Setting(
            default="all", description="Which windows: all, or those of one of the parts that `data` divides into."
        )
        generate: Literal["missing", "hidden", "end", "all", "variants", "nothing"] = Setting(
            default="missing",
            description="What is generated: missing values (windows without any are left out); missing ones and values "
            "that are hidden by chance, which `evaluate` compares with the real ones; what follows the first "
            "`context_length` steps; everything, for the same times, covariates, static columns and class; variants of "
            "the values, for the same, as like them as the sampler's `strength` says; or nothing, for labels and "
            "scores of the series as they are.",
        )
        hidden_share: float | None = Setting(
            default=None,
            gt=0,
            lt=1,
            description="With `generate: hidden`, the share of a window's values that is hidden, such as 0.1.",
            exclude_if=lambda value: value is None,
        )
        gap_length: int = Setting(
            default=1,
            ge=1,
            description="With `generate: hidden`, values are hidden in gaps of this many steps of a channel.",
            exclude_if=lambda value: value == 1,
        )
        context_length: int | None = Setting(
            default=None, ge=1, description="Steps that are known with `generate: end`."
        )
        repeats: int = Setting(default=1, ge=1, description="Samples from every window, for intervals.")

        @model_validator(mode="after")
        def _fits(self) -> RealSeries.Config:
            if (self.context_length is not None) != (self.generate == "end"):
                raise ValueError("`context_length` goes with `generate: end`, which needs it")
            if self.context_length is not None and self.context_length >= self.data.length:
                raise ValueError(
                    f"`context_length` must leave something of the {self.data.length} steps of `data.length` to draw"
                )
            if (self.hidden_share is not None) != (self.generate == "hidden"):
                raise ValueError("`hidden_share` goes with `generate: hidden`, which needs it")
            if self.gap_length > 1 and self.generate != "hidden":
                raise ValueError("`gap_length` goes with `generate: hidden`")
            if self.gap_length >= self.data.length:
                raise ValueError(f"`gap_length` must be less than the {self.data.length} steps of `data.length`")
            if self.generate == "nothing" and self.repeats > 1:
                raise ValueError("`repeats` needs something to generate; with `generate: nothing` all copies are equal")
            return self

    def __init__(self, config: Config) -> None:
        self.config = config
        data = config.data
        if config.part == "all":
            data = data.model_copy(update={"validation": 0.0, "test": 0.0})
        self._recordings = reader.read(data)
        part: reader.Split = "train" if config.part == "all" else config.part
        cut = reader.windows(self._recordings, data, part, to_the_end=config.generate == "nothing")
        if config.generate == "missing":
            gaps = np.concatenate([[0], np.cumsum(np.isnan(cut.rows).any(1))])  # in the rows before each
            cut = cut.take(np.flatnonzero(gaps[cut.first + cut.lengths] > gaps[cut.first]))
            if not len(cut):
                raise DataError(
                    f"{data.path}: has no missing values in these windows; `generate: end` or `all` generates others, "
                    "and `generate: nothing` hands them over as they are"
                )
        if (cut.lengths < cut.length).any():
            raise DataError(
                f"{data.path}: has windows shorter than `length`, which samples cannot be yet; leave out `pad`"
            )
        self._windows = cut
        self._overlap = bool((np.diff(cut.first) < cut.length).any())
        self._sha256 = reader.sha256(config.data)
        self.samples = config.repeats * len(cut)
        length, unit = cut.length, cut.time_unit
        names, units = (tuple(getattr(c, key) for c in cut.channels) for key in ("name", "unit"))
        self.fields: Mapping[str, Field] = {
            **({"label": Label(cut.classes)} if cut.classes else {}),
            **(
                {NAMES[config.generate]: Series(length, names, units, _dtype(cut.rows))}
                if config.generate in NAMES
                else {}
            ),
            "time": Times(length, unit),
            **({"covariates": _plain(length, cut.covariate_names, cut.row_covariates)} if cut.covariate_names else {}),
            **({"step_label": StepLabels(length, cut.step_classes)} if cut.step_classes else {}),
            **({"static": _plain(1, cut.static_names, cut.entity_static)} if cut.static_names else {}),
            "start": Number(unit),
            **({"start_time": Timestamp(cut.zoned)} if cut.row_stamps is not None else {}),
            "source": Text(),
            "origin": Text(),
        }

    def identity(self) -> dict[str, Any]:
        apart = {"path", "licence", "source", "calendar", "holidays", "timezone"}
        settings = self.config.model_dump(mode="json", exclude={"repeats": True, "data": apart})
        timed = {"start_time": True} if "start_time" in self.fields else {}
        return settings | timed | {"data_sha256": self._sha256}

    def data_facts(self) -> DataFacts:
        """What each column of the data is used as, and how windows are cut from them, in words."""
        return describe(self._recordings, self.config.data, {"this dataset": self._windows})

    @property
    def sources(self) -> Sequence[Source]:
        data = self.config.data
        return [Source("data", data.source or data.path, self._sha256, data.licence)]

    def condition(self, index: int) -> tuple[Mapping[str, Any], str]:
        windows, row = self._windows, index % len(self._windows)
        recording = self._recordings.items[int(windows.entities[row])]
        first_step = int(windows.starts[row])
        at_hand = {
            "label": int(windows.labels[row]),
            "start": float(recording.times[first_step]),
            "start_time": self._start_time(row),
            "source": recording.entity,
            "origin": recording.start,
        }
        values = Lazy(
            {name: at_hand[name] for name in self.fields if name in at_hand},
            tuple(name for name in self.fields if name not in at_hand),
            lambda: self._values(row),
        )
        return values, recording.entity if self._overlap else f"{recording.entity} {first_step}"

    def _start_time(self, row: int) -> np.datetime64 | None:
        stamps = self._windows.row_stamps
        return None if stamps is None else stamps[self._windows.first[row]].astype("datetime64[us]")

    def _values(self, row: int) -> dict[str, Any]:
        """The arrays of a window."""
        cut = self._windows.take(np.array([row]))
        known = np.array(cut.values[0])
        if self.config.context_length is not None:
            known[self.config.context_length :] = np.nan
        if self.config.hidden_share is not None:
            random = seeds.generator(seeds.seed_of(0, "hidden-values", row))
            known[hidden(~np.isnan(known), self.config.hidden_share, self.config.gap_length, random)] = np.nan
        values = {
            "known": known,
            "real": known,
            "series": known,
            "time": _times(cut),
            "covariates": np.array(cut.covariates[0]),
            "static": np.array(cut.static[:1]),
        }
        if cut.step_classes:
            values["step_label"] = cut.step_labels[0]
        return {name: value for name, value in values.items() if name in self.fields}


def hidden(there: np.ndarray, share: float, gap_length: int, random: np.random.Generator) -> np.ndarray:
    """bool (L, C): a share of the values that are `there`, one at least, in gaps at random places.

    Gaps may touch, and the last one is cut short, so that the share is right to the value. Something stays known.
    """
    length, n_channels = there.shape
    found = np.zeros_like(there)
    n_left = min(max(1, round(share * int(there.sum()))), int(there.sum()) - 1)
    for place in random.permutation((length - gap_length + 1) * n_channels):
        start, channel = divmod(int(place), n_channels)
        steps = start + np.flatnonzero((there & ~found)[start : start + gap_length, channel])[: max(0, n_left)]
        found[steps, channel] = True
        n_left -= len(steps)
        if n_left <= 0:
            break
    return found


def _times(cut: Windows) -> np.ndarray:
    """float64 (L,): since the first step, as the recording has them; those of regular ones without float noise."""
    exact, regular = cut.row_times[cut.places[0]], cut.times[0]
    if np.array_equal(np.round(exact, 9), np.round(exact[0] + regular, 9)):
        return np.array(regular)
    since: np.ndarray = exact - exact[0]
    return since


def _plain(length: int, names: Sequence[str], values: np.ndarray) -> Series:
    """Numbers without units that stand beside a series."""
    return Series(length, tuple(names), ("1",) * len(names), _dtype(values))


def _dtype(values: np.ndarray) -> Literal["float32", "float64"]:
    return "float64" if values.dtype == np.float64 else "float32"

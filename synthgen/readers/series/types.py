"""What time series look like once they are read, and how a recipe says where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from synthgen.base.settings import Settings
from synthgen.readers.series.dates import check_date_format, check_step, check_timezone
from synthgen.readers.series.formats import Formats, as_marker

Form = Literal["auto", "table", "melted", "wide"]
Split = Literal["train", "validation", "test"]
TimeUnit = Literal["auto", "s", "min", "h", "d", "step"]
Cycle = Literal["hour", "weekday", "season"]
UTC = "+00:00"
"""The end of a timestamp in ISO form that is in UTC."""

NO_TIME = "none"
"""What `time` is set to where no column is to be taken as one."""

Marker = Annotated[float | str, BeforeValidator(as_marker)]
Step = Annotated[float | str, AfterValidator(check_step)]


class EventData(Settings):
    """Windows lie around events, such as the beats of an electrocardiogram, and have the events' classes."""

    path: str = Field(description="A .csv, .tsv or .parquet file with one row an event.")
    entity: str | None = Field(
        default=None, description="Column that names the event's entity; needed if there are several."
    )
    time: str = Field(description="Column of the event's time, of the same kind as the series' times.")
    label: str = Field(description="Column of the event's class.")
    classes: list[str] | None = Field(
        default=None, min_length=1, description="Classes that are used, in id order; by default all, sorted."
    )
    before: float = Field(ge=0, description="A window starts this long before its event, in time units (rows without).")
    after: float = Field(
        gt=0, description="A window ends this long after its event, in the same units; that step is no longer in it."
    )


class SeriesData(Settings):
    """Where time series come from, what their columns mean, and how they are cut into windows."""

    path: str = Field(
        description="A .csv, .tsv or .parquet file, or a folder of such files with equal columns; without `entity`, "
        "every file is one entity, named as the file."
    )
    form: Form = Field(
        default="auto",
        description="table: a column for each channel, one row a time (and entity). melted: columns of entity, time, "
        "variable and value. wide: one row a series, its columns are the steps. auto: melted if `variable` is named, "
        "else table.",
    )
    entity: str | None = Field(default=None, description="Column that says whose row it is: a patient, a station.")
    time: str | None = Field(
        default=None,
        description="Column of numbers or ISO timestamps. By default the first column of a table that is called and "
        "reads like times; if there is none, or with `none`, rows are one step apart.",
    )
    label: str | None = Field(
        default=None, description="Column of an entity's class (form wide: of a row's), in the series' files or in "
        "`static_table`; the same in all rows of an entity."
    )  # fmt: skip
    unlabelled: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="More series, without classes: files of the same columns but for `label` and `step_label`. The "
        "model learns from them what series look like, and from the others what classes are.",
    )
    step_label: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Column of what is going on in each row, such as an activity or a machine's state; empty where "
        "nobody knows. It is no channel: `use: step-classifier` learns it. With `step`, a cell is what most of its "
        "rows are.",
    )
    variable: str | None = Field(default=None, description="Form melted: column of the variable's name.")
    value: str | None = Field(default=None, description="Form melted: column of the variable's value.")
    channels: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Columns (form melted: variables) that are generated; by default all of numbers that have no other "
        "role. Form wide: the one channel's name.",
    )
    covariates: list[str] = Field(
        default=[], description="Columns (form melted: variables) that are known at every time and are conditions."
    )
    static: list[str] = Field(
        default=[], description="Columns that are the same in all rows of an entity; those of text become one column a "
        "value, named `column=value`."
    )  # fmt: skip
    static_table: str | None = Field(
        default=None,
        description="A file with one row an entity, with the columns of `static` and `label`; its column of entities "
        "is named as in `entity` (`entity` if that is unset).",
    )
    events: EventData | None = Field(default=None, description="Windows lie around events and have their classes.")
    units: dict[str, str] = Field(default={}, description="Units of channels, as `mV`; those not named have `1`.")
    missing: list[Marker] = Field(
        default=[],
        description="Numbers and texts that stand for a missing value in channels and static columns, as -1 or n/a. "
        "Words such as NA and None always do among numbers; in columns of names they are names unless they stand here.",
    )
    decimal: Literal[".", ","] = Field(default=".", description="The decimal mark of numbers in text.")
    thousands: Literal[",", ".", " ", "'"] | None = Field(
        default=None, description="What separates thousands of numbers in text, as the comma of 1,234.5."
    )
    symbols: list[str] = Field(
        default=[], description="Signs before or after numbers in text that are ignored, as $ or %."
    )
    date_format: str | None = Field(
        default=None,
        description='How times are written, as Python\'s strptime has it: "%d/%m/%Y", "%m/%d/%Y %I:%M %p", "%Y%m%d"; '
        "epoch_s, epoch_ms, epoch_us, epoch_ns count from 1970, number is a plain number. By default ISO or numbers.",
    )
    time_unit: TimeUnit = Field(
        default="auto",
        description="Unit of times: what the numbers of the time column are in, and what timestamps are turned into. "
        "auto: the largest unit in which a step is at least 1 for timestamps, `step` for numbers.",
    )
    rate_hz: float | None = Field(
        default=None,
        gt=0,
        description="Rows a second, or units of a time column that counts samples: times are then seconds, those of "
        "`events` and of `before` and `after` too.",
    )
    step: Step | None = Field(
        default=None,
        description="Lay the rows on a regular grid with cells of this size, as 1h, 10min, 30s or 1d, or a number of "
        "time units: the mean of the values within a cell, missing where there are none. Rows may then repeat times "
        "and come in any order.",
    )
    span: tuple[float, float] | None = Field(
        default=None,
        description="Only times from the first up to, not including, the second, in time units (timestamps: since the "
        "entity's first row). With `step` every entity is laid on all of it.",
    )
    calendar: Literal["auto", "none"] | list[Cycle] = Field(
        default="auto",
        description="What a model learns of real times, as covariates that it computes by itself: hour (of the day), "
        "weekday and season (the day of the year). auto: those that the spacing of the rows and the time that they "
        "cover can show. Generated series then have real times, which begin as a training window does.",
    )
    holidays: str | None = Field(
        default=None,
        description="A country such as ES, or a part of one such as ES-CT, whose public holidays the model knows too.",
    )
    timezone: str | None = Field(
        default=None,
        description="The zone in which hours and days of the calendar are counted, as Europe/Madrid, for times with "
        "an offset; by default UTC.",
    )
    newest_first: bool = Field(default=False, description="The rows are in decreasing time.")
    sort_by_time: bool = Field(
        default=False, description="The rows of an entity are in no order: sort them by time. No time may occur twice."
    )
    length: int = Field(ge=2, description="Steps of a window.")
    stride: int = Field(default=1, ge=1, description="Steps from the start of a window to that of the next.")
    pad: bool = Field(
        default=False,
        description="Entities (or surroundings of events) with fewer steps than `length`, two at least, become windows "
        "that say how many steps they have. Without it such entities are left out, and named; events are an error.",
    )
    validation: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share held out for validation: of fewer than ten entities the last part in time, else of the "
        "entities, chosen by the hash of their names.",
    )
    test: float = Field(
        default=0.0, ge=0, lt=1, description="Share held out for tests likewise, after that for validation in time."
    )
    licence: str = Field(default="unknown", description="Licence of the data, for the model card.")
    source: str = Field(default="", description="Where the data come from, for the model card.")

    @property
    def formats(self) -> Formats:
        texts = tuple(marker for marker in self.missing if isinstance(marker, str))
        return Formats(self.decimal, self.thousands, tuple(self.symbols), self.date_format, texts)

    @property
    def time_column(self) -> str | None:
        """`time`, None with `none`."""
        return None if self.time == NO_TIME else self.time

    @property
    def missing_numbers(self) -> list[float]:
        return [marker for marker in self.missing if not isinstance(marker, str)]

    @model_serializer(mode="wrap")
    def _without_default_formats(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings that came later are left out where they have their defaults: digests stay what they were."""
        found: dict[str, Any] = serialise(self)
        plain: dict[str, Any] = {"decimal": ".", "thousands": None, "symbols": [], "date_format": None}
        plain |= {"sort_by_time": False, "calendar": "auto", "holidays": None, "timezone": None}
        return {name: value for name, value in found.items() if name not in plain or value != plain[name]}

    @property
    def kind(self) -> Literal["table", "melted", "wide"]:
        """The form, with `auto` decided."""
        if self.form != "auto":
            return self.form
        return "melted" if self.variable or self.value else "table"

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.time == NO_TIME and (given := [k for k in ("step", "span", "sort_by_time") if getattr(self, k)]):
            raise ValueError(f"`{'` and `'.join(given)}` need times; name their column in `time`")
        if self.newest_first and self.sort_by_time:
            raise ValueError("`newest_first` and `sort_by_time` exclude each other; leave out one")
        if self.span and self.span[0] >= self.span[1]:
            raise ValueError("`span` must be a time and a later one")
        if self.rate_hz and (self.step or self.span or self.time_unit not in ("auto", "s")):
            raise ValueError("`rate_hz` makes seconds of times; leave out `time_unit`, `step` and `span`")
        return self

    @model_validator(mode="after")
    def _calendar_fits(self) -> Self:
        if self.calendar == "none" and (self.holidays or self.timezone):
            raise ValueError(
                "`calendar: none` leaves no use for `holidays` and `timezone`; `calendar: []` knows holidays alone"
            )
        if self.timezone:
            check_timezone(self.timezone)
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` are both {self.decimal!r}")
        if not all(symbol.strip() == symbol != "" for symbol in self.symbols):
            raise ValueError("`symbols` must be signs without blanks, as $")
        if self.date_format:
            check_date_format(self.date_format)
        if self.kind == "melted" and not (self.time not in (None, NO_TIME) and self.variable and self.value):
            raise ValueError("the form `melted` needs `time`, `variable` and `value`")
        if self.kind != "melted" and (self.variable or self.value):
            raise ValueError(f"`variable` and `value` belong to the form `melted`, not to `{self.kind}`")
        if self.kind == "wide":
            timed = ("covariates", "step", "span", "events", "newest_first", "sort_by_time")
            given = ["time"] if self.time not in (None, NO_TIME) else []
            given += [k for k in timed if getattr(self, k)]
            if given or len(self.channels or ["value"]) > 1:
                raise ValueError(
                    f"the form `wide` has one channel and no times of its own; leave out {', '.join(given) or 'others'}"
                )
        if self.step_label and self.kind != "table":
            raise ValueError(f"`step_label` is a column of the form `table`; leave it out of the form `{self.kind}`")
        if self.events and self.label:
            raise ValueError("windows have either the classes of `events` or those of `label`; leave out one")
        if self.unlabelled and not (self.label or self.step_label):
            raise ValueError("`unlabelled` stands beside series with classes; name their column in `label`")
        if self.validation + self.test >= 1:
            raise ValueError("`validation` and `test` must leave something to train on: their sum must be less than 1")
        return self


@dataclass(frozen=True, slots=True)
class Channel:
    """One generated variable; `unit` is `1` if none is known."""

    name: str
    unit: str = "1"


@dataclass(frozen=True, slots=True)
class Recording:
    """The whole series of one entity.

    times: float64 (T,), strictly increasing, in the time unit: numbers as they are in the file;
        timestamps since `start`, in ISO form: the entity's first one, or the start of its cell with `step`;
        empty for numbers.
    values: (T, C), NaN is missing; covariates: (T, K), finite; static: (S,), NaN is unknown: each of them float32, or
        float64 where that is too coarse for a column (`series_precision`).
    label: class id, None if there are no classes of entities.
    step_labels: uint8 (T,), 0 unknown, ids of the classes of steps from 1 on; None without such.
    """

    entity: str
    times: np.ndarray
    start: str
    values: np.ndarray
    covariates: np.ndarray
    static: np.ndarray
    label: int | None
    step_labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Events:
    """Events of the classes asked for, in order of recording and time, E of them.

    entities: int64 (E,), the recording's number; times: float64 (E,), in that recording's times;
    labels: int64 (E,), class ids.
    """

    entities: np.ndarray
    times: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Recordings:
    """Series of all entities. `interval` is the step in time units if it is the same everywhere.

    `classes` names the labels of recordings, or those of `events` if there are any; `step_classes` those of steps, in
    order of their ids from 1 on. `roles` says in words what each
    column of the table is used as: `{"time": "date", "channels": "flow, level", ...}`; `notes` are sentences on what
    was decided while they were read. `named` says whether entities have names of the user's: of a column, or of files.
    """

    items: tuple[Recording, ...]
    channels: tuple[Channel, ...]
    covariates: tuple[str, ...]
    static: tuple[str, ...]
    classes: tuple[str, ...]
    time_unit: str
    interval: float | None
    events: Events | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    named: bool = False
    step_classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

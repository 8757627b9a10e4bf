"""Which parts of the calendar a training knows, and the covariates that its windows get of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.models.series.calendar import CYCLES, DAY_US, Calendar, holidays_of, runs_of
from synthgen.readers.series.reader import SeriesData, Windows

NEEDED: Mapping[str, tuple[float, int]] = {"hour": (0.5, 2), "weekday": (3.5, 14), "season": (182.5, 548)}
"""Of each cycle, in days: the median step up to which it shows, and how much time must be covered, twice or, of
seasons, one and a half times the cycle, for it to be told from a mere change."""


def calendar_of(data: SeriesData, training: Windows) -> Calendar | None:
    """What the model of these training windows knows of the calendar; None if times are numbers or with `none`.

    Raises:
        DataError: the data cannot show what was asked for.
    """
    if training.row_stamps is None:
        asked = ["calendar"] if data.calendar not in ("auto", "none") else []
        asked += [name for name in ("holidays", "timezone") if getattr(data, name)]
        if asked:
            what = f"those of {data.time} are numbers" if data.time else "no column of times is named in `time`"
            raise DataError(f"{data.path}: {asked[0]}: needs real times, and {what}; leave out {' and '.join(asked)}")
        return None
    if data.timezone and not training.zoned:
        raise DataError(
            f"{data.path}: timezone: {data.timezone}: is for times with an offset, as 2024-01-31T12:00:00+02:00 or in "
            "UTC; those of this table have none and are taken as clock time; leave it out"
        )
    if data.calendar == "none":
        return None
    covered = training.covered
    stamps = training.row_stamps[covered]
    step = _median_step_us(training) / DAY_US
    cell = max(DAY_US, round(step * DAY_US))
    days = len(np.unique(stamps // cell)) * cell / DAY_US
    shown = [cycle for cycle in CYCLES if step <= NEEDED[cycle][0] and days >= NEEDED[cycle][1]]
    if data.calendar != "auto":
        coarse = [cycle for cycle in data.calendar if step > NEEDED[cycle][0]]
        if coarse:
            raise DataError(
                f"{data.path}: calendar: {coarse[0]}: cannot be seen in rows {step:g} days apart; "
                f"those that can: {', '.join(c for c in CYCLES if step <= NEEDED[c][0]) or 'none'}"
            )
        shown = [cycle for cycle in CYCLES if cycle in data.calendar]
    if data.holidays:
        if step > 1:
            raise DataError(f"{data.path}: holidays: cannot be seen in rows {step:g} days apart")
        try:
            holidays_of(data.holidays)
        except ValueError as error:
            raise DataError(f"{data.path}: holidays: {error}") from None
    first = training.row_stamps[training.first]
    n_classes = max(1, len(training.classes))
    own = [first[training.labels == label] for label in range(n_classes)]
    starts = tuple(runs_of(some if len(some) else first) for some in own)  # a class may be held out as a whole
    return Calendar(tuple(shown), data.holidays, training.zoned, data.timezone, training.time_unit, starts)


def with_calendar(windows: Windows, calendar: Calendar | None) -> Windows:
    """The windows with the covariates of the calendar behind their own."""
    if calendar is None or not calendar.names:
        return windows
    assert windows.row_stamps is not None
    made = calendar.covariates(windows.row_stamps).astype(windows.row_covariates.dtype)
    return replace(
        windows,
        row_covariates=np.concatenate([windows.row_covariates, made], axis=1),
        covariate_names=(*windows.covariate_names, *calendar.names),
    )


def say(data: SeriesData, calendar: Calendar | None) -> str:
    """What a model knows of the calendar, in words; empty if times are no real times."""
    if calendar is None:
        return ""
    words = [*calendar.cycles, *([f"holidays of {calendar.holidays}"] if calendar.holidays else [])]
    column = f" (of {data.time_column})" if data.time_column else ""
    zone = f" in {calendar.timezone}" if calendar.timezone else " in UTC" if calendar.zoned else ""
    return f"{', '.join(words) or 'nothing that such times show'}{zone}{column}"


def _median_step_us(windows: Windows) -> float:
    return windows.median_step * UNITS_US[windows.time_unit]

"""The calendar of real times: cycles and holidays as covariates of a model, and when its training windows began."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field as Setting
from pydantic import field_validator

from synthgen.base.settings import Settings
from synthgen.base.units import UNITS_US
from synthgen.fields import Field, Timestamp

DAY_US = 86_400_000_000
CYCLES = ("hour", "weekday", "season")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Hour = Annotated[int, Setting(ge=0, le=23)]
Month = Annotated[int, Setting(ge=1, le=12)]
MAX_RUNS = 2000
"""Runs of equally spaced starts that are stored for a class; of more irregular ones, as many single starts."""

N_NEAREST, N_LISTED = 3, 20
"""Codes that are named to someone who writes one that there is not: so many of more than `N_LISTED`."""

Runs = Sequence[tuple[int, int, int]]
"""Starts in order as (first, step, count), first and step in microseconds."""


class At(Settings):
    """When series begin, in clock time; of each key one value or a list of several."""

    weekday: tuple[Weekday, ...] | None = Setting(default=None, min_length=1, description="monday to sunday.")
    hour: tuple[Hour, ...] | None = Setting(default=None, min_length=1, description="0 to 23.")
    month: tuple[Month, ...] | None = Setting(default=None, min_length=1, description="1 to 12.")

    @field_validator("*", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return value if value is None or isinstance(value, list | tuple) else (value,)

    @property
    def accepted(self) -> dict[str, tuple[Any, ...]]:
        """The values of each key that is set."""
        return {name: value for name, value in self if value is not None}


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a model knows of real times.

    Attributes:
        cycles: those of `CYCLES` that it knows, each a sine and a cosine: the time of day; the day of the week, from
            Monday on; the time of year. holidays: the country (`ES`) or its part (`ES-CT`) whose public holidays it
            knows, each a day of ones among zeros; None if it knows none.
        zoned: whether times are in UTC; timezone: the IANA zone in whose clock time the calendar is then counted.
        unit: of times, as `h`.
        starts: for each class id, when its training windows began.
    """

    cycles: tuple[str, ...]
    holidays: str | None
    zoned: bool
    timezone: str | None
    unit: str
    starts: tuple[Runs, ...]

    @classmethod
    def of(cls, index: Mapping[str, Any]) -> Self | None:
        """The calendar in a model's index, None if it was trained without real times."""
        stored = index.get("calendar")
        if not stored:
            return None
        starts = tuple([(int(a), int(b), int(n)) for a, b, n in runs] for runs in stored["starts"])
        cycles = tuple(str(cycle) for cycle in stored["cycles"])
        return cls(
            cycles, stored["holidays"], bool(stored["zoned"]), stored["timezone"], str(index["time_unit"]), starts
        )

    def stored(self) -> dict[str, Any]:
        """What the index of a model holds of it."""
        return {
            "cycles": list(self.cycles),
            "holidays": self.holidays,
            "zoned": self.zoned,
            "timezone": self.timezone,
            "starts": [[list(run) for run in runs] for runs in self.starts],
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the covariates, K of them, which stand behind all others of the model."""
        pairs = [f"{cycle}_{wave}" for cycle in self.cycles for wave in ("sin", "cos")]
        return (*pairs, "holiday") if self.holidays else tuple(pairs)

    def covariates(self, stamps: np.ndarray) -> np.ndarray:
        """float32 (..., K) of times int64 (...), in microseconds since 1970."""
        local = self.local(stamps)
        columns = [wave(2 * np.pi * _PHASES[cycle](local)) for cycle in self.cycles for wave in (np.sin, np.cos)]
        if self.holidays:
            columns.append(is_holiday(self.holidays, local // DAY_US))
        if not columns:
            return np.zeros((*stamps.shape, 0), dtype=np.float32)
        return np.stack(columns, axis=-1).astype(np.float32)

    def beside(
        self, given: Mapping[str, np.ndarray], starts: Sequence[np.datetime64], times: np.ndarray
    ) -> dict[str, np.ndarray]:
        """`covariates` (N, L, K) of a model: those `given` for its others, if any, and behind them the calendar's.

        Nothing if it has no covariates of the calendar.

        Args:
            starts: moments (N,) of the series' first steps; times: float64 (N, L), since then.
        """
        if not self.names:
            return {}
        first = np.array(starts, dtype="datetime64[us]").astype(np.int64)
        made = self.covariates(first[:, None] + np.round(times * UNITS_US[self.unit]).astype(np.int64))
        return {"covariates": np.concatenate([given["covariates"], made], -1) if "covariates" in given else made}

    def problems(self, moment: Field | None) -> list[str]:
        """What is wrong with the field of when series begin, of which the model computes its covariates."""
        if not self.names or (isinstance(moment, Timestamp) and moment.zoned == self.zoned):
            return []
        needs = "timestamps " + ("with an offset or in UTC" if self.zoned else "without an offset")
        return [
            f"was trained on {needs}, and the times here are others; `calendar: none` in its `data` makes do without"
        ]

    def local(self, stamps: np.ndarray) -> np.ndarray:
        """int64 microseconds of clock time, as if it were UTC."""
        if self.timezone is None:
            return stamps
        import pyarrow as pa
        import pyarrow.compute as pc

        zoned = pa.array(stamps.ravel(), pa.timestamp("us", self.timezone))
        return np.asarray(pc.cast(pc.local_timestamp(zoned), pa.int64())).reshape(stamps.shape)

    def began(self) -> str:
        """At which weekdays, hours and months training windows began, in words."""
        found = [self.starts_of(label, {}) for label in range(len(self.starts))]
        parts = parts_of(self.local(np.concatenate(found)))
        days = [WEEKDAYS[day] for day in np.unique(parts["weekday"])]
        hours, months = (", ".join(map(str, np.unique(parts[name]))) for name in ("hour", "month"))
        return f"weekday {', '.join(days)}; hour {hours}; month {months}"

    def none_began(self) -> str:
        """What is wrong with clock times at which no training window of a class began."""
        return f"no training window of a class began then; they began on {self.began()}"

    def starts_of(self, label: int, at: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """int64: when training windows of a class began, in order, as far as clock times are as `at` says.

        Args:
            at: accepted `weekday`s by name, `hour`s from 0 to 23, `month`s from 1 to 12.
        """
        return self.accepted(self.starts[label], at)

    def accepted(self, runs: Runs, at: Mapping[str, Sequence[Any]]) -> np.ndarray:
        """int64: the moments of `runs`, in order, whose clock times are as `at` of `starts_of` says."""
        moments = [first + step * np.arange(count, dtype=np.int64) for first, step, count in runs]
        stamps = np.concatenate([np.zeros(0, dtype=np.int64), *moments])
        parts = parts_of(self.local(stamps)) if at else {}
        keep = np.ones(len(stamps), dtype=bool)
        for name, accepted in at.items():
            wanted = [WEEKDAYS.index(day) for day in accepted] if name == "weekday" else list(accepted)
            keep &= np.isin(parts[name], wanted)
        return stamps[keep]


def parts_of(local: np.ndarray) -> dict[str, np.ndarray]:
    """Weekday (Monday is 0), hour and month (January is 1) of clock times in microseconds."""
    days = local // DAY_US
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    return {"weekday": (days + 3) % 7, "hour": local % DAY_US // 3_600_000_000, "month": months}


def is_holiday(country: str, days: np.ndarray) -> np.ndarray:
    """float64, 1 where a day (since 1970) is a public holiday of `ES` or of a part of it, as `ES-CT`.

    Raises:
        ValueError: no such country or part of it; names the nearest that there are.
    """
    found, which = np.unique(days, return_inverse=True)
    known = holidays_of(country)
    first = datetime.date(1970, 1, 1)
    flags = np.array([first + datetime.timedelta(int(day)) in known for day in found], dtype=np.float64)
    return flags[which].reshape(days.shape)


def holidays_of(country: str) -> Any:
    """The public holidays of a country or of a part of it, as the library `holidays` knows them.

    Raises:
        ValueError: as `is_holiday`.
    """
    import holidays

    name, _, part = country.partition("-")
    parts = holidays.list_supported_countries(include_aliases=False)
    if name not in parts:
        raise ValueError(f"no holidays are known of `{name}`; {_nearest(name, _country_codes(), 'countries')}")
    if part and part not in parts[name]:
        codes = {f"{name}-{known}".lower(): f"{name}-{known}" for known in parts[name]}
        raise ValueError(f"no holidays are known of a part `{part}` of {name}; {_nearest(country, codes, 'parts')}")
    return holidays.country_holidays(name, subdiv=part or None)


def _country_codes() -> dict[str, str]:
    """The two letters of each country by what else it is called, in lower case: `es`, `esp` and `spain` are `ES`."""
    from holidays.registry import COUNTRIES

    called = {code: (word.replace("_", " "), code, *others) for word, (_, code, *others) in COUNTRIES.items()}
    return {name.lower(): code for code, names in called.items() for name in names}


def _nearest(name: str, codes: Mapping[str, str], what: str) -> str:
    """Those `codes`, by their names in lower case, that are most like `name`, and how many there are; all of a few."""
    known = sorted(set(codes.values()))
    if len(known) <= N_LISTED:
        return f"{what} are {', '.join(known)}" if known else f"it has no {what}"
    near = difflib.get_close_matches(name.lower(), codes, N_NEAREST, cutoff=0)
    shown = ", ".join(dict.fromkeys(codes[word] for word in near))
    return f"of {len(known)} {what} the nearest are {shown}"


def runs_of(stamps: np.ndarray, most: int = MAX_RUNS) -> Runs:
    """The distinct starts of windows in order, as few runs of equal steps; `most` of them if runs are as many."""
    stamps = np.unique(stamps)
    steps = np.diff(stamps)
    bends = np.flatnonzero(np.diff(steps)) + 1  # where another step begins
    if len(bends) >= most:
        chosen = np.unique(np.linspace(0, len(stamps) - 1, most).round().astype(np.int64))
        return [(int(stamp), 0, 1) for stamp in stamps[chosen]]
    runs, at = [], 0
    for end in [*bends.tolist(), len(stamps) - 1]:
        if end < at:  # the start before was the last of the run before
            continue
        runs.append((int(stamps[at]), int(steps[at]) if end > at else 0, end - at + 1))
        at = end + 1
    return runs


def _hour(local: np.ndarray) -> np.ndarray:
    return local % DAY_US / DAY_US


def _weekday(local: np.ndarray) -> np.ndarray:
    """Whole days: a Sunday differs from a Monday from midnight on."""
    return (local // DAY_US + 3) % 7 / 7


def _season(local: np.ndarray) -> np.ndarray:
    """The share of its year that is over, of 365 days or 366."""
    years = (local // DAY_US).astype("datetime64[D]").astype("datetime64[Y]")
    first, after = (year.astype("datetime64[us]").astype(np.int64) for year in (years, years + 1))
    return (local - first) / (after - first)


_PHASES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {"hour": _hour, "weekday": _weekday, "season": _season}

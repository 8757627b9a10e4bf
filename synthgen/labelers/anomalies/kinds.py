"""The kinds of anomalies: what each does to one channel of a series between two steps, in pure numpy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from synthgen.models.series.channel_maps import resolution_of

Kind = Literal["point", "level-shift", "drift", "dropout", "stuck", "frequency", "decoupling"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order of their class ids, from 1 on."""

MANY_AT_FLOOR = 0.1
MAD_TO_DEVIATION = 1.4826
IQR_TO_DEVIATION = 0.7413


@dataclass(frozen=True, slots=True)
class Scale:
    """What the size of an anomaly of a channel is measured by, in its units.

    Attributes:
        deviation: a robust standard deviation, over 0.
        floor: its lowest value.
        step: all values are whole multiples of it above the floor; 0 if there is no such step.
        at_floor: whether it rests at its floor (rain, sales), so that nothing can lie below.
    """

    deviation: float
    floor: float
    step: float = 0.0
    at_floor: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of a normal series: float64 (L,), NaN where missing; `filled` has lines over the gaps."""

    values: np.ndarray
    filled: np.ndarray
    scale: Scale


@dataclass(frozen=True, slots=True)
class Change:
    """What an event asks for, in all of its channels: the steps [start, end) and how much.

    Attributes:
        severity: size of a spike, of a shift, of a drift at its end, in standard deviations.
        speed: times the speed of time (`frequency`).
        missing: whether values drop out altogether, or to the floor (`dropout`).
    """

    start: int
    end: int
    severity: float
    speed: float
    missing: bool

    @property
    def n_steps(self) -> int:
        return self.end - self.start


def scale_of(values: np.ndarray) -> Scale | None:
    """The scale of a channel (L,) by its own values, None if it is constant.

    The deviation is that of a normal distribution with its median absolute deviation; where half of the values are
    equal, with its quartiles; where more are, its standard deviation. Of a channel that rests at its floor, the
    values above count, as in the model's scaler.
    """
    known = values[~np.isnan(values)].astype(np.float64)
    if len(known) < 2 or known.min() == known.max():
        return None
    floor = float(known.min())
    above = known[known > floor]
    at_floor = len(above) < (1 - MANY_AT_FLOOR) * len(known)
    spread = above if at_floor and above.min() < above.max() else known
    quartiles = np.quantile(spread, [0.25, 0.75])
    deviations = (
        MAD_TO_DEVIATION * np.median(np.abs(spread - np.median(spread))),
        IQR_TO_DEVIATION * (quartiles[1] - quartiles[0]),
        spread.std(),
    )
    return Scale(float(next(d for d in deviations if d > 0)), floor, resolution_of(known), at_floor)


def channel_of(values: np.ndarray, scale: Scale | None = None) -> Channel | None:
    """A channel (L,) as kinds see it, by the scale given or by its own; None if there is nothing to measure by."""
    scale = scale or scale_of(values)
    known = np.flatnonzero(~np.isnan(values))
    if scale is None or not len(known):
        return None
    exact = values.astype(np.float64)
    return Channel(exact, np.interp(np.arange(len(exact)), known, exact[known]), scale)


def point(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray:
    """A spike: its value lies `severity` above or below."""
    return _shifted(channel, change, np.ones(change.n_steps), random)


def level_shift(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray:
    """All values lie `severity` above or below, from the first step on."""
    return _shifted(channel, change, np.ones(change.n_steps), random)


def drift(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray:
    """Values move away on a line that reaches `severity` at the last step."""
    return _shifted(channel, change, np.arange(1, change.n_steps + 1) / change.n_steps, random)


def dropout(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray:
    """No values, or the floor's."""
    return np.full(change.n_steps, np.nan if change.missing else channel.scale.floor)


def stuck(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray | None:
    """The last value before it, again and again; None if there is none before it."""
    return np.full(change.n_steps, channel.filled[change.start - 1]) if change.start else None


def frequency(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray | None:
    """The channel at `speed` times its speed: from where it was on, or so that it ends where it goes on.

    None if the series is too short for either.
    """
    forwards = change.start - 1 + change.speed * np.arange(1, change.n_steps + 1)
    backwards = change.end - change.speed * np.arange(change.n_steps, 0, -1)
    last = len(channel.filled) - 1
    fitting = [at for at in (forwards, backwards) if at[0] >= 0 and at[-1] <= last]
    if not fitting:
        return None
    at = fitting[int(random.integers(len(fitting)))]
    return _stepped(channel, np.interp(at, np.arange(last + 1), channel.filled))


def decoupling(channel: Channel, change: Change, random: np.random.Generator) -> np.ndarray | None:
    """The channel from another time, at least half the event away if the series is long enough.

    None if there is no other time.
    """
    free = len(channel.filled) - change.n_steps
    away = min(change.n_steps // 2, (free + 1) // 2)
    others = [first for first in range(free + 1) if abs(first - change.start) >= max(away, 1)]
    if not others:
        return None
    first = others[int(random.integers(len(others)))]
    return channel.filled[first : first + change.n_steps].copy()


Apply = Callable[[Channel, Change, np.random.Generator], np.ndarray | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """How events of a kind are placed.

    Attributes:
        min_steps, max_steps: shortest and longest event; None is as long as the series.
        cut_before, cut_after: whether the border is a cut that a real event would not have.
        has_severity: whether `severity` is asked for; of the other kinds it is measured.
        leaves_one: whether a channel must be left as it was.
    """

    apply: Apply
    min_steps: int = 2
    max_steps: int | None = None
    cut_before: bool = False
    cut_after: bool = False
    has_severity: bool = False
    leaves_one: bool = False


RULES: Mapping[Kind, Rules] = {
    "point": Rules(point, min_steps=1, max_steps=1, has_severity=True),
    "level-shift": Rules(level_shift, cut_before=True, cut_after=True, has_severity=True),
    "drift": Rules(drift, cut_after=True, has_severity=True),
    "dropout": Rules(dropout, min_steps=1),
    "stuck": Rules(stuck, cut_after=True),
    "frequency": Rules(frequency, min_steps=4, cut_before=True, cut_after=True),
    "decoupling": Rules(decoupling, cut_before=True, cut_after=True, leaves_one=True),
}


def _shifted(channel: Channel, change: Change, shape: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The channel plus `shape` (n,) times the severity; up or down, but never below a floor that it rests at."""
    up = bool(random.integers(2)) or channel.scale.at_floor
    size = change.severity * channel.scale.deviation * (1 if up else -1)
    return _stepped(channel, channel.values[change.start : change.end] + size * shape)


def _stepped(channel: Channel, values: np.ndarray) -> np.ndarray:
    """Values at the channel's resolution: counts stay whole numbers."""
    step, floor = channel.scale.step, channel.scale.floor
    return floor + np.round((values - floor) / step) * step if step else values

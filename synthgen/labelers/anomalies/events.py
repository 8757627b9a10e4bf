"""Events of anomalies in one series: how many, which, where, and the series with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synthgen.labelers.anomalies.kinds import KINDS, RULES, Change, Channel, Kind, Scale, channel_of

PLACES = 50
"""Places that are tried for an event before it is given up."""
MIN_CHANGE = 0.5
"""Events that change a channel by less (root mean square, in standard deviations) are placed elsewhere: nobody could
find a sensor that is stuck while nothing happens. Spikes, shifts and drifts are of the severity that was asked for."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What events a series gets; each pair is a range, both ends included.

    Attributes:
        weights: how often each kind comes up.
        n_steps: lengths; n_channels: how many channels an event is in.
        severity: in robust standard deviations; speed: over 1, half of the events are slower by as much.
        missing: share of dropouts whose values are missing, not at the floor.
        seam: steps on each side of a cut that will be generated again; 0 for none.
    """

    weights: Mapping[Kind, float]
    count: tuple[int, int]
    n_steps: tuple[int, int]
    n_channels: tuple[int, int]
    severity: tuple[float, float]
    speed: tuple[float, float]
    missing: float
    seam: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """An anomaly at the steps [start, end) of `channels` (ids, ascending).

    `severity` is in robust standard deviations: what was asked for of kinds that have one, else the root mean
    square of what it changed; None if its values are missing.
    """

    kind: Kind
    start: int
    end: int
    channels: tuple[int, ...]
    severity: float | None


@dataclass(slots=True)
class Placed:
    """A series with its events, in order of their starts.

    Attributes:
        series: (L, C), of the dtype it was given in; outside events as it was, to the bit, and missing where it was.
        classes: uint8 (L, C), the kind of each value from 1 on, 0 normal.
        seams: True (L, C) at the values around cuts, all of them within events.
    """

    series: np.ndarray
    classes: np.ndarray
    seams: np.ndarray
    events: list[Event] = field(default_factory=list)


def place(series: np.ndarray, wish: Wish, random: np.random.Generator, scales: Sequence[Scale] | None = None) -> Placed:
    """Events in a normal series (L, C), float32 or float64, the same for equal arguments and states of `random`.

    Events of one channel neither overlap nor touch. What finds no room, or changes too little wherever it is
    tried, is left out; channels that are constant or missing have no events.

    Args:
        scales: of each channel; the series' own if None.
    """
    channels = {
        i: found
        for i in range(series.shape[1])
        if (found := channel_of(series[:, i], scales[i] if scales else None)) is not None
    }
    placed = Placed(series.copy(), np.zeros(series.shape, np.uint8), np.zeros(series.shape, bool))
    kinds = [kind for kind in KINDS if wish.weights.get(kind, 0) > 0]
    weights = np.array([wish.weights[kind] for kind in kinds])
    for _ in range(int(random.integers(wish.count[0], wish.count[1] + 1))):
        kind = kinds[int(random.choice(len(kinds), p=weights / weights.sum()))]
        for _ in range(PLACES):
            if _put(placed, kind, channels, wish, random):
                break
    placed.events.sort(key=lambda event: (event.start, event.channels))
    return placed


def _put(placed: Placed, kind: Kind, channels: Mapping[int, Channel], wish: Wish, random: np.random.Generator) -> bool:
    """Tries one event of a kind at one place; returns whether it was put there."""
    rules, (length, n_all) = RULES[kind], placed.series.shape
    most = min(wish.n_channels[1], len(channels), n_all - 1 if rules.leaves_one else n_all)
    high = max(min(wish.n_steps[1], rules.max_steps or length, length), rules.min_steps)
    n_steps = int(random.integers(min(max(wish.n_steps[0], rules.min_steps), high), high + 1))
    if most < 1 or n_steps > length:
        return False
    n_hit = int(random.integers(min(wish.n_channels[0], most), most + 1))
    hit = sorted(int(i) for i in random.choice(sorted(channels), n_hit, replace=False))
    start = int(random.integers(length - n_steps + 1))
    end = start + n_steps
    severity = random.uniform(*wish.severity)
    speed = float(random.uniform(*wish.speed) ** random.choice([-1, 1]))
    before, after = _seams(kind, start, end, length, wish.seam)
    change = Change(start + before, end - after, severity, speed, random.random() < wish.missing)
    if placed.classes[max(start - 1, 0) : end + 1, hit].any():
        return False
    dtype = placed.series.dtype
    found = {i: values for i in hit if (values := _changed(kind, channels[i], change, random, dtype)) is not None}
    if len(found) < n_hit:
        return False
    sizes = [severity if rules.has_severity else _size(channels[i], change, values) for i, values in found.items()]
    for i, values in found.items():
        placed.series[change.start : change.end, i] = values
        placed.seams[start : start + 2 * before, i] = placed.seams[end - 2 * after : end, i] = True
    placed.classes[start:end, hit] = KINDS.index(kind) + 1
    missing = kind == "dropout" and change.missing
    overall = None if missing else round(float(np.sqrt(np.mean(np.square(sizes)))), 4)
    placed.events.append(Event(kind, start, end, tuple(hit), overall))
    return True


def _seams(kind: Kind, start: int, end: int, length: int, seam: int) -> tuple[int, int]:
    """Half the steps of the seams at both ends of an event; at least a third of the event stays between them."""
    rules, half = RULES[kind], min(seam, (end - start) // 6)
    return half if rules.cut_before and start > 0 else 0, half if rules.cut_after and end < length else 0


def _changed(
    kind: Kind, channel: Channel, change: Change, random: np.random.Generator, dtype: np.dtype[Any]
) -> np.ndarray | None:
    """New values of a channel, (n,), missing where they were; None if too little would be different."""
    values = RULES[kind].apply(channel, change, random)
    if values is None:
        return None
    before = channel.values[change.start : change.end]
    after = np.where(np.isnan(before), np.nan, values).astype(dtype)
    if kind == "dropout" and change.missing:
        enough = not np.isnan(before).all()
    elif RULES[kind].has_severity:
        enough = bool((after != before)[~np.isnan(before)].any())
    else:
        enough = _size(channel, change, after) >= MIN_CHANGE
    return after if enough else None


def _size(channel: Channel, change: Change, values: np.ndarray) -> float:
    """Root mean square of what `values` differ from the channel by, in standard deviations; 0 if nothing is known."""
    apart = values - channel.values[change.start : change.end]
    known = apart[~np.isnan(apart)]
    return float(np.sqrt(np.mean(known**2)) / channel.scale.deviation) if len(known) else 0.0

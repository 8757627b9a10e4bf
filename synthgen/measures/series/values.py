"""What the values of each channel are like: generated windows beside real ones, and what chance makes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.base.units import plural
from synthgen.measures.series.windows import aligned, some, stream
from synthgen.models.series.channel_maps import is_atom

N_CELLS = 10_000
"""Different values are counted among so many cells, or as many as both sets have: of more, there are more."""

QUANTILES = (0.05, 0.5, 0.95)
N_SHOWN = 40
N_HALVES = 5
MARK = " *"
FAR = 3
"""A statistic is far off if it differs by more than so many times what chance, or its `least`, makes of it."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """How one number of a channel is shown, and what counts as a difference of it.

    Attributes:
        relative: whether differences are shares of the larger of two numbers; else the numbers' own.
        least: differences below it are of no account, however small those of chance are: real windows that overlap
            are more alike than generated ones can be.
    """

    title: str
    show: Callable[[float], str]
    relative: bool
    least: float

    def apart(self, one: float | None, other: float | None) -> float:
        """How much two of its values differ: 0 to 1, or to 2 of correlations; 0 where one is not known."""
        if one is None or other is None or one == other:
            return 0.0
        return abs(one - other) / (max(abs(one), abs(other)) if self.relative else 1)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _number(value: float) -> str:
    return f"{value:.3f}"


STATISTICS: Mapping[str, Statistic] = {
    "std": Statistic("std", lambda value: f"{value:.4g}", True, 0.02),
    "atoms": Statistic("atoms %", _percent, False, 0.005),
    "repeats": Statistic("repeats %", _percent, False, 0.005),
    "distinct": Statistic("distinct", str, True, 0.05),
    "roughness": Statistic("roughness", _number, True, 0.02),
    "autocorrelation": Statistic("autocorrelation", _number, False, 0.02),
}


def measure(generated: np.ndarray, real: np.ndarray, channels: Sequence[str], season: int) -> dict[str, Any]:
    """Statistics of windows (N, L, C) in units, NaN where missing, for each channel.

    Args:
        season: lag in steps of the autocorrelation; the window's last lag if that is shorter.

    Returns:
        `lag`; `n`, of how many windows on each side; and under `channels` by their names, of the sets `generated` and
        `real`: `std`; `atoms`, the share of cells whose value occurs far oftener than the others do; `repeats`, the
        share of steps that change nothing; `distinct`, different values among equally many cells; `roughness`, the mean
        |step| over the standard deviation; `autocorrelation`, of deviations from the set's mean; `quantiles` at 5, 50
        and 95 %. `chance` says how much each of them, without the quantiles, differs between two random halves of the
        real windows: the most of five pairs. It is left out if there are fewer than four real windows.
    """
    rng = stream(0, "values")
    order = rng.permutation(len(real))
    n = min(len(generated), max(1, len(real) // 2))
    halves = [stream(i, "halves").permutation(len(real)) for i in range(N_HALVES)] if len(real) >= 4 else []
    sets = {"generated": some(generated, n, rng), "real": real[order[:n]]}
    lag = min(season, real.shape[1] - 1)
    found: dict[str, dict[str, Any]] = {}
    for i, channel in enumerate(channels):
        columns = {name: windows[..., i].astype(np.float64) for name, windows in sets.items() if len(windows)}
        n_cells = min([N_CELLS, *(int((~np.isnan(column)).sum()) for column in columns.values())])
        if len(columns) < len(sets) or n_cells < 2:
            continue
        found[channel] = {name: _of_channel(column, lag, n_cells) for name, column in columns.items()}
        column = real[..., i].astype(np.float64)
        pairs = [(column[half[:n]], column[half[n : 2 * n]]) for half in halves]
        if pairs and all((~np.isnan(one)).any() for pair in pairs for one in pair):
            found[channel]["chance"] = _chance(pairs, lag, n_cells)
    return {"lag": lag, "n": n, "channels": found}


def _chance(pairs: Sequence[tuple[np.ndarray, np.ndarray]], lag: int, n_cells: int) -> dict[str, float]:
    """The largest difference of each statistic within these pairs of sets of windows (N, L) of one channel."""
    both = [[_of_channel(one, lag, n_cells) for one in pair] for pair in pairs]
    return {
        name: max(statistic.apart(one[name], other[name]) for one, other in both)
        for name, statistic in STATISTICS.items()
    }


def _of_channel(column: np.ndarray, lag: int, n_cells: int) -> dict[str, Any]:
    """The statistics of one channel (N, L)."""
    known = column[~np.isnan(column)]
    _, counts = np.unique(known, return_counts=True)
    cells = stream(0, "cells").permutation(known)[:n_cells]
    steps = np.diff(column, axis=1)
    steps = steps[~np.isnan(steps)]
    deviation = float(known.std())
    moved = column - known.mean()
    products = moved[:, lag:] * moved[:, : column.shape[1] - lag]
    power = float(np.mean(moved[~np.isnan(moved)] ** 2))
    together = products[~np.isnan(products)]
    return {
        "std": deviation,
        "atoms": float(counts[is_atom(counts)].sum() / counts.sum()),
        "repeats": float((steps == 0).mean()) if len(steps) else None,
        "distinct": len(np.unique(cells)),
        "roughness": float(np.abs(steps).mean() / deviation) if len(steps) and deviation > 0 else None,
        "autocorrelation": float(together.mean() / power) if len(together) and power > 0 else None,
        "quantiles": [float(value) for value in np.quantile(known, QUANTILES)],
    }


def ratio(sets: Mapping[str, Any]) -> float:
    """Of a channel: the generated standard deviation over the real one."""
    return float(sets["generated"]["std"] / sets["real"]["std"]) if sets["real"]["std"] > 0 else float("nan")


def excess(sets: Mapping[str, Any]) -> dict[str, float]:
    """Of a channel: how many times what chance makes of it each statistic differs; above `FAR` it is far off."""
    chance = sets.get("chance", {})
    return {
        name: statistic.apart(sets["generated"][name], sets["real"][name]) / max(statistic.least, chance.get(name, 0.0))
        for name, statistic in STATISTICS.items()
    }


def far_off(sets: Mapping[str, Any]) -> list[str]:
    """Of a channel: the statistics that are far off; none if chance is not known, as of very few real windows."""
    return [name for name, times in excess(sets).items() if times > FAR] if "chance" in sets else []


def worst_first(found: Mapping[str, Any]) -> list[str]:
    """Names of the channels, those first of which a statistic differs by the most times what chance makes of it."""
    channels = found["channels"]
    return sorted(channels, key=lambda name: -max(excess(channels[name]).values()))


def table(found: Mapping[str, Any]) -> list[list[str]]:
    """A heading and a row for each channel, the worst first: its name, the ratio of the standard deviations, and of
    each statistic `generated / real`, with `*` where it is far off."""
    titles = [statistic.title for statistic in STATISTICS.values()]
    rows = [["channel", "std ratio", *titles[:-1], f"{titles[-1]}, lag {found['lag']}"]]
    for channel in worst_first(found):
        sets = found["channels"][channel]
        far = far_off(sets)
        cells = [_both(sets, name) + (MARK if name in far else "") for name in STATISTICS]
        rows.append([channel, f"{ratio(sets):.3f}", *cells])
    return rows


def _both(sets: Mapping[str, Any], name: str) -> str:
    values = (sets[one][name] for one in ("generated", "real"))
    return " / ".join("-" if value is None else STATISTICS[name].show(value) for value in values)


def meaning(found: Mapping[str, Any]) -> str:
    """What `*` says in `table`, and in how many channels it stands."""
    channels = found["channels"].values()
    if not any("chance" in sets for sets in channels):
        return "There are too few real windows to say what chance makes of these numbers."
    n_far = sum(bool(far_off(sets)) for sets in channels)
    return (
        f"* is far off: more than {FAR} times what two random halves of the real windows differ by, in "
        f"{n_far} of {plural(len(channels), 'channel')}"
    )


def text(found: Mapping[str, Any]) -> str:
    """The table for a terminal, its first channels, and what the marks in it say."""
    if not found["channels"]:
        return "values of each channel: left out; there are too few windows with values"
    rows = table(found)
    more = len(rows) - 1 - N_SHOWN
    lines = ["values of each channel, the worst first: generated / real", *aligned(rows[: N_SHOWN + 1])]
    return "\n".join([*lines, *([f"  and {plural(more, 'more channel')}"] if more > 0 else []), f"  {meaning(found)}"])

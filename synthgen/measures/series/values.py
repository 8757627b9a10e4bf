"""What the values of each channel are like: generated windows beside real ones, and real ones beside others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.measures.series.windows import aligned, some, stream
from synthgen.models.series.channel_maps import is_atom

N_CELLS = 10_000
"""Different values are counted among so many cells, or as many as both sets have: of more, there are more."""

QUANTILES = (0.05, 0.5, 0.95)
N_SHOWN = 40
SETS = ("generated", "real", "other real")


def measure(generated: np.ndarray, real: np.ndarray, channels: Sequence[str], season: int) -> dict[str, Any]:
    """Statistics of windows (N, L, C) in units, NaN where missing, for each channel and each of three sets.

    The sets are the generated windows and two halves of the real ones, whose differences are those of chance.

    Args:
        season: lag in steps of the autocorrelation; the window's last lag if that is shorter.

    Returns:
        `lag`, and under `channels` by their names and under the sets' names: `std`; `atoms`, the share of cells whose
        value occurs far oftener than the others do; `repeats`, the share of steps that change nothing; `distinct`,
        different values among equally many cells; `roughness`, the mean |step| over the standard deviation;
        `autocorrelation`, of deviations from the set's mean; `quantiles` at 5, 50 and 95 %.
    """
    rng = stream(0, "values")
    order = rng.permutation(len(real))
    n = min(len(generated), max(1, len(real) // 2))
    sets = dict(zip(SETS, (some(generated, n, rng), real[order[:n]], real[order[n : 2 * n]]), strict=True))
    lag = min(season, real.shape[1] - 1)
    found = {}
    for i, channel in enumerate(channels):
        columns = {name: windows[..., i].astype(np.float64) for name, windows in sets.items() if len(windows)}
        n_cells = min([N_CELLS, *(int((~np.isnan(column)).sum()) for column in columns.values())])
        if {"generated", "real"} <= columns.keys() and n_cells > 1:
            found[channel] = {name: _of_channel(column, lag, n_cells) for name, column in columns.items()}
    return {"lag": lag, "n": n, "channels": found}


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


def ratio(found: Mapping[str, Any]) -> float:
    """Of a channel: the generated standard deviation over the real one."""
    return float(found["generated"]["std"] / found["real"]["std"]) if found["real"]["std"] > 0 else float("nan")


def text(found: Mapping[str, Any]) -> str:
    """A table with a line a channel, those whose standard deviations differ most first: generated, real, other real."""
    columns: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "std": lambda one: f"{one['std']:.4g}",
        "atoms %": lambda one: _percent(one["atoms"]),
        "repeats %": lambda one: _percent(one["repeats"]),
        "distinct": lambda one: f"{one['distinct']}",
        "roughness": lambda one: _number(one["roughness"]),
        f"autocorrelation, lag {found['lag']}": lambda one: _number(one["autocorrelation"]),
    }
    if not found["channels"]:
        return "values of each channel: left out; there are too few windows with values"
    worst = sorted(found["channels"], key=lambda name: -abs(np.log(ratio(found["channels"][name]) or 1e-9)))
    rows = [["channel", "std, ratio", *columns]]
    for name in worst[:N_SHOWN]:
        sets = found["channels"][name]
        cells = [" / ".join(show(sets[one]) for one in SETS if one in sets) for show in columns.values()]
        rows.append([name, f"{ratio(sets):.3f}", *cells])
    more = len(worst) - N_SHOWN
    lines = ["values of each channel: generated / real / other real windows", *aligned(rows)]
    return "\n".join(lines + ([f"  and {more} more channels"] if more > 0 else []))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

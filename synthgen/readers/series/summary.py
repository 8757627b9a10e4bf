"""What is said of series before they are used: how far apart their times are, what is missing, how many windows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from synthgen.base.units import plural
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.series.types import Recordings, SeriesData
from synthgen.readers.series.views import Windows

GAP = 1.5
"""Steps longer than this many median ones are gaps; others that differ are jitter."""

JITTER = 0.01
"""Of the median step: what times may be off and still be called regular."""

N_NAMED = 6
FEW, ENOUGH = 1000, 3661
"""Windows of training: fewer than the first are warned of; with the second, those of the stock prices in
`docs/measured.md`, generated windows lie no nearer to them than they to each other. With 300 (hourly temperature and
power of a city, 24 steps, trained for 2,000) it was 0.6 of the distance of new real ones; nothing between was tried."""


def describe(recordings: Recordings, data: SeriesData, windows: Mapping[str, Windows]) -> DataFacts:
    """How series were read and cut: the columns' roles, rows of facts, and notes.

    Args:
        windows: by what they are for, in words, as `training`.
    """
    rows = {
        "rows": _rows(recordings),
        "times": _times(recordings),
        "gaps": _gaps(recordings),
        "missing": _missing(recordings),
        "windows": _windows(data, windows),
    }
    notes = (*recordings.notes, *_few(windows))
    return DataFacts(recordings.roles, {name: text for name, text in rows.items() if text}, notes)


def _few(windows: Mapping[str, Windows]) -> list[str]:
    """A warning if there is little to train on."""
    n = len(windows["training"]) if "training" in windows else FEW
    if n >= FEW:
        return []
    return [
        f"training has only {plural(n, 'window')}, so generated series may be little more than copies: 300 were "
        f"measured to be too few, and {ENOUGH:,} to be enough; take a longer table, or a smaller `length` or `stride`"
    ]


def _rows(recordings: Recordings) -> str:
    lengths = [len(item) for item in recordings.items]
    text = f"{sum(lengths):,} of {plural(len(lengths), 'recording')}"
    return text + (f" of {min(lengths):,} to {max(lengths):,}" if len(set(lengths)) > 1 else "")


def _steps(recordings: Recordings) -> np.ndarray:
    """float64: from each row to the next one of its recording, in time units."""
    return np.concatenate([np.diff(item.times) for item in recordings.items])


def _times(recordings: Recordings) -> str:
    steps, unit = _steps(recordings), recordings.time_unit
    if not len(steps):
        return ""
    usual = float(np.median(steps))
    near = steps[steps <= GAP * usual]
    first = min((item.start for item in recordings.items if len(item)), default="")
    since = f", from {first} on" if first else ""
    if unit == "step" and "time" not in recordings.roles:
        return "none: rows are one step apart"
    if np.ptp(near) <= 2 * JITTER * usual:
        return f"every {usual:.6g} {unit}{since}"
    return f"{usual:.6g} {unit} apart (median), {near.min():.6g} to {near.max():.6g} {unit} between gaps{since}"


def _gaps(recordings: Recordings) -> str:
    steps, unit = _steps(recordings), recordings.time_unit
    if not len(steps) or (unit == "step" and "time" not in recordings.roles):
        return ""
    usual = float(np.median(steps))
    gaps = steps[steps > GAP * usual]
    if not len(gaps):
        return "none in the times"
    lacking = round(float((gaps / usual - 1).sum()))
    return (
        f"{len(gaps):,} longer than {GAP * usual:.6g} {unit}, the longest {gaps.max():.6g} {unit}; about {lacking:,} "
        "rows are not there, and windows reach across (with `step` they would be missing values)"
    )


def _missing(recordings: Recordings) -> str:
    """Shares of missing values of the channels that lack some."""
    values = [item.values for item in recordings.items]
    n_missing = np.sum([np.isnan(each).sum(0) for each in values], axis=0)
    total = max(1, sum(map(len, values)))
    shares = {c.name: n / total for c, n in zip(recordings.channels, n_missing, strict=True) if n}
    named = [f"{100 * share:.2g} % of {name}" for name, share in list(shares.items())[:N_NAMED]]
    return ", ".join(named) + (
        f" and of {len(shares) - N_NAMED} more channels" if shares and len(shares) > N_NAMED else ""
    )


def _windows(data: SeriesData, windows: Mapping[str, Windows]) -> str:
    """How many windows there are for what, and how they lie."""
    if not windows:
        return ""
    counts = ", ".join(f"{len(found):,} for {what}" for what, found in windows.items())
    where = "around events" if data.events else f"every {data.stride} steps" if data.stride > 1 else "one step apart"
    skipped = sum(found.skipped for found in windows.values())
    left_out = f"; {skipped:,} without values, or too near to an end, are left out" if skipped else ""
    return f"of {data.length} steps, {where}: {counts}{left_out}"

"""The season of real series in steps, and the error of the seasonal naive forecast that MASE divides by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import signal

from synthgen.base.units import UNITS_US
from synthgen.readers.series.reader import Recordings, SeriesData
from synthgen.readers.series.windows import divide

PERIODS = {"a day": UNITS_US["d"], "a week": 7 * UNITS_US["d"]}
"""Seasons of timestamps in microseconds: the one is taken whose seasonal naive error is smallest."""
LEAST_CORRELATION = 0.2
WHOLE = 1e-3


@dataclass(frozen=True, slots=True)
class Season:
    """How many steps later values are alike, by `source`; 1 step if no season was found."""

    steps: int
    source: str

    def __str__(self) -> str:
        return f"a season of {self.steps} steps ({self.source})" if self.steps > 1 else f"no season ({self.source})"


def training_parts(recordings: Recordings, data: SeriesData) -> list[np.ndarray]:
    """The values (T, C) of each recording that belong to the training part of `data`; none is empty."""
    bounds = divide(recordings, data, "train")
    return [item.values[start:end] for item, (start, end) in zip(recordings.items, bounds, strict=True) if start < end]


def find_season(parts: Sequence[np.ndarray], step: float, time_unit: str, stamped: bool) -> Season:
    """The season of series (T, C), NaN is missing, whose steps are `step` time units apart.

    Of timestamps it is a day or a week, whichever is a whole number of steps and forecasts better by repeating itself.
    Else, and if neither fits, it is the lag of the highest peak of the autocorrelation that stands out by
    `LEAST_CORRELATION`, all series and channels together.
    """
    if stamped and time_unit in UNITS_US:
        found = {}
        for name, period_us in PERIODS.items():
            steps = period_us / (step * UNITS_US[time_unit])
            if steps > 1.5 and abs(steps - round(steps)) < WHOLE * steps:
                errors = naive_errors(parts, round(steps)) / _deviations(parts)
                if np.isfinite(errors).any():
                    found[Season(round(steps), name)] = float(np.nanmean(errors))
        if found:
            return min(found, key=lambda season: found[season])
    correlation = autocorrelation(parts)
    peaks, _ = signal.find_peaks(correlation, height=LEAST_CORRELATION, prominence=LEAST_CORRELATION)
    if not len(peaks):
        return Season(1, "no peak of the autocorrelation")
    return Season(int(peaks[correlation[peaks].argmax()]), "the highest peak of the autocorrelation")


def naive_errors(parts: Sequence[np.ndarray], steps: int) -> np.ndarray:
    """Mean |value - value `steps` before| of each channel, float64 (C,); NaN where there is no pair of values.

    Source: the scale of MASE, Hyndman and Koehler 2006, "Another look at measures of forecast accuracy", section 3.
    """
    differences = [np.abs(part[steps:].astype(np.float64) - part[:-steps]) for part in parts if len(part) > steps]
    n_channels = parts[0].shape[1]
    total, n = np.zeros(n_channels), np.zeros(n_channels)
    for each in differences:
        total += np.nansum(each, axis=0)
        n += (~np.isnan(each)).sum(0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def autocorrelation(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Autocorrelation of lags 0 to half of the longest series: the mean over channels that are not constant.

    Products are summed over all series and divided by the sum at lag 0, so that of equal peaks the first is highest.
    Missing values count as the mean.
    """
    longest = max(map(len, parts))
    size = 1 << (2 * longest - 1).bit_length()
    mean = np.nanmean(np.concatenate(parts), axis=0, dtype=np.float64)
    total = np.zeros((longest // 2 + 1, parts[0].shape[1]))
    for part in parts:
        spectrum = np.fft.rfft(np.nan_to_num(part - mean), size, axis=0)
        total += np.fft.irfft(np.abs(spectrum) ** 2, size, axis=0)[: len(total)]
    moving = total[0] > 0
    if not moving.any():
        return np.zeros(len(total))
    found: np.ndarray = (total[:, moving] / total[0, moving]).mean(1)
    return found


def _deviations(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Standard deviations (C,), NaN for constant channels."""
    found = np.nanstd(np.concatenate(parts), axis=0, dtype=np.float64)
    return np.where(found > 0, found, np.nan)

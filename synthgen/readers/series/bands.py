"""How generated series compare with real ones in images: lines over bands and power spectra, and one image of both."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.names import printable
from synthgen.readers.series.types import Channel
from synthgen.readers.series.views import Windows

N_LINES, N_CLASSES, N_CHANNELS, N_REAL = 6, 6, 12, 2000
QUANTILES = (0.05, 0.5, 0.95)
BAND, MIDDLE, DRAWN = "#d0d7de", "#8c959f", "#0969da"


def save(path: Path, drawn: np.ndarray, labels: np.ndarray, real: Windows) -> None:
    """A PNG: one row per class, one column per channel, and last the spectrum of the first channel.

    Grey is where 90 % of the real values are, the grey line their median; blue lines are generated series.

    Args:
        generated: (N, L, C) in units, NaN where there is nothing; labels: class ids (N,) as `real` numbers them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = real.classes or ("series",)
    shown = [label for label in range(len(names)) if (labels == label).any() and (real.labels == label).any()]
    shown, n_channels = shown[:N_CLASSES], min(drawn.shape[2], N_CHANNELS)
    figure = Figure(figsize=(2.9 * (n_channels + 1), 2.1 * len(shown) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(shown), n_channels + 1, squeeze=False)
    for row, label in zip(grid, shown, strict=True):
        rows = np.flatnonzero(real.labels == label)[:N_REAL]
        some, ours = real.take(rows), drawn[labels == label]
        times, values = some.times[0], some.values
        for channel, axes in enumerate(row[:-1]):
            bands(axes, times, values[:, :, channel])
            lines(axes, times, ours[:, :, channel])
            axes.tick_params(labelsize="small")
        spectra(row[-1], values[:, :, 0], ours[:, :, 0], real.interval)
        row[-1].tick_params(labelsize="small")
        row[0].set_ylabel(printable(names[label]), parse_math=False)
    for axes, about in zip(grid[0], real.channels, strict=False):
        axes.set_title(printable(with_unit(about)), fontsize="medium", parse_math=False)
    title = f"spectrum, {printable(real.channels[0].name)}"
    grid[0][-1].set_title(title, fontsize="medium", parse_math=False)  # a `$` in a name is a dollar
    for axes in grid[-1][:-1]:
        axes.set_xlabel(real.time_unit)
    grid[-1][-1].set_xlabel(frequency_label(real.time_unit, real.interval))
    figure.savefig(path, dpi=110)


def bands(axes: Any, times: np.ndarray, values: np.ndarray, of: str = "real") -> None:
    """Where 90 % of values (N, L) are at each time, and their median."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step at which every series has a gap
        low, middle, high = np.nanquantile(values, QUANTILES, axis=0)
    axes.fill_between(times, low, high, color=BAND, linewidth=0, label=f"{of}, 5 % to 95 %")
    axes.plot(times, middle, color=MIDDLE, linewidth=1.2, label=f"{of}, median")


def lines(axes: Any, times: np.ndarray, values: np.ndarray) -> None:
    """The first series of (N, L) as lines."""
    some = values[:N_LINES]
    names = [f"generated, {len(some)} of {len(values)}", *[None] * (len(some) - 1)]
    axes.plot(times, some.T, color=DRAWN, linewidth=0.8, alpha=0.8, label=names if len(some) > 1 else names[0])


def spectra(axes: Any, real: np.ndarray | None, drawn: np.ndarray, interval: float | None) -> None:
    """Mean power spectra of windows (N, L), on a logarithmic scale."""
    for name, values, colour in (("real", real, MIDDLE), ("generated", drawn, DRAWN)):
        known = None if values is None else without_gaps(values)
        if known is not None and len(known):
            frequencies, power = spectrum(known, interval)
            axes.plot(frequencies, power, color=colour, linewidth=1.2, label=f"{name}, mean of {len(known)}")
            if power.max() > 0:
                axes.set_yscale("log")
    if axes.get_yscale() == "log":
        _label_plainly(axes.yaxis)


def _label_plainly(axis: Any) -> None:
    """Numbers of a logarithmic axis: powers of ten, and those between them where there is one such power or none.

    Matplotlib's own are TeX, and names with a `$` are shown without it.
    """
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = np.log10(axis.get_view_interval())
    narrow = np.floor(high) - np.ceil(low) < 1
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    if narrow:
        axis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
        axis.set_minor_formatter(lambda value, _: f"{value:,g}")
    else:
        axis.set_minor_formatter(NullFormatter())


def spectrum(values: np.ndarray, interval: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies above 0 and the mean one-sided power density of finite windows (N, L), less each one's mean.

    Without an `interval` between steps, frequencies are in cycles a step.

    Source: the periodogram as `scipy.signal.periodogram` defines it, `scaling="density"`.
    """
    from scipy.signal import periodogram

    rate = 1.0 if interval is None else 1 / interval
    frequencies, power = periodogram(values.astype(np.float64), rate, detrend="constant", axis=1)
    return frequencies[1:], power[:, 1:].mean(0)


def without_gaps(values: np.ndarray) -> np.ndarray:
    """Those of windows (N, L) that have no missing value."""
    known: np.ndarray = values[~np.isnan(values).any(1)]
    return known


def with_unit(channel: Channel) -> str:
    """`MLII (mV)`, or the name alone if the channel has no unit."""
    return channel.name if channel.unit == "1" else f"{channel.name} ({channel.unit})"


def frequency_label(time_unit: str, interval: float | None) -> str:
    """Name and unit of the axis of frequencies."""
    if interval is None:
        return "frequency (1/step)"
    return "frequency (Hz)" if time_unit == "s" else f"frequency (1/{time_unit})"

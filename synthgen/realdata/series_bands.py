"""One picture that compares drawn series with real ones: lines over bands, class by class, and their spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from synthgen.realdata.series_views import Windows

N_LINES, N_CLASSES, N_CHANNELS, N_REAL = 6, 6, 6, 2000
QUANTILES = (0.05, 0.5, 0.95)


def save(path: Path, drawn: np.ndarray, labels: np.ndarray, real: Windows) -> None:
    """A PNG: a row a class, a column a channel, and last the spectrum of the first channel.

    Grey is where 90 % of the real values are, the grey line their median; blue lines are drawn series.

    Args:
        drawn: (N, L, C) in units, NaN where there is nothing; labels: class ids (N,) as `real` numbers them.
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
        for channel, axes in enumerate(row[:-1]):
            _bands(axes, some, ours, channel)
        _spectra(row[-1], some.values[:, :, 0], ours[:, :, 0])
        row[0].set_ylabel(names[label])
    for axes, about in zip(grid[0], real.channels, strict=False):
        axes.set_title(about.name if about.unit == "1" else f"{about.name} ({about.unit})", fontsize="medium")
    grid[0][-1].set_title(f"spectrum, {real.channels[0].name}", fontsize="medium")
    for axes in grid[-1][:-1]:
        axes.set_xlabel(real.time_unit)
    figure.savefig(path, dpi=110)


def _bands(axes: Any, real: Windows, drawn: np.ndarray, channel: int) -> None:
    times = real.times[0]
    with np.errstate(all="ignore"):
        low, middle, high = np.nanquantile(real.values[:, :, channel], QUANTILES, axis=0)
    axes.fill_between(times, low, high, color="#d0d7de", linewidth=0)
    axes.plot(times, middle, color="#8c959f", linewidth=1)
    axes.plot(times, drawn[:N_LINES, :, channel].T, color="#0969da", linewidth=0.8, alpha=0.8)
    axes.tick_params(labelsize="small")


def _spectra(axes: Any, real: np.ndarray, drawn: np.ndarray) -> None:
    """Mean power by frequency, in cycles a step; series with missing values are left out."""
    for values, colour in ((real, "#8c959f"), (drawn, "#0969da")):
        whole = values[~np.isnan(values).any(1)]
        if len(whole):
            power = np.abs(np.fft.rfft(whole - whole.mean(1, keepdims=True), axis=1)) ** 2
            axes.plot(np.fft.rfftfreq(whole.shape[1])[1:], power.mean(0)[1:], color=colour, linewidth=1)
            axes.set_yscale("log")
    axes.tick_params(labelsize="small")

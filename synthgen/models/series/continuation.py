"""Long series from a model of short windows: each next window is drawn with the end of the series so far known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from synthgen import seeds as streams
from synthgen.models.sampling import torch_generator
from synthgen.models.series.pipeline import SeriesOutput, SeriesPipeline


@dataclass(frozen=True, slots=True)
class Window:
    """Steps `start` to `end` of a series; those before `new` were drawn by the windows before."""

    start: int
    new: int
    end: int


def windows(total: int, length: int, overlap: int) -> tuple[Window, ...]:
    """Windows of `length` steps that cover `total` steps in order, one of `total` steps if that is not longer.

    Each begins `overlap` steps before the end of the one before; the last one ends with the series and begins
    earlier, so that every window is as long as those that were trained.

    Raises:
        ValueError: the overlap is not between 1 and `length` - 1.
    """
    if total <= length:
        return (Window(0, 0, total),)
    if not 0 < overlap < length:
        raise ValueError(f"overlap must be from 1 to {length - 1} steps, got {overlap}")
    made = [Window(0, 0, length)]
    while made[-1].end < total:
        end = min(made[-1].end + length - overlap, total)
        made.append(Window(end - length, made[-1].end, end))
    return tuple(made)


def draw(
    pipeline: SeriesPipeline,
    class_labels: Sequence[int],
    seeds: Sequence[int],
    length: int,
    overlap: int,
    given: Mapping[str, np.ndarray],
    **settings: Any,
) -> SeriesOutput:
    """Draws one series of `length` steps for each class id, window by window, all series of a window together.

    Series i depends on `seeds[i]` and row i of what is given alone. What one window has drawn is known to the next,
    which keeps it to the bit: values are scaled anew for every window, and never drawn again from what was scaled.
    Only where values of `known` follow after a window's end, the last half of the overlap is drawn anew by the next
    window, which sees them: else what is drawn would not know what it leads to.

    Args:
        seeds: one a series; the first window's noise is that of a series of the model's own length.
        length: steps of a series, as many as all that is given; overlap: steps known to the next window.
        given: `known` (N, length, C), `times` (N, length), `covariates` (N, length, K), `static` (N, S) of
            `SeriesPipeline.__call__`; those that are missing are its defaults.
        settings: the others of `SeriesPipeline.__call__`.

    Raises:
        ValueError: the model was not trained to go on, or what `SeriesPipeline.__call__` and `windows` refuse.
    """
    trained, n_channels = int(pipeline.config.length), len(pipeline.config.channels)
    if length > trained and not pipeline.config.continues:
        raise ValueError(f"the model draws {trained} steps and was not trained to go on")
    n, dtype = len(class_labels), pipeline.scaler.dtype_in_units
    known = np.asarray(given.get("known", np.full((n, length, n_channels), np.nan)), dtype=dtype)
    times = given.get("times")
    if times is None:
        times = np.tile(np.arange(length, dtype=np.float64) * float(pipeline.denoiser.config.interval), (n, 1))
    series = known.copy()
    for number, window in enumerate(windows(length, trained, overlap)):
        steps = slice(window.start, window.end)
        if not np.isnan(series[:, steps]).any():
            continue
        # The first window's streams are those of a series of one window; each next one has its own, so that
        # windows that are skipped because all is known change nothing in those after them.
        own = seeds if number == 0 else [streams.seed_of(seed, "window", number) for seed in seeds]
        shape = (window.end - window.start, int(pipeline.scaler.n_scaled))
        series[:, steps] = pipeline(
            class_labels,
            known=series[:, steps],
            times=times[:, steps] - times[:, window.start, None],  # as in training: since the window's first step
            covariates=given["covariates"][:, steps] if "covariates" in given else None,
            static=given.get("static"),
            latents=torch.from_numpy(streams.normals(own, shape)),
            generator=[torch_generator(seed) for seed in own],
            **settings,
        ).series
        again = slice(window.end - overlap // 2, window.end)
        led_to = ~np.isnan(known[:, window.end : window.end + trained - overlap]).all((1, 2))
        series[led_to, again] = known[led_to, again]
    return SeriesOutput(series=series, times=times)

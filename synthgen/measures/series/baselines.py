"""Simple baselines for values that are not known: what a model of series must beat to be worth its training."""

from __future__ import annotations

import numpy as np

from synthgen.readers.series.reader import Recordings

LAST, SEASONAL, LINEAR, MEAN = "last value", "seasonal naive", "linear interpolation", "training mean"


def carried_forward(seen: np.ndarray) -> np.ndarray:
    """(T, C): the last known value of a channel in the place of missing ones; before the first they stay NaN."""
    places = np.where(np.isnan(seen), 0, np.arange(len(seen))[:, None])
    found: np.ndarray = np.take_along_axis(seen, np.maximum.accumulate(places, axis=0), axis=0)
    return found


def repeated(seen: np.ndarray, season: int) -> np.ndarray:
    """(T, C): the value a season before in the place of missing ones, or several seasons before, the nearest that is
    known; NaN where there is none."""
    found = seen.copy()
    for start in range(season, len(found), season):
        block = found[start : start + season]
        before = found[start - season : start - season + len(block)]
        np.copyto(block, before, where=np.isnan(block))
    return found


def interpolated(seen: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(T, C): straight lines in time between known values, and the nearest one before the first and after the last."""
    found = seen.copy()
    for channel in found.T:
        known = ~np.isnan(channel)
        if known.any():
            channel[~known] = np.interp(times[~known], times[known], channel[known])
    return found


def predictions(
    seen: np.ndarray, times: np.ndarray, season: int, mean: np.ndarray, forecast: bool
) -> dict[str, np.ndarray]:
    """What each baseline says in the place of missing values: arrays (T, C) without NaN, by name.

    Seasons are looked for after a gap too where there is none before it. Where a channel offers a baseline nothing, it
    takes the last known value, else the next one, else the mean. Without a season (of 1 step), or where none fits
    into T steps, there is no seasonal naive; of forecasts there is no interpolation.

    Args:
        seen: float64 (T, C), NaN where a value is to be predicted.
        times: (T,), increasing; mean: (C,), of the training data.
    """
    last = carried_forward(seen)
    last = np.where(np.isnan(last), carried_forward(last[::-1])[::-1], last)
    last = np.where(np.isnan(last), mean, last)
    found = {LAST: last}
    if 1 < season < len(seen):
        seasonal = repeated(repeated(seen, season)[::-1], season)[::-1]
        found[SEASONAL] = np.where(np.isnan(seasonal), last, seasonal)
    if not forecast:
        linear = interpolated(seen, times)
        found[LINEAR] = np.where(np.isnan(linear), last, linear)
    found[MEAN] = np.where(np.isnan(seen), mean, seen)
    return found


def forecasts(
    recordings: Recordings, owners: np.ndarray, starts: np.ndarray, known: np.ndarray, season: int, mean: np.ndarray
) -> dict[str, np.ndarray]:
    """What each baseline forecasts after the known values of windows: arrays (N, L, C) by name.

    The last season before a window is looked up in its recording, where windows are shorter than a season: it is
    past when the forecast is made. At the start of a recording there is none, and the seasonal naive forecast is the
    last value.

    Args:
        owners, starts: (N,), each window's recording and its first row in it.
        known: (N, L, C), NaN from the first step that is forecast on.
    """
    found: dict[str, list[np.ndarray]] = {}
    for owner, start, window in zip(owners.tolist(), starts.tolist(), known, strict=True):
        before = recordings.items[owner].values[max(0, start - season) : start] if season > 1 else window[:0]
        seen = np.concatenate([before, window]).astype(np.float64)
        if len(before) < season:  # so that all windows have the same baselines
            seen = np.concatenate([np.full((season - len(before), seen.shape[1]), np.nan), seen])
        for name, values in predictions(seen, np.arange(len(seen)), season, mean, forecast=True).items():
            found.setdefault(name, []).append(values[-len(window) :])
    return {name: np.stack(values) for name, values in found.items()}


def gaps(known: np.ndarray, times: np.ndarray, season: int, mean: np.ndarray) -> dict[str, np.ndarray]:
    """What each baseline says in the gaps of windows (N, L, C) with times (N, L): arrays (N, L, C) by name.

    Baselines see what the model sees: the known values of the window.
    """
    each = [
        predictions(seen.astype(np.float64), at, season, mean, forecast=False)
        for seen, at in zip(known, times, strict=True)
    ]
    return {name: np.stack([one[name] for one in each]) for name in each[0]}

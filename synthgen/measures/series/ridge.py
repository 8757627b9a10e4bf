"""Ridge regression in closed form as a forecaster; validation chooses its penalty, and what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from synthgen.measures.series import baselines

PENALTIES = 10.0 ** np.arange(-4, 5)
"""Penalties that validation chooses from, for the mean squared error of standardised values."""
MOST_INPUTS = 512
"""Values that a forecast is made from at most: of many channels, fewer steps are read."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear map from values of some channels to the H steps of one channel: weights (D, H)."""

    channels: tuple[int, ...]
    weights: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray


@dataclass(frozen=True, slots=True)
class Ridge:
    """Forecasts the last `horizon` steps of standardised windows: a linear map for each channel."""

    maps: tuple[Linear, ...]
    horizon: int

    def forecast(self, windows: np.ndarray, beside: np.ndarray | None = None) -> np.ndarray:
        """(N, H, C), in the windows' units; of them (N, L, C) the last H steps are not looked at."""
        seen = filled(windows[:, : -self.horizon])
        x = {each: inputs(seen, each, self.horizon, beside) for each in {one.channels for one in self.maps}}
        change = [(x[one.channels] - one.x_mean) @ one.weights + one.y_mean for one in self.maps]
        found: np.ndarray = np.stack(change, axis=2) + seen[:, -1:]
        return found


def fit(
    windows: np.ndarray, held_out: np.ndarray, horizon: int, beside: tuple[np.ndarray, np.ndarray] | None = None
) -> Ridge:
    """A forecaster of changes from the last value that is seen.

    For every channel, what has the least mean absolute error on `held_out` is taken: the penalty, and whether all
    channels are read or only the one that is forecast.

    Args:
        windows: (N, L, C), standardised, NaN only before the last `horizon` steps; held_out: (M, L, C), likewise.
        beside: covariates of both, (N, L, K) and (M, L, K), which are known while forecasting.

    Source: Hoerl and Kennard 1970, "Ridge regression"; less the last value as NLinear of Zeng et al. 2023, "Are
    transformers effective for time series forecasting?".
    """
    n_channels = windows.shape[2]
    seen = [filled(one[:, :-horizon]) for one in (windows, held_out)]
    y, wanted = (
        (one[:, -horizon:] - known[:, -1:]).astype(np.float64)
        for one, known in zip((windows, held_out), seen, strict=True)
    )
    found: list[tuple[float, Linear] | None] = [None] * n_channels
    readers = [tuple(range(n_channels)), *((c,) for c in range(n_channels) if n_channels > 1)]
    for channels in readers:
        x, tried = (inputs(one, channels, horizon, beside and beside[i]) for i, one in enumerate(seen))
        x_mean = x.mean(0)
        x, tried = x - x_mean, tried - x_mean
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        tried = tried @ vectors
        for c in channels:
            y_mean = y[:, :, c].mean(0)
            projected = vectors.T @ (x.T @ (y[:, :, c] - y_mean) / len(x))
            for penalty in PENALTIES:
                weights = projected / (np.maximum(values, 0) + penalty)[:, None]
                error = float(np.abs(tried @ weights + y_mean - wanted[:, :, c]).mean())
                best = found[c]
                if best is None or error < best[0]:
                    found[c] = error, Linear(channels, vectors @ weights, x_mean, y_mean)
    return Ridge(tuple(one[1] for one in found if one), horizon)


def filled(seen: np.ndarray) -> np.ndarray:
    """Windows, float64 (N, T, C), with the value before in the place of missing ones, else the one after, else 0."""
    n, n_steps, n_channels = seen.shape
    flat = seen.astype(np.float64).transpose(1, 0, 2).reshape(n_steps, -1)
    flat = baselines.carried_forward(flat)
    flat = np.nan_to_num(baselines.carried_forward(flat[::-1])[::-1])
    found: np.ndarray = flat.reshape(n_steps, n, n_channels).transpose(1, 0, 2)
    return found


def inputs(seen: np.ndarray, channels: Sequence[int], horizon: int, beside: np.ndarray | None) -> np.ndarray:
    """What is regressed on, float64 (N, D): values of `channels` less their last ones, and covariates to come."""
    n_read = max(2, MOST_INPUTS // len(channels))
    some = seen[:, -n_read:][:, :, list(channels)]
    columns = [some[:, :-1] - some[:, -1:], *([] if beside is None else [beside[:, -horizon:]])]
    return np.concatenate([column.reshape(len(seen), -1) for column in columns], axis=1)

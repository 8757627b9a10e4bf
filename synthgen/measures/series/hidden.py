"""Real windows of which a dataset has generated a part, and the real values of that part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.readers.series.reader import Recordings, SeriesData
from synthgen.readers.series.windows import divide


@dataclass(frozen=True, slots=True)
class Hidden:
    """Windows of real series of which a dataset has generated a part.

    samples: float64 (S, N, L, C), what was generated, S times for each window; known: (N, L, C), NaN where values were
    hidden from the model; truth: (N, L, C), the real values, NaN where there is none; scored: bool (N, L, C), hidden
    from the model and in the truth; times: (N, L); owners, starts: int64 (N,), recordings and first rows in them.
    """

    samples: np.ndarray
    known: np.ndarray
    truth: np.ndarray
    scored: np.ndarray
    times: np.ndarray
    owners: np.ndarray
    starts: np.ndarray

    @property
    def context(self) -> int | None:
        """Steps that are known before a forecast; None if some values were hidden before known ones."""
        known_steps = np.flatnonzero(~np.isnan(self.known).all((0, 2)))
        context = int(known_steps[-1]) + 1 if len(known_steps) else 0
        forecast = 0 < context < self.known.shape[1] and not self.scored[:, :context].any()
        return context if forecast else None


def pair(samples: Sequence[Mapping[str, Any]], field: str, recordings: Recordings) -> Hidden | str:
    """The generated samples, and the real windows that they were made of; or why they cannot be compared, in words.

    A window is found by `source` and `start` of the condition `real-series`, and its known values must be equal to the
    real ones. Of windows with more samples than others, the first ones are taken.
    """
    rows: dict[tuple[str, float], list[int]] = {}
    for i, sample in enumerate(samples):
        asked = sample["meta"]["condition"]
        if "source" not in asked or "start" not in asked:
            return "the condition does not say which real windows it took; `real-series` does"
        rows.setdefault((asked["source"], asked["start"]), []).append(i)
    number = {item.entity: i for i, item in enumerate(recordings.items)}
    known, truth, times, owners, starts = [], [], [], [], []
    for (source, start), picked in rows.items():
        sample = samples[picked[0]]
        seen = sample["known"]
        item = recordings.items[number[source]] if source in number else None
        first = -1 if item is None else int(np.searchsorted(item.times, start))
        if item is None or first >= len(item) or item.times[first] != start:
            return f"the real data have no window of {source} at {start:g}; compare with those that the windows are of"
        real = np.full(seen.shape, np.nan)
        there = item.values[first : first + len(seen)]
        real[: len(there)] = there
        both = ~np.isnan(seen)
        if not np.array_equal(seen[both].astype(np.float32), real[both].astype(np.float32)):
            return f"known values of {sample['key']} are not those of {source} at {start:g} in the real data"
        known.append(seen)
        truth.append(real)
        times.append(sample["time"])
        owners.append(number[source])
        starts.append(first)
    scored = np.isnan(known) & np.isfinite(truth)
    if not scored.any():
        return "the real data have no values where the dataset has generated some; `generate: hidden` hides known ones"
    n = min(map(len, rows.values()))
    drawn = np.array([[samples[i][field] for i in picked[:n]] for picked in rows.values()], dtype=np.float64)
    return Hidden(
        samples=drawn.swapaxes(0, 1),
        known=np.array(known, dtype=np.float64),
        truth=np.array(truth),
        scored=scored,
        times=np.array(times),
        owners=np.array(owners),
        starts=np.array(starts),
    )


def covariates_of(hidden: Hidden, recordings: Recordings) -> np.ndarray:
    """(N, L, K) of the real windows."""
    length = hidden.known.shape[1]
    each = zip(hidden.owners.tolist(), hidden.starts.tolist(), strict=True)
    return np.stack([recordings.items[owner].covariates[start : start + length] for owner, start in each])


def in_training(hidden: Hidden, recordings: Recordings, data: SeriesData) -> int:
    """Windows that share a row with the training part."""
    bounds = np.array(divide(recordings, data, "train"))[hidden.owners]
    last = hidden.starts + hidden.known.shape[1]
    return int(((hidden.starts < bounds[:, 1]) & (last > bounds[:, 0])).sum())

"""What every metric takes: windows (N, L, C), finite, already scaled by the caller."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthgen import seeds
from synthgen.errors import DataError
from synthgen.readers.series.reader import Windows


def check(real: np.ndarray, synthetic: np.ndarray, least: int = 2) -> None:
    """Two sets of windows that can be compared.

    Raises:
        DataError: not (N, L, C) with equal L and C, fewer than `least` windows in one, or a number that is not finite.
    """
    for name, windows in (("real", real), ("synthetic", synthetic)):
        if windows.ndim != 3:
            raise DataError(f"{name} windows have the shape {windows.shape}; (windows, steps, channels) is measured")
        if len(windows) < least:
            raise DataError(f"{len(windows)} {name} windows; this measure needs {least} or more")
        if not np.isfinite(windows).all():
            raise DataError(f"{name} windows hold NaN or infinite values; fill or drop them before measuring")
    if real.shape[1:] != synthetic.shape[1:]:
        raise DataError(
            f"real windows have {real.shape[1]} steps of {real.shape[2]} channels, synthetic ones "
            f"{synthetic.shape[1]} of {synthetic.shape[2]}; both must be alike"
        )


def stream(seed: int, purpose: str) -> np.random.Generator:
    """The random stream of one metric; equal arguments give equal numbers on every machine."""
    return seeds.generator(seeds.seed_of(seed, f"series/{purpose}", 0))


def torch_seed(seed: int, purpose: str) -> int:
    """A seed for `torch.manual_seed`, of which torch's CPU generator uses the low 32 bits."""
    return seeds.seed_of(seed, f"series/{purpose}", 0) & 0xFFFFFFFF


def some(windows: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """All windows if there are `n` or fewer, else a random `n` of them, in their order."""
    return windows if len(windows) <= n else windows[some_of(len(windows), n, rng)]


def some_of(n_windows: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """int64: the numbers 0 to `n_windows` - 1 in order, all or a random `n` of them: regular ones may miss hours."""
    if n_windows <= n:
        return np.arange(n_windows)
    chosen: np.ndarray = np.sort(rng.choice(n_windows, n, replace=False))
    return chosen


def whole(windows: Windows, n: int, start: int = 0) -> Windows:
    """Windows without missing values from step `start` on, of a random `n` or of all."""
    few = windows.take(some_of(len(windows), n, stream(0, "some")))
    return few.take(~np.isnan(few.values[:, start:]).any((1, 2)))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table as lines, two blanks between columns, indented."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def moments(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, float64 (C,), of windows (N, L, C), NaN is missing; 0 and 1 for empty channels, and
    1 for constant ones."""
    mean = np.asarray(np.nanmean(windows, axis=(0, 1), dtype=np.float64))
    deviation = np.asarray(np.nanstd(windows, axis=(0, 1), dtype=np.float64))
    return np.nan_to_num(mean), np.where(deviation > 0, deviation, 1)

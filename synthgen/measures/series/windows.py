"""What every metric takes: windows (N, L, C), finite, already scaled by the caller."""

from __future__ import annotations

import numpy as np

from synthgen import seeds
from synthgen.errors import DataError


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
    if len(windows) <= n:
        return windows
    return windows[np.sort(rng.choice(len(windows), n, replace=False))]

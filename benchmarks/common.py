"""What all benchmarks share: pinning, medians, and a ratio with its A/A ratio beside it."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence

from synthgen.base.environment import use_one_thread


def pin_to_one_core() -> None:
    """This process and its children on one core, one thread: call it before torch is imported."""
    use_one_thread()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def compare(name: str, a: Callable[[], float], b: Callable[[], float], repeats: int) -> float:
    """Runs a, b, a in turns and prints median(a) / median(b) beside the A/A ratio of the two a series.

    Each callable returns a cost (seconds), so a ratio above 1 means that `a` is dearer.
    """
    first, rival, second = [], [], []
    for _ in range(repeats):
        first.append(a())
        rival.append(b())
        second.append(a())
    ratio = statistics.median(first + second) / statistics.median(rival)
    same = statistics.median(first) / statistics.median(second)
    print(f"{name}: ratio {ratio:.3f}  (A/A {same:.3f}; medians {spread(first + second)} and {spread(rival)} s)")
    return ratio


def spread(values: Sequence[float]) -> str:
    """`median [min..max]` in seconds."""
    return f"{statistics.median(values):.4g} [{min(values):.4g}..{max(values):.4g}]"

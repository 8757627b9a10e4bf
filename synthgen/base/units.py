"""Sizes, times and counts as people read them."""

from __future__ import annotations

from collections.abc import Mapping

UNITS_US: Mapping[str, int] = {"s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
"""Microseconds in each unit of time."""


def size(n_bytes: float) -> str:
    """`512 bytes`, `3.4 kB`, `12 MB`: powers of 1000, two digits at least."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" or n_bytes >= 10 else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """`20 ms`, `4.5 s`, `45 s`, `3 min 20 s` or `2 h 05 min`."""
    if seconds < 0.001:
        return "under 1 ms"
    if seconds < 0.095:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def share(part: float) -> str:
    """`16.8 %`, `0.31 %`, `under 0.01 %`: a share from 0 to 1."""
    if 0 < part < 0.0001:
        return "under 0.01 %"
    return f"{100 * part:.{2 if part < 0.01 else 1}f} %"


def plural(n: int, noun: str, several: str = "") -> str:
    """`1 shard`, `2 shards`, `2 classes` if `several` says so."""
    return f"{n} {noun if n == 1 else several or noun + 's'}"


def counts(by_name: Mapping[str, int], limit: int = 20) -> str:
    """`cat 54, dog 20`; beyond `limit` names, how many more there are."""
    shown = ", ".join(f"{name} {n}" for name, n in list(by_name.items())[:limit])
    return shown + (f" and {len(by_name) - limit} more" if len(by_name) > limit else "")

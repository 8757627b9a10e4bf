"""Local times without an offset: the hour that they repeat when summer time ends, and lack when it begins."""

from __future__ import annotations

import numpy as np

from synthgen.readers.series.times import iso

HOUR_US = 3_600_000_000
MONTHS = (3, 4, 9, 10, 11)
LATEST_HOUR = 3
"""Clocks are changed on Sundays of these months, in hours up to this one, wherever they are changed."""


def is_change(stamps: np.ndarray) -> np.ndarray:
    """bool: which of int64 microseconds since 1970 are in an hour in which clocks may be changed."""
    moments = stamps.astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    sunday = (days.astype(np.int64) + 4) % 7 == 0
    month = moments.astype("datetime64[M]").astype(np.int64) % 12 + 1
    hour = (moments - days) // np.timedelta64(HOUR_US, "us")
    found: np.ndarray = sunday & np.isin(month, MONTHS) & (hour <= LATEST_HOUR)
    return found


def repeated(stamps: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Days (datetime64) on which an entity has an hour twice: all rows that go back or repeat a time are in one.

    `stamps` and `codes` (rows,) are in the order of the file, or sorted, by entities. Empty if others are among them.
    """
    same = np.diff(codes) == 0
    wrong = stamps[1:][same & (np.diff(stamps) <= 0)]
    if not len(wrong) or not is_change(wrong).all():
        return np.empty(0, dtype="datetime64[D]")
    return np.unique(wrong.astype("datetime64[us]").astype("datetime64[D]"))


def lacking(stamps: np.ndarray, codes: np.ndarray) -> list[str]:
    """First moments of hours that are missing as when summer time begins; of rows sorted by entity and time."""
    steps = np.diff(stamps)
    same = (np.diff(codes) == 0) & (steps > 0)
    if not same.any():
        return []
    usual = int(np.median(steps[same]))
    after = same & (np.abs(steps - usual - HOUR_US) < usual / 100 + 1) & is_change(stamps[1:] - HOUR_US)
    return [iso(int(moment), False) for moment in np.unique(stamps[1:][after] - HOUR_US)] if usual <= HOUR_US else []

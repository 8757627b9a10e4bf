"""When a shard counts as stuck: its worker is there, and nothing has come of it for far longer than a shard takes."""

from __future__ import annotations

import statistics
from collections import deque

SHARDS = 10.0
LEAST_S = 120.0
"""A worker may be silent for as long as ten shards take, and for two minutes: storage and networks have pauses."""


class Patience:
    """Learns from finished shards, or what else `what` is, how long one takes."""

    def __init__(self, what: str = "a shard", least_s: float | None = None) -> None:
        self._what, self._least_s = what, least_s
        self._seconds: deque[float] = deque(maxlen=100)

    @property
    def known(self) -> bool:
        """Whether a shard is done."""
        return bool(self._seconds)

    def learn(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def worn_out(self, silent_s: float) -> str:
        """Why a worker that has been silent for so long is given up; empty if it is not, or if no shard is done."""
        if not self._seconds:
            return ""
        usual_s = statistics.median(self._seconds)
        if silent_s <= max(LEAST_S if self._least_s is None else self._least_s, SHARDS * usual_s):
            return ""
        return f"nothing was heard of it for {silent_s:.0f} s, and {self._what} takes {usual_s:.1f} s"

"""How fast a counted piece of work goes, and how long what is left of it takes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0
APART_S = 1.0


class Pace:
    """Speed over the last minute, of work whose start-up is left out.

    The first count ends the start-up (loading models, the first batch), so no speed is known before work of at least
    `least` has followed it: with several workers a batch of each, or the first speeds would be those of one of them.
    """

    def __init__(self, least: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._least = least
        self._clock = clock
        self._points: deque[tuple[float, int]] = deque()
        self._last = (0.0, 0)

    def add(self, count: int) -> None:
        """Notes the total that is done now; a total that went down starts over."""
        now = self._clock()
        if not self._points or count < self._last[1]:
            self._points = deque([(now, count)])
        elif now - self._points[-1][0] >= APART_S:
            self._points.append((now, count))
        self._last = (now, count)
        while len(self._points) > 1 and self._spans(self._points[1]):
            self._points.popleft()

    def _spans(self, point: tuple[float, int]) -> bool:
        return self._last[0] - point[0] >= WINDOW_S and self._last[1] - point[1] >= self._least

    @property
    def rate(self) -> float | None:
        """Counts a second; None while too little is done to know."""
        if not self._points:
            return None
        (first_s, first), (last_s, last) = self._points[0], self._last
        if last - first < self._least or last_s <= first_s:
            return None
        return (last - first) / (last_s - first_s)

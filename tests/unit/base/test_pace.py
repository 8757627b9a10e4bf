"""Speeds: what start-up and a change of speed do to them."""

from __future__ import annotations

import pytest

from synthgen.base.pace import WINDOW_S, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def rates(least: int, events: list[tuple[float, int]]) -> list[float | None]:
    """What is known after each event (seconds, total)."""
    clock = Clock()
    pace = Pace(least, clock)
    found = []
    for clock.now, count in events:
        pace.add(count)
        found.append(pace.rate)
    return found


def test_start_up_is_left_out() -> None:
    assert rates(8, [(100, 8), (102, 16), (104, 24)]) == [None, 4, 4]


def test_two_workers_that_end_their_first_batches_one_after_the_other() -> None:
    """The second's first batch comes at once, which would be a speed of 80/s; a batch of each is waited for."""
    assert rates(16, [(100, 8), (100.1, 16), (102, 24), (102.1, 32)])[:3] == [None, None, 8]


def test_the_last_minute_counts() -> None:
    slow = [(float(s), s) for s in range(100)]
    fast = [(100.0 + s, 100 + 10 * s) for s in range(int(WINDOW_S) + 2)]
    assert rates(1, slow + fast)[-1] == pytest.approx(10)


def test_batches_that_take_longer_than_the_window() -> None:
    assert rates(4, [(0, 4), (200, 8), (400, 12)])[1:] == [0.02, 0.02]


def test_a_total_that_went_down_starts_over() -> None:
    assert rates(1, [(0, 10), (1, 20), (2, 5), (3, 7)]) == [None, 10, None, 2]

"""The axis of time in words."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.report.time_axis import Axis, number

HOURS = np.arange(24.0)


@pytest.mark.parametrize(
    ("times", "unit", "start", "zoned", "words"),
    [
        (HOURS, "h", None, False, ("0", "time (h)", "23")),
        (np.arange(0, 1440, 10.0), "step", None, False, ("0", "time (step)", "1,430")),
        (HOURS, "h", "2017-03-05T06:00", False, ("2017-03-05 06:00", "", "2017-03-06 05:00")),
        (HOURS, "h", "2017-03-05T06:00", True, ("2017-03-05 06:00", "UTC", "2017-03-06 05:00")),
        (HOURS, "d", "2017-03-05", False, ("2017-03-05", "", "2017-03-28")),
        (HOURS, "s", "2017-03-05T06:00", False, ("2017-03-05 06:00:00", "", "2017-03-05 06:00:23")),
        (np.array([0, 0.25]), "s", "2017-03-05", False, ("2017-03-05 00:00:00.000", "", "2017-03-05 00:00:00.250")),
        (np.array([0, 1 / 6]), "h", "2017-03-05", False, ("2017-03-05 00:00", "", "2017-03-05 00:10")),
        (HOURS, "beat", "2017-03-05T06:00", False, ("2017-03-05 06:00", "", "+23 beat")),
    ],
)
def test_both_ends_have_a_time_with_its_unit_or_a_moment(
    times: np.ndarray, unit: str, start: str | None, zoned: bool, words: tuple[str, str, str]
) -> None:
    moment = None if start is None else np.datetime64(start, "us")
    assert Axis(times, unit, moment, zoned).words() == words


def test_numbers_are_written_short() -> None:
    assert [number(value) for value in (49900.3, -1234.0, 31.21, 0.03571, 2e9)] == [
        *("49,900", "-1,234", "31.2", "0.0357", "2e+09")
    ]

"""The calendar of real times: cycles, holidays, time zones, and when windows begin."""

from __future__ import annotations

import re

import numpy as np
import pytest
from holidays import list_supported_countries

from synthgen.models.series.calendar import At, Calendar, is_holiday, parts_of, runs_of
from synthgen.models.series.entities import asked_of


def us(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def calendar(*cycles: str, holidays: str | None = None, timezone: str | None = None, starts: tuple = ()) -> Calendar:
    return Calendar(cycles, holidays, timezone is not None, timezone, "h", starts)


@pytest.mark.parametrize(
    ("cycle", "moment", "phase"),
    [
        ("hour", "2024-01-07T06:00", 6 / 24),
        ("hour", "1969-12-31T18:00", 18 / 24),
        ("weekday", "2024-01-07T06:00", 6 / 7),  # a Sunday
        ("weekday", "2024-01-08T00:00", 0.0),  # a Monday
        ("weekday", "1969-12-31T23:00", 2 / 7),  # a Wednesday, before 1970
        ("season", "2024-02-29T12:00", 59.5 / 366),  # January has 31 days, February had 28 before it
        ("season", "2023-12-31T00:00", 364 / 365),
        ("season", "2024-12-31T00:00", 365 / 366),
    ],
)
def test_cycles_are_sines_and_cosines_of_clock_time(cycle: str, moment: str, phase: float) -> None:
    [[sine, cosine]] = calendar(cycle).covariates(np.array([us(moment)]))
    assert (sine, cosine) == pytest.approx((np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase)), abs=1e-6)


def test_a_time_zone_moves_hours_and_days_in_winter_and_summer() -> None:
    """Madrid is one hour ahead of UTC in winter and two in summer: 23:00 on a Saturday is already Sunday there."""
    found = parts_of(
        calendar(timezone="Europe/Madrid").local(np.array([us("2024-01-06T23:00"), us("2024-07-06T22:30")]))
    )
    assert (
        found["hour"].tolist() == [0, 0] and found["weekday"].tolist() == [6, 6] and found["month"].tolist() == [1, 7]
    )


def test_holidays_are_those_of_the_country_or_its_part() -> None:
    days = np.array(["2024-12-24", "2024-12-25", "2024-09-11", "2024-12-25"], dtype="datetime64[D]").astype(np.int64)
    assert is_holiday("ES", days).tolist() == [0, 1, 0, 1]
    assert is_holiday("ES-CT", days).tolist() == [0, 1, 1, 1]  # the day of Catalonia
    both = calendar("hour", holidays="ES")
    assert both.names == ("hour_sin", "hour_cos", "holiday")
    assert both.covariates(np.array([[us("2024-12-25T18:00")]]))[0, 0] == pytest.approx([-1, 0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("country", "message"),
    [
        ("UK", "no holidays are known of `UK`; of {n} countries the nearest are GB, "),
        ("Spain", "no holidays are known of `Spain`; of {n} countries the nearest are ES, "),
        ("ESP", "no holidays are known of `ESP`; of {n} countries the nearest are ES, "),
        ("ES-ZZ", "no holidays are known of a part `ZZ` of ES; parts are ES-AN, ES-AR, "),
        ("US-ZA", "no holidays are known of a part `ZA` of US; of 57 parts the nearest are US-"),
        ("XK-1", "no holidays are known of a part `1` of XK; it has no parts"),
    ],
)
def test_an_unknown_country_is_answered_with_the_nearest_ones(country: str, message: str) -> None:
    n = len(list_supported_countries(include_aliases=False))
    with pytest.raises(ValueError, match=re.escape(message.format(n=n))) as raised:
        is_holiday(country, np.zeros(1, np.int64))
    assert len(str(raised.value)) < 220


@pytest.mark.parametrize(
    "stamps", [[5], [5, 7], [0, 2, 4, 6, 100, 102, 104, 500, 501, 900], [4, 4, 2, 0], [1, 2, 4, 8, 16]]
)
def test_starts_are_kept_as_runs_and_found_again(stamps: list[int]) -> None:
    kept = Calendar.of({"calendar": calendar(starts=(runs_of(np.array(stamps)),)).stored(), "time_unit": "h"})
    assert kept is not None
    assert kept.starts_of(0, {}).tolist() == sorted(set(stamps))


def test_regular_starts_are_one_run_and_irregular_ones_are_thinned() -> None:
    assert runs_of(np.arange(0, 10**8, 10**3)) == [(0, 1000, 10**5)]
    irregular = np.cumsum(np.random.default_rng(0).integers(1, 10**6, 10**4))
    thinned = runs_of(irregular)
    assert len(thinned) == 2000 and {first for first, _, _ in thinned} <= set(irregular.tolist())


def test_starts_are_chosen_by_clock_time() -> None:
    hours = ((us("2024-01-01T00:00"), 3_600_000_000, 366 * 24),)
    madrid = calendar(timezone="Europe/Madrid", starts=(hours,))
    found = madrid.starts_of(0, At.model_validate({"weekday": "sunday", "hour": 6, "month": [6, 7]}).accepted)
    assert len(found) == 5 + 4  # Sundays of June and of July 2024
    assert found[0] == us("2024-06-02T04:00")  # six o'clock there
    assert madrid.began().startswith("weekday monday, tuesday") and madrid.began().endswith(
        "month 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"
    )


def test_covariates_stand_behind_those_that_are_given() -> None:
    made = calendar("weekday")
    given = {"covariates": np.full((1, 2, 1), 5, dtype=np.float32)}
    found = made.beside(given, [np.datetime64("2024-01-07T23:00", "us")], np.array([[0.0, 1.0]]))["covariates"]
    assert found[0, :, 0].tolist() == [5, 5]
    assert found[0, 1, 1:] == pytest.approx([0, 1], abs=1e-6)  # the second hour is on Monday
    index = {"covariates": ["sun", *made.names], "static": [], "calendar": made.stored(), "time_unit": "h"}
    assert asked_of(index) == {"covariates": ("sun",)}
    assert calendar().beside(given, (), np.zeros((1, 2))) == {}

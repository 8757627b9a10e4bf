"""Baselines, seasons and the scale of MASE by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import series_files
from synthgen.measures.series import baselines, ridge
from synthgen.measures.series.season import Season, autocorrelation, find_season, naive_errors, training_parts
from synthgen.readers.series import reader

NAN = np.nan
HOUR, DAY = "h", 24


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_baselines_in_a_gap() -> None:
    seen, times = column(1, 2, NAN, NAN, 8, 3, NAN, 5), np.array([0.0, 1, 2, 5, 9, 10, 11, 12])
    found = baselines.predictions(seen, times, 4, np.array([7.0]), forecast=False)
    assert found["last value"][:, 0].tolist() == [1, 2, 2, 2, 8, 3, 3, 5]
    assert found["linear interpolation"][:, 0].tolist() == [1, 2, 2.75, 5, 8, 3, 4, 5]  # in time, not in steps
    assert found["training mean"][:, 0].tolist() == [1, 2, 7, 7, 8, 3, 7, 5]
    # Steps 2 and 6 miss each other: the last value. Step 3 has nothing before it, and 5 a season after it.
    assert found["seasonal naive"][:, 0].tolist() == [1, 2, 2, 5, 8, 3, 3, 5]


def test_nothing_known_is_the_mean_and_nothing_before_is_what_comes() -> None:
    seen = np.stack([np.full(4, NAN), np.array([NAN, NAN, 6, NAN])], axis=1)
    found = baselines.predictions(seen, np.arange(4.0), 2, np.array([7.0, 1]), forecast=False)
    assert all((found[name][:, 0] == 7).all() for name in found)
    assert found["last value"][:, 1].tolist() == [6, 6, 6, 6]
    assert found["seasonal naive"][:, 1].tolist() == [6, 6, 6, 6]


@pytest.mark.parametrize("season", [1, 4, 9])
def test_without_a_season_that_fits_there_is_no_seasonal_naive(season: int) -> None:
    found = baselines.predictions(column(1, NAN, 3, NAN), np.arange(4.0), season, np.zeros(1), forecast=False)
    assert "seasonal naive" not in found


def recordings(folder: Path, *rows: float, **settings: object) -> tuple[reader.Recordings, reader.SeriesData]:
    text = "t,v\n" + "".join(f"{i},{value}\n" for i, value in enumerate(rows))
    data = series_files.data(series_files.csv(folder / "a.csv", text), time="t", **settings)
    return reader.read(data), data


def test_forecasts_look_a_season_back_and_at_the_border_take_the_last_value(tmp_path: Path) -> None:
    real, _ = recordings(tmp_path, 10, 20, 30, 11, 21, 31, 12, 22, 32, 13)
    known = np.full((2, 5, 1), NAN)
    known[0, :2, 0], known[1, :2, 0] = (10, 20), (21, 31)  # windows from rows 0 and 4 on
    found = baselines.forecasts(real, np.zeros(2, int), np.array([0, 4]), known, 3, np.array([5.0]))
    # Nothing is known three steps before row 2, so it and row 5, three later, are the last value.
    assert found["seasonal naive"][0, :, 0].tolist() == [10, 20, 20, 10, 20]
    assert found["seasonal naive"][1, :, 0].tolist() == [21, 31, 11, 21, 31]  # 11 stands before the window
    assert found["last value"][1, :, 0].tolist() == [21, 31, 31, 31, 31]
    assert set(found) == {"last value", "seasonal naive", "training mean"}


def test_no_baseline_sees_what_is_forecast(tmp_path: Path) -> None:
    numbers = list(np.random.default_rng(0).normal(size=40).round(3))
    known = np.full((1, 8, 1), NAN)
    known[0, :3, 0] = numbers[20:23]
    one, _ = recordings(tmp_path / "one", *numbers)
    other, _ = recordings(tmp_path / "other", *numbers[:23], *([99.0] * 17))
    place = np.zeros(1, int), np.array([20]), known, 7, np.zeros(1)
    for name, values in baselines.forecasts(one, *place).items():
        assert np.array_equal(values, baselines.forecasts(other, *place)[name])


def test_the_scale_of_mase_is_of_the_training_part_and_within_recordings(tmp_path: Path) -> None:
    assert naive_errors([column(1, 4, 2, NAN, 6)], 2).tolist() == [(1 + 4) / 2]  # |2 - 1| and |6 - 2|
    assert naive_errors([column(1, 2, 4), column(100, 101, 107)], 1).tolist() == [(1 + 2 + 1 + 6) / 4]
    assert np.isnan(naive_errors([column(1, 2)], 2)).all()
    real, data = recordings(tmp_path, *range(8), 500, 900, validation=0.0, test=0.2)
    (part,) = training_parts(real, data)
    assert part[:, 0].tolist() == list(range(8))


def test_the_season_of_timestamps_is_the_day_or_week_that_repeats_better() -> None:
    hours = np.arange(24 * 7 * 6)
    daily = np.sin(2 * np.pi * hours / 24)[:, None] + np.random.default_rng(0).normal(0, 0.1, (len(hours), 1))
    weekly = daily * np.where(hours // 24 % 7 >= 5, 0.1, 1)[:, None]
    assert find_season([daily], 1, HOUR, True) == Season(24, "a day")
    assert find_season([weekly], 1, HOUR, True) == Season(168, "a week")
    assert find_season([daily], 10, "min", True).steps == 144
    assert find_season([weekly[:, :1]], 1, "d", True) == Season(7, "a week")  # a day is one step


def test_else_the_season_is_the_highest_peak_of_the_autocorrelation() -> None:
    wave = np.sin(2 * np.pi * np.arange(300) / 13)[:, None]
    found = find_season([wave[:150], wave[150:]], 1, "step", False)
    assert found == Season(13, "the highest peak of the autocorrelation")
    noise = np.random.default_rng(1).normal(size=(300, 1))  # its bumps are no season, and hide none
    assert find_season([np.concatenate([wave, noise], axis=1)], 1, "step", False).steps == 13
    assert find_season([noise], 1, "step", False).steps == 1
    assert find_season([np.arange(50.0)[:, None]], 1, "step", False).steps == 1
    assert find_season([np.ones((50, 1))], 1, "step", False).steps == 1
    centred = np.array([-1.5, -0.5, 0.5, 1.5])
    expected = (centred[1:] * centred[:-1]).sum() / (centred**2).sum()
    assert autocorrelation([column(1, 2, 3, 4)])[:2] == pytest.approx([1, expected])


def test_ridge_regression_finds_a_linear_rule_and_leaves_the_end_of_a_window_alone() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 8, 2))
    x[:, 6:, 0] = x[:, 5:6, 0] + 2 * (x[:, 2:3, 0] - x[:, 5:6, 0])
    x[:, 6:, 1] = x[:, 5:6, 1] - (x[:, 4:5, 0] - x[:, 5:6, 0])  # from the other channel
    model = ridge.fit(x[:300], x[300:350], 2)
    test = x[350:].copy()
    test[:, 6:] = NAN
    assert np.abs(model.forecast(test) - x[350:, 6:]).mean() < 0.01
    assert model.maps[1].channels == (0, 1)


def test_ridge_regression_reads_covariates_to_come_and_windows_with_gaps() -> None:
    random = np.random.default_rng(0)
    x, beside = random.normal(size=(300, 6, 1)), random.normal(size=(300, 6, 1))
    x[:, 4:] = x[:, 3:4] + beside[:, 4:]
    model = ridge.fit(x[:200], x[200:250], 2, (beside[:200], beside[200:250]))
    gappy = x[250:].copy()
    gappy[:, 1] = NAN
    assert np.abs(model.forecast(gappy, beside[250:]) - x[250:, 4:]).mean() < 0.05

"""Forecasts and filled gaps against the real values: which cells are scored, by hand, who wins, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import series_files
import synthgen
import tiny
from synthgen.measures.series import completed, hidden
from synthgen.measures.series.crps import calibrated_coverage, coverage, mean_crps
from synthgen.readers.series import reader
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

NAN = np.nan
N, LENGTH, CONTEXT = 480, 12, 8


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[reader.Recordings, reader.SeriesData]:
    """Hours of a daily wave and of a walk; the last fifth is held out."""
    random = np.random.default_rng(0)
    wave = np.sin(2 * np.pi * np.arange(N) / 24) + random.normal(0, 0.1, N)
    walk = np.cumsum(random.normal(size=N))
    stamps = np.datetime64("2024-01-01T00", "h") + np.arange(N)
    rows = [f"{t},{a:.4f},{b:.4f}" for t, a, b in zip(stamps, wave, walk, strict=True)]
    path = series_files.csv(tmp_path_factory.mktemp("real") / "a.csv", "\n".join(["time,wave,walk", *rows]) + "\n")
    data = series_files.data(path, time="time", length=LENGTH, stride=4, validation=0.1, test=0.2)
    return reader.read(data), data


def samples(
    recordings: reader.Recordings, windows: reader.Windows, *draws: np.ndarray, hide: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """Samples as a dataset has them: `draws` (N, L, C) of every window, with its end or other cells hidden."""
    if hide is None:
        hide = np.zeros(windows.values.shape, dtype=bool)
        hide[:, CONTEXT:] = True
    found = []
    for drawn in draws:
        for i in range(len(windows)):
            item = recordings.items[windows.entities[i]]
            asked = {"source": item.entity, "start": float(item.times[windows.starts[i]])}
            known = np.where(hide[i], NAN, windows.values[i])
            sample = {"key": f"s{i}", "known": known, "series": np.where(hide[i], drawn[i], known)}
            found.append(sample | {"time": np.arange(LENGTH, dtype=float), "meta": {"condition": asked}})
    return found


def measured(real: tuple[reader.Recordings, reader.SeriesData], some: list[dict[str, Any]]) -> dict[str, Any]:
    recordings, data = real
    parts = [reader.windows(recordings, data, split) for split in ("train", "validation")]
    return completed.measure(some, "series", recordings, data, *parts)


def test_a_perfect_forecast_beats_all_baselines(real: Any) -> None:
    test = reader.windows(*real, "test")
    found = measured(real, samples(real[0], test, test.values))
    assert (found["task"], found["context"], found["horizon"]) == ("forecasts", CONTEXT, LENGTH - CONTEXT)
    assert found["windows"] == len(test) and found["cells"] == len(test) * (LENGTH - CONTEXT) * 2
    assert (found["season"], found["season_is"], found["windows_of_training"]) == (24, "a day", 0)
    assert set(found["overall"]) == {"generated", "last value", "seasonal naive", "training mean", "ridge regression"}
    assert found["overall"]["generated"] == {
        "mase": 0, "scaled_crps": 0, "in_50": None, "in_90": None, "best_in": 2
    }  # fmt: skip
    assert all(row["mase"] > 0.05 for name, row in found["overall"].items() if name != "generated")
    assert found["baseline_is_better"] == {}
    assert "what was generated has smaller errors than every baseline in all 2 channels" in completed.text(found)
    assert "set `repeats`" in completed.text(found)


def test_a_bad_forecast_is_said_to_lose_and_the_right_baselines_win(real: Any) -> None:
    test = reader.windows(*real, "test")
    some = samples(real[0], test, test.values + 50, test.values + 52)
    found = measured(real, some)
    assert found["samples_of_each"] == 2
    assert found["baseline_is_better"]["wave"] in ("seasonal naive", "ridge regression")
    assert found["baseline_is_better"]["walk"] in ("last value", "ridge regression")
    text = completed.text(found)
    assert "a baseline has smaller errors than what was generated in 2 of 2 channels: wave (" in text
    assert found["mae_by_channel"]["wave"]["generated"] == pytest.approx(51)
    assert found["overall"]["generated"]["in_90"] == 0
    assert list(found["mase_by_step"]) == ["1", "2", "3", "4"]
    walk = found["mase_by_step"]
    assert walk["4"]["last value"] > walk["1"]["last value"]


def test_mase_by_hand(real: Any) -> None:
    """The error of the channel over the mean change from day to day of the training part."""
    recordings, _ = real
    test = reader.windows(*real, "test")
    found = measured(real, samples(recordings, test, test.values + np.array([0.3, 6.0])))
    training = recordings.items[0].values[: N - 2 * 48 + 48 - 48].astype(float)[: round(N * 0.7)]
    scale = np.abs(training[24:] - training[:-24]).mean(0)
    assert [found["mae_by_channel"][name]["scale"] for name in ("wave", "walk")] == pytest.approx(scale)
    assert found["overall"]["generated"]["mase"] == pytest.approx((np.array([0.3, 6.0]) / scale).mean(), rel=1e-4)


def test_filled_gaps_are_compared_on_the_hidden_cells_alone(real: Any) -> None:
    test = reader.windows(*real, "test")
    hide = np.zeros(test.values.shape, dtype=bool)
    hide[:, 3:5, 0] = True
    found = measured(real, samples(real[0], test, test.values + 9, hide=hide))
    assert found["task"] == "gaps" and found["cells"] == 2 * len(test) and found["channels"] == 1
    assert found["baseline_is_better"] == {"wave": "linear interpolation"}
    assert found["notes"] == [
        "seasonal naive: left out; windows of 12 steps do not hold a season of 24 steps (a day)"
    ]  # fmt: skip
    assert "mase_by_step" not in found and "ridge regression" not in found["overall"]


def test_windows_of_the_training_part_are_counted_and_ridge_needs_windows(real: Any) -> None:
    training = reader.windows(*real, "train")
    found = measured(real, samples(real[0], training.take(np.arange(5)), training.values[:5]))
    assert found["windows_of_training"] == 5
    assert "5 of these windows lie in the training part" in completed.text(found)
    recordings, data = real
    few = completed.measure(
        samples(recordings, training.take(np.arange(5)), training.values[:5]), "series", recordings, data,
        training.take(np.arange(9)), None,
    )  # fmt: skip
    assert "ridge regression" not in few["overall"] and "it needs 20 real training windows" in completed.text(few)


def test_other_real_data_are_no_truth(real: Any) -> None:
    test = reader.windows(*real, "test")
    some = samples(real[0], test, test.values)
    wrong = [sample | {"known": sample["known"] + 1} for sample in some]
    assert "known values of s0 are not those of" in str(hidden.pair(wrong, "series", real[0]))
    asked = [sample | {"meta": {"condition": {"source": "a", "start": 1e6}}} for sample in some]
    assert "have no window of a at 1e+06" in str(hidden.pair(asked, "series", real[0]))
    silent = [sample | {"meta": {"condition": {}}} for sample in some]
    assert "does not say which real windows" in str(hidden.pair(silent, "series", real[0]))
    filled = [sample | {"known": sample["series"]} for sample in some]
    found = measured(real, filled)
    assert "`generate: hidden` hides known ones" in completed.text(found) and list(found) == ["left_out"]


def test_few_samples_cover_less_even_if_they_are_right() -> None:
    assert calibrated_coverage(20, 0.9) == pytest.approx(0.9 * 19 / 21) and calibrated_coverage(1, 0.9) == 0
    random = np.random.default_rng(0)
    drawn = random.random((11, 20_000))
    found = coverage(drawn[:10], drawn[10], np.ones(20_000, dtype=bool), 0.9)
    assert found == pytest.approx(calibrated_coverage(10, 0.9), abs=0.01)


def test_the_crps_of_one_sample_is_its_absolute_error() -> None:
    target = np.array([1.0, 0, -4])
    assert mean_crps(np.array([[2.0, 0, 1]]), target, np.ones(3, dtype=bool)) == pytest.approx((1 + 0 + 5) / 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "task"),
    [
        ({"generate": "end", "context_length": 12}, "forecasts"),
        ({"generate": "hidden", "hidden_share": 0.2, "gap_length": 2}, "gaps"),
    ],
)
def test_a_dataset_of_held_out_windows(tmp_path: Path, asked: dict[str, Any], task: str) -> None:
    data = tiny.series_data(length=17, test=0.2)
    content = {
        "kind": "dataset",
        "name": "completed",
        "data": data,
        "condition": {"use": "real-series", "part": "test", "repeats": 3, **asked},
        "sampler": {"use": "series", "model": tiny.series(), "steps": 2},
        "output": {"writers": ["parquet"]},
        "evaluate": {"seeds": 1, "steps": 1, "effort": 0.001},
    }
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(content))
    done = synthgen.run(tmp_path / "d.yaml", tmp_path / "out", executor="local", workers=1, device="cpu")
    assert done.evaluation is not None
    found = done.evaluation["baselines"]
    assert (found["task"], found["samples_of_each"], found["windows_of_training"]) == (task, 3, 0)
    assert found["season_is"] == "the highest peak of the autocorrelation" and 30 <= found["season"] <= 33
    assert 0 <= found["overall"]["generated"]["in_90"] <= 1
    assert found["verdict"] in evaluation.text(done.evaluation)
    again = evaluation.compare(
        str(done.out), str(tmp_path / "d.yaml"), Evaluation(seeds=1, steps=1, effort=0.001), print
    )
    assert again["baselines"] == found and "forecasting" not in again

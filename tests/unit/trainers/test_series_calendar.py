"""A training on real times: what it knows of the calendar, and generated series that begin at real times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import helpers
import series_files as files
import synthgen
from synthgen.errors import DataError
from synthgen.fields import Label, Times, Timestamp
from synthgen.models.series.calendar import Calendar
from synthgen.parts.protocols import Slot
from synthgen.readers.series import reader
from synthgen.samplers.series import SeriesSampler
from synthgen.trainers.series.calendar import calendar_of, with_calendar
from synthgen.trainers.series.trainer import SeriesTrainer


def table(path: Path, first: str, step_s: int, n: int, offset: str = "", extra: str = "") -> Path:
    """`time,load` of noise, one row every `step_s` seconds."""
    times = np.datetime64(first, "s") + step_s * np.arange(n)
    values = np.random.default_rng(0).normal(size=n).round(3)
    rows = [f"{time}{offset},{value}{extra}" for time, value in zip(times, values, strict=True)]
    return files.csv(path, "\n".join(["time,load" + (",sun" if extra else ""), *rows]) + "\n")


def found(path: Path, **settings: Any) -> Calendar | None:
    data = files.data(path, **{"time": "time", "length": 4, **settings})
    return calendar_of(data, reader.windows(reader.read(data), data, "train"))


@pytest.mark.parametrize(
    ("step_s", "n", "cycles"),
    [
        (3600, 20, ()),  # less than two days
        (3600, 24 * 13, ("hour",)),
        (3600, 24 * 14, ("hour", "weekday")),
        (86_400, 100, ("weekday",)),
        (86_400, 548, ("weekday", "season")),
        (7 * 86_400, 100, ("season",)),
        (365 * 86_400, 30, ()),
    ],
)
def test_cycles_are_those_that_rows_can_show(tmp_path: Path, step_s: int, n: int, cycles: tuple[str, ...]) -> None:
    made = found(table(tmp_path / "t.csv", "2020-01-01", step_s, n))
    assert made is not None and made.cycles == cycles and not made.zoned
    assert made.starts_of(0, {}).size == n - 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"calendar": ["hour"]},
            r"calendar: hour: cannot be seen in rows 1 days apart; those that can: weekday, season",
        ),
        ({"holidays": "ESP"}, r"holidays: no holidays are known of `ESP`; of \d+ countries the nearest are ES"),
        ({"timezone": "Europe/Madrid"}, "timezone: Europe/Madrid: is for times with an offset"),
        ({"time": "none", "channels": ["load"], "holidays": "ES"}, "holidays: needs timestamps, and the times"),
    ],
)
def test_what_data_cannot_show_is_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        found(table(tmp_path / "t.csv", "2020-01-01", 86_400, 30), **settings)


def test_numbers_have_no_calendar(tmp_path: Path) -> None:
    path = files.walk(tmp_path / "t.csv", 40)
    assert found(path, time="t", entity="name") is None
    with pytest.raises(DataError, match="calendar: needs timestamps, and the times of this table are numbers"):
        found(path, time="t", entity="name", calendar=["hour"])


def test_the_calendar_stands_behind_the_covariates_of_the_data(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", "2024-01-01T00:00:00", 3600, 24 * 20, "+02:00", ",7")
    data = files.data(path, time="time", length=24, covariates=["sun"], timezone="Europe/Madrid")
    plain = reader.windows(reader.read(data), data, "train")
    made = with_calendar(plain, calendar_of(data, plain))
    assert made.covariate_names == ("sun", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
    # Midnight two hours ahead of UTC is 23:00 of the Sunday before in Madrid's winter.
    expected = [
        7,
        np.sin(2 * np.pi * 23 / 24),
        np.cos(2 * np.pi * 23 / 24),
        np.sin(12 * np.pi / 7),
        np.cos(12 * np.pi / 7),
    ]
    assert made.covariates[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(table, folder) of a model of 20 days of hours, in windows of whole days."""
    folder = tmp_path_factory.mktemp("calendar")
    path = table(folder / "t.csv", "2024-01-01T00:00:00", 3600, 24 * 20)
    data = {"path": str(path), "time": "time", "length": 24, "stride": 24, "validation": 0.1}
    settings = {"data": data, "steps": 30, "batch_size": 8, "learning_rate": 1e-2, "warmup_steps": 1, "ema_decay": 0.9}
    config = SeriesTrainer.Config.model_validate(settings)
    return path, SeriesTrainer(config).train(folder / "model", 0, device="cpu", quiet=True)


def bound(model: Path, **settings: Any) -> SeriesSampler:
    made = SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model), "steps": 2, **settings}))
    assert made.bind({}) == []
    made.setup("cpu")
    return made


def slots(n: int, **condition: Any) -> list[Slot]:
    return [Slot(i, condition, "train") for i in range(n)]


def test_generated_series_begin_as_training_windows_do(model: tuple[Path, Path]) -> None:
    index = json.loads((model[1] / "model_index.json").read_text())
    assert index["calendar"]["cycles"] == ["hour", "weekday"]
    made = bound(model[1])
    assert made.fields["start_time"] == Timestamp()
    drawn = made.sample(slots(30), list(range(30)))
    starts = np.array(drawn["start_time"])
    days = (starts - np.datetime64("2024-01-01", "us")) / np.timedelta64(1, "D")
    assert set(days.tolist()) <= set(range(18)) and len(set(days.tolist())) > 8  # two days are held out
    again = made.sample(slots(2), [0, 1])
    assert np.array_equal(again["start_time"], starts[:2])
    assert np.allclose(again["series"], drawn["series"][:2], atol=1e-4)


def test_a_start_may_be_asked_for(model: tuple[Path, Path]) -> None:
    drawn = bound(model[1], at={"weekday": "sunday"}, length=30).sample(slots(20), list(range(20)))
    assert {str(start) for start in drawn["start_time"]} == {"2024-01-07T00:00:00.000000", "2024-01-14T00:00:00.000000"}
    for settings in ({"hour": 6}, {"month": [6, 7]}):
        made = SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model[1]), "at": settings}))
        [problem] = helpers.bind_messages(made, {})
        assert "at: " in problem and "no training window of a class began then" in problem
        assert "wednesday, thursday, friday, saturday, sunday; hour 0; month 1" in problem


def test_the_network_sees_the_calendar_of_the_start(model: tuple[Path, Path]) -> None:
    """The same noise at another hour is another series."""
    made = bound(model[1])
    given = {"time": Times(24, "h"), "start_time": Timestamp()}
    assert made.bind(given) == []
    times = np.arange(24.0)
    moments = [np.datetime64(text, "us") for text in ("2024-01-07T00:00", "2024-01-07T06:00")]
    drawn = [made.sample(slots(1, time=times, start_time=moment), [5]) for moment in moments]
    assert [part["start_time"] for part in drawn] == [[moment] for moment in moments]
    assert not np.allclose(drawn[0]["series"][0], drawn[1]["series"][0], atol=1e-3)


def test_times_of_another_kind_are_refused(model: tuple[Path, Path]) -> None:
    made = SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model[1])}))
    for condition in ({"time": Times(24, "h")}, {"time": Times(24, "h"), "start_time": Timestamp(zoned=True)}):
        [problem] = helpers.bind_messages(made, condition)
        assert "was trained on timestamps without an offset" in problem
    [problem] = helpers.bind_messages(
        SeriesSampler(SeriesSampler.Config.model_validate({"model": str(model[1]), "at": {"hour": 0}})),
        {"time": Times(24, "h"), "start_time": Timestamp(), "label": Label(("series",))},
    )
    assert "the condition says when its series begin" in problem


@pytest.mark.slow
def test_real_series_are_completed_scored_and_exported_at_their_times(model: tuple[Path, Path], tmp_path: Path) -> None:
    data = {"path": str(model[0]), "time": "time", "length": 24, "stride": 24}
    content = {
        "kind": "dataset",
        "name": "scored",
        "condition": {"use": "real-series", "data": data, "generate": "end", "context_length": 6},
        "sampler": {"use": "series", "model": str(model[1]), "steps": 2},
        "labelers": [
            {"use": "denoising-error", "model": str(model[1])},
            {"use": "anomalies", "model": str(model[1]), "count": [1, 2], "steps": 2},
        ],
        "output": {"writers": ["parquet"]},
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content))
    helpers.run(tmp_path / "r.yaml", tmp_path / "out")
    starts = sorted(sample["start_time"] for sample in synthgen.load(tmp_path / "out"))
    assert starts == list(np.datetime64("2024-01-01", "us") + np.arange(20) * np.timedelta64(1, "D"))
    cells = pq.read_table(next((tmp_path / "out").glob("parquet/train/*.parquet")))["start_time"]
    assert str(cells.type) == "timestamp[us]"
    for kind in ("csv", "parquet"):
        done = helpers.call(helpers.command("export", tmp_path / "out", "--to", kind, "-o", tmp_path / kind))
        assert done.returncode == 0, done.stderr
    assert "2024-01-01T23:00:00" in (tmp_path / "csv" / "train.csv").read_text()
    times = pq.read_table(tmp_path / "parquet" / "train.parquet")["time"]
    assert str(times.type) == "timestamp[us]" and len(set(times.to_pylist())) == 480

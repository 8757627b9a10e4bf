"""Real series as conditions: what is kept, what is generated, and datasets made of it."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

import helpers
import series_files
import synthgen
import tiny
from synthgen.conditions.real_series import RealSeries, hidden
from synthgen.errors import DataError
from synthgen.samplers.series import SeriesSampler


def condition(**settings: Any) -> RealSeries:
    return RealSeries(RealSeries.Config.model_validate({"data": tiny.gaps_data(), **settings}))


def test_windows_with_missing_values_come_in_order_and_again() -> None:
    part = condition(repeats=3)
    n = part.samples // 3
    first, family = part.condition(0)
    again, same_family = part.condition(n)
    assert family == same_family and np.array_equal(first["known"], again["known"], equal_nan=True)
    for index in range(n):
        values, _ = part.condition(index)
        assert np.isnan(values["known"]).any() and not np.isnan(values["known"][:, 1]).any()
        assert values["time"][0] == 0 and values["start"] % 6 == 0
        assert values["static"].tolist() in ([[100]], [[101]])
    assert first["source"] == "s0"


def test_the_end_is_drawn_after_the_known_steps() -> None:
    values, _ = condition(generate="end", context_length=4).condition(3)
    assert np.isnan(values["known"][4:]).all() and not np.isnan(values["known"][:4, 1]).any()


def test_parts_and_everything() -> None:
    whole, held = condition(generate="all"), condition(generate="all", part="validation")
    assert "known" not in whole.fields and held.samples < whole.samples
    assert held.condition(0)[0]["start"] >= 60


def test_with_nothing_to_draw_all_windows_come_as_they_are_to_the_last_row() -> None:
    part = condition(generate="nothing")
    plain = RealSeries(
        RealSeries.Config.model_validate({"data": tiny.series_data() | {"stride": 7}, "generate": "nothing"})
    )
    assert "known" not in part.fields and "origin" in part.fields
    gaps = [np.isnan(part.condition(i)[0]["series"]).any() for i in range(part.samples)]
    assert any(gaps) and not all(gaps)
    for each, length in ((part, 12), (plain, 16)):
        ends: dict[str, float] = {}
        for i in range(each.samples):
            values, _ = each.condition(i)
            ends[values["source"]] = values["start"] + length
        with open(each.config.data.path) as file:
            for row in csv.DictReader(file):
                assert float(row["hour"]) < ends[row["station"]]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValidationError, match="all copies are equal"):
        condition(generate="nothing", repeats=2)
    with pytest.raises(ValidationError, match="`context_length` goes with `generate: end`"):
        condition(generate="end")
    with pytest.raises(ValidationError, match="must leave something of the 12 steps"):
        condition(generate="end", context_length=12)
    with pytest.raises(DataError, match="`generate: nothing` hands them over"):
        RealSeries(RealSeries.Config.model_validate({"data": tiny.series_data()}))


def recipe(folder: Path, **settings: Any) -> Path:
    content = {
        "kind": "dataset",
        "name": "completed",
        "batch_size": 8,
        "condition": {"use": "real-series", "data": tiny.gaps_data()} | settings,
        "sampler": {"use": "series", "model": tiny.asking_series(), "steps": 2},
        "output": {"writers": ["parquet"]},
    }
    path = folder / "completed.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_dataset_keeps_what_is_known_and_completes_the_rest(tmp_path: Path) -> None:
    out = synthgen.run(recipe(tmp_path, repeats=2), tmp_path / "out", executor="local", workers=1, device="cpu").out
    samples = list(synthgen.load(out))
    part = condition(repeats=2)
    assert len(samples) == part.samples
    for sample in samples:
        known, drawn = sample["known"], sample["series"]
        there = ~np.isnan(known)
        assert np.array_equal(drawn[there], known[there]) and np.isfinite(drawn).all() and not there.all()
        assert sample["meta"]["condition"]["source"] in ("s0", "s1")
    n = part.samples // 2
    by_index = {sample["meta"]["index"]: sample for sample in samples}
    twice = by_index[0], by_index[n]
    assert np.array_equal(twice[0]["known"], twice[1]["known"], equal_nan=True)
    differ = [not np.array_equal(by_index[i]["series"], by_index[i + n]["series"]) for i in range(n)]
    assert any(differ), "every completion is another draw (this model often ends at the range of the data)"
    assert twice[0]["split"] == twice[1]["split"]


def sampler(model: str) -> SeriesSampler:
    return SeriesSampler(SeriesSampler.Config(model=model))


def test_the_sampler_says_what_the_condition_lacks() -> None:
    problems = helpers.bind_messages(sampler(tiny.asking_series()), {})
    assert [problem.partition(": ")[2] for problem in problems] == [
        "needs the covariates sun, as `use: real-series` gives them",
        "needs the static height, as `use: real-series` gives them",
    ]
    fields = dict(condition(generate="end", context_length=2).fields)
    assert sampler(tiny.asking_series()).bind(fields) == []


def test_other_channels_and_times_are_told(tmp_path: Path) -> None:
    path = recipe(tmp_path, generate="end", context_length=3)
    content = yaml.safe_load(path.read_text())
    content["condition"]["data"] |= {"channels": ["rain", "wave"], "time_unit": "d"}
    path.write_text(yaml.safe_dump(content))
    done = helpers.call(helpers.command("plan", path))
    assert done.returncode == 2
    assert "has the channels wave, rain, in this order (got rain, wave)" in done.stderr
    assert "counts time in h, and the condition in d" in done.stderr


def test_a_completed_table_has_known_values_and_intervals(tmp_path: Path) -> None:
    data = tiny.gaps_data() | {"stride": 12}
    path = recipe(tmp_path, repeats=4, data=data)
    out = synthgen.run(path, tmp_path / "out", executor="local", workers=1, device="cpu").out
    done = helpers.call(helpers.command("export", out, "--to", "csv", "-o", tmp_path / "tables"))
    assert done.returncode == 0 and "completed.csv" in done.stdout
    rows = list(csv.DictReader((tmp_path / "tables" / "completed.csv").open()))
    with open(data["path"]) as file:
        real = {(row["station"], float(row["hour"])): row for row in csv.DictReader(file)}
    n_drawn = n_wide = 0
    for row in rows:
        given = real[row["entity"], float(row["time"])]["wave"]
        if given:
            assert float(row["wave"]) == pytest.approx(float(given), rel=1e-6) and row["wave_low"] == ""
        else:
            n_drawn += 1
            low, middle, high = (float(row[f"wave{ending}"]) for ending in ("_low", "", "_high"))
            assert low <= middle <= high
            n_wide += low < high
    assert n_drawn > 5 and n_wide > 2
    plain = list(csv.DictReader((tmp_path / "tables" / "train.csv").open()))
    assert len(plain) == 12 * len(synthgen.load(out)) and {"key", "time", "wave", "rain"} < set(plain[0])


def test_windows_that_share_steps_stay_in_one_split() -> None:
    def families(**data: Any) -> list[str]:
        some = RealSeries(RealSeries.Config.model_validate({"data": tiny.series_data() | data, "generate": "all"}))
        return [some.condition(i)[1] for i in range(some.samples)]

    apart, overlapping = families(stride=16), families(stride=15)
    assert len(set(apart)) == len(apart)
    assert 1 < len(set(overlapping)) < len(overlapping), "a family a recording"


def tables(folder: Path, path: Path) -> dict[str, list[dict[str, str]]]:
    out = synthgen.run(path, folder / "out", executor="local", workers=1, device="cpu").out
    done = helpers.call(helpers.command("export", out, "--to", "csv", "-o", folder / "tables"))
    assert done.returncode == 0, done.stderr
    return {file.stem: list(csv.DictReader(file.open())) for file in (folder / "tables").glob("*.csv")}


@pytest.mark.parametrize("kind", ["milliseconds", "days", "numbers"])
def test_every_row_is_exported_once_at_its_own_time(tmp_path: Path, kind: str) -> None:
    """Windows overlap, and times are regular to a hundredth of a step only, or not at all."""
    random = np.random.default_rng(0)
    begin = datetime(2024, 1, 1)
    if kind == "milliseconds":
        times = [(begin + timedelta(seconds=i, milliseconds=int(random.integers(8)))).isoformat() for i in range(60)]
    elif kind == "days":
        times = [(begin + timedelta(days=i, seconds=int(random.integers(80_000)))).isoformat() for i in range(60)]
    else:
        times = [str(round(1_700_000_000 + i / 360, 6)) for i in range(60)]
    rows = "".join(f"{time},{i % 7},{i}\n" for i, time in enumerate(times))
    table = series_files.csv(tmp_path / "own.csv", "when,wave,rain\n" + rows)
    data = {"path": str(table), "time": "when", "time_unit": "h", "length": 20, "stride": 5}
    path = recipe(tmp_path, data=data, generate="nothing")
    path.write_text(path.read_text().replace(tiny.asking_series(), tiny.series(("series",))))
    found = tables(tmp_path, path)["recordings"]
    assert [float(row["rain"]) for row in found] == list(range(60))
    written = [row["time"] for row in found]
    assert written == times if kind != "numbers" else [float(t) for t in written] == [float(t) for t in times]


def test_completed_tables_have_the_timestamps_of_the_data(tmp_path: Path) -> None:
    times = [(datetime(2024, 1, 1) + timedelta(hours=i)).isoformat() for i in range(40)]
    rows = "".join(f"{time},{'' if i % 10 == 3 else i % 7},{i}\n" for i, time in enumerate(times))
    table = series_files.csv(tmp_path / "own.csv", "when,wave,rain\n" + rows)
    data = {"path": str(table), "time": "when", "time_unit": "h", "length": 10, "stride": 10}
    path = recipe(tmp_path, data=data, repeats=2)
    model = tiny.series(("series",))
    path.write_text(path.read_text().replace(tiny.asking_series(), model))
    found = tables(tmp_path, path)
    assert [row["time"] for row in found["completed"]] == times
    assert {row["origin"] for row in found["train"]} == {"2024-01-01"}


def test_overlapping_forecasts_are_told_where_there_are_any(tmp_path: Path) -> None:
    """Steps that one window knows and another generates count as generated, whichever comes last."""
    data = tiny.gaps_data() | {"stride": 4}
    path = recipe(tmp_path, data=data, generate="end", context_length=6, repeats=3)
    found = tables(tmp_path, path)
    dataset = synthgen.load(tmp_path / "out")
    drawn: dict[tuple[str, float], list[float]] = {}
    for sample in dataset:
        start, source = (sample["meta"]["condition"][key] for key in ("start", "source"))
        for time, known, value in zip(sample["time"], sample["known"][:, 0], sample["series"][:, 0], strict=True):
            if np.isnan(known):
                drawn.setdefault((source, start + time), []).append(float(value))
    assert len(drawn) > 20
    for row in found["completed"]:
        draws = drawn.get((row["entity"], float(row["time"])))
        if draws is None:
            assert row["wave_low"] == row["wave_high"] == ""
        else:
            expected = np.quantile(draws, [0.05, 0.5, 0.95])
            assert [float(row[f"wave{e}"]) for e in ("_low", "", "_high")] == pytest.approx(
                expected, rel=1e-5, abs=1e-5
            )


def test_hidden_values_are_a_share_in_gaps_and_the_same_for_all_repeats() -> None:
    data = tiny.series_data() | {"length": 20, "stride": 20}
    settings = {"data": data, "generate": "hidden", "hidden_share": 0.25, "gap_length": 3, "repeats": 2}
    part = RealSeries(RealSeries.Config.model_validate(settings))
    whole = RealSeries(RealSeries.Config.model_validate({"data": data, "generate": "nothing"}))
    n, masks = part.samples // 2, []
    for i in range(n):
        known, real = part.condition(i)[0]["known"], whole.condition(i)[0]["series"]
        masks.append(np.isnan(known))
        assert masks[i].sum() == 10 and np.array_equal(known[~masks[i]], real[~masks[i]])  # a quarter of 2 x 20 values
        assert np.array_equal(part.condition(i + n)[0]["known"], known, equal_nan=True)
    assert any(not np.array_equal(masks[0], mask) for mask in masks[1:])


def test_missing_values_are_not_counted_as_hidden_and_something_stays_known() -> None:
    random = np.random.default_rng(0)
    there = random.random((12, 3)) < 0.7
    chosen = hidden(there, 0.5, 2, random)
    assert not (chosen & ~there).any() and chosen.sum() == round(0.5 * there.sum())
    one = np.zeros((5, 2), dtype=bool)
    one[2, 1] = True
    assert not hidden(one, 0.9, 1, random).any()
    assert hidden(np.ones((4, 1), dtype=bool), 0.999, 3, random).sum() == 3


def test_settings_of_hidden_values_go_with_it() -> None:
    with pytest.raises(ValidationError, match="`hidden_share` goes with `generate: hidden`, which needs it"):
        condition(generate="hidden")
    with pytest.raises(ValidationError, match="`gap_length` goes with `generate: hidden`"):
        condition(gap_length=2)
    with pytest.raises(ValidationError, match="`gap_length` must be less than the 12 steps"):
        condition(generate="hidden", hidden_share=0.1, gap_length=12)
    assert "hidden_share" not in condition().identity() and "gap_length" not in condition().identity()

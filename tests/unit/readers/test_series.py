"""Time series from tables: every form, times, roles of columns, and grids."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from series_files import csv, data, numbers, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader
from synthgen.readers.series.reader import Channel, SeriesData


def test_a_table_without_times(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "note,x,y\nold,1,-1\nolder,,5\noldest,3,6\n")
    found = reader.read(data(path, units={"y": "mV"}, newest_first=True, missing=[-1]))
    assert found.channels == (Channel("x"), Channel("y", "mV"))
    assert (found.time_unit, found.interval, found.classes, found.events) == ("step", 1.0, (), None)
    (item,) = found.items
    assert (item.entity, item.start, item.label) == ("a", "", None)
    assert item.values.dtype == np.float32
    np.testing.assert_array_equal(item.values, np.stack([numbers(3, None, 1), numbers(6, 5, None)], axis=1))
    np.testing.assert_array_equal(item.times, [0.0, 1.0, 2.0])
    assert item.covariates.shape == (3, 0) and item.static.shape == (0,)


def test_rows_of_entities_may_be_mixed(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t;who;v\n0;b;1\n5;a;2\n7;b;3\n6;a;4\n")
    found = reader.read(data(path, entity="who", time="t", time_unit="min"))
    assert [item.entity for item in found.items] == ["b", "a"]
    assert [item.times.tolist() for item in found.items] == [[0, 7], [5, 6]]
    assert [item.values[:, 0].tolist() for item in found.items] == [[1, 3], [2, 4]]
    assert (found.time_unit, found.interval) == ("min", None)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_folder_has_an_entity_a_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x").mkdir()
    for name, values in (("two", [1.5, 2.5]), ("one", [3.0, 4.0, 5.0])):
        if kind == "csv":
            csv(tmp_path / "x" / f"{name}.csv", "v\n" + "\n".join(map(str, values)))
        else:
            parquet(tmp_path / "x" / f"{name}.parquet", v=values)
    (tmp_path / "x" / "notes.txt").write_text("no table")
    found = reader.read(data(tmp_path / "x"))
    assert [(item.entity, len(item)) for item in found.items] == [("one", 3), ("two", 2)]
    assert [item.times.tolist() for item in found.items] == [[0, 1, 2], [0, 1]]


def test_a_static_table_in_the_folder_is_no_entity(tmp_path: Path) -> None:
    csv(tmp_path / "one.csv", "v\n1\n2\n")
    static = csv(tmp_path / "static.csv", "entity,size\none,4\n")
    found = reader.read(data(tmp_path, static=["size"], static_table=str(static)))
    assert [(item.entity, item.static.tolist()) for item in found.items] == [("one", [4])]


def test_melted_rows_come_in_any_order(tmp_path: Path) -> None:
    text = (
        "who,hours,what,number\nb,2,hr,70\na,1,hr,60\nb,0,hr,71\na,0,bp,NA\na,0,hr,61\nb,2,bp,120\na,1,bp,110\n"
        "a,9,age,50\n"
    )
    roles = {"entity": "who", "time": "hours", "variable": "what", "value": "number", "time_unit": "h"}
    found = reader.read(data(csv(tmp_path / "m.csv", text), channels=["hr", "bp"], **roles))
    assert [channel.name for channel in found.channels] == ["hr", "bp"]
    b, a = found.items
    assert (b.entity, b.times.tolist(), a.times.tolist()) == ("b", [0, 2], [0, 1])
    np.testing.assert_array_equal(b.values, np.stack([numbers(71, 70), numbers(None, 120)], axis=1))
    np.testing.assert_array_equal(a.values, np.stack([numbers(61, 60), numbers(None, 110)], axis=1))


def test_melted_variables_can_be_covariates(tmp_path: Path) -> None:
    text = "hours,what,number\n0,x,1\n0,dose,5\n1,x,2\n1,dose,6\n"
    roles = {"time": "hours", "variable": "what", "value": "number", "covariates": ["dose"]}
    found = reader.read(data(csv(tmp_path / "m.csv", text), **roles))
    assert (found.covariates, [channel.name for channel in found.channels]) == (("dose",), ["x"])
    assert found.items[0].covariates.tolist() == [[5], [6]]


def test_wide_rows_are_series(tmp_path: Path) -> None:
    path = csv(tmp_path / "UCR.tsv", "label\t0\t1\t2\t3\n10\t1\t2\t3\t4\n9\t5\t\t7\t\n10\t1\t1\t1\t1\n")
    found = reader.read(data(path, form="wide", label="label", channels=["pressure"]))
    assert found.classes == ("9", "10")
    assert [(item.entity, item.label, len(item)) for item in found.items] == [
        ("series 1", 1, 4), ("series 2", 0, 3), ("series 3", 1, 4),
    ]  # fmt: skip
    np.testing.assert_array_equal(found.items[1].values[:, 0], numbers(5, None, 7))
    assert (found.channels, found.interval) == ((Channel("pressure"),), 1.0)


@pytest.mark.parametrize(
    ("stamps", "unit", "start", "times", "interval"),
    [
        (["2024-03-01 00:00:00", "2024-03-01 00:30:00", "2024-03-01 01:00:00"], "min", "2024-03-01", [0, 30, 60], 30.0),
        (["2024-02-28", "2024-02-29", "2024-03-01"], "d", "2024-02-28", [0, 1, 2], 1.0),
        (["2024-01-01T00Z", "2024-01-01T04:00+02:00", "2024-01-01T05:00:00Z"], "h",
         "2024-01-01T00:00:00+00:00", [0, 2, 5], None),
        (["2024-01-01T01:00:00.5", "2024-01-01T01:00:01", "2024-01-01T01:00:01.500"], "s",
         "2024-01-01T01:00:00.5", [0, 0.5, 1], 0.5),
        (["2024-01-01 10:00 +01:00", "2024-01-01 10:00 +00:00", "2024-01-01T12:00:00.1234567Z"], "h",
         "2024-01-01T09:00:00+00:00", [0, 1, 3 + 0.123456 / 3600], None),
        ([" 0.5", "+1", "1.5 "], "step", "", [0.5, 1, 1.5], 0.5),
    ],
)  # fmt: skip
def test_times(
    tmp_path: Path, stamps: list[str], unit: str, start: str, times: list[float], interval: float | None
) -> None:
    path = csv(tmp_path / "a.csv", "when,v\n" + "".join(f"{stamp},{i}\n" for i, stamp in enumerate(stamps)))
    found = reader.read(data(path, time="when"))
    assert (found.time_unit, found.items[0].start, found.interval) == (unit, start, interval)
    np.testing.assert_allclose(found.items[0].times, times, rtol=1e-12)


def test_the_unit_is_that_of_an_entitys_steps(tmp_path: Path) -> None:
    stamps = [(f"2024-01-01T0{h}:0{e}", e) for h in range(5) for e in range(3)]
    path = csv(tmp_path / "a.csv", "who,t,v\n" + "".join(f"{e},{stamp},{i}\n" for i, (stamp, e) in enumerate(stamps)))
    found = reader.read(data(path, entity="who", time="t"))
    assert (found.time_unit, found.interval) == ("h", 1.0)
    assert [item.start for item in found.items] == ["2024-01-01", "2024-01-01T00:01:00", "2024-01-01T00:02:00"]


def test_times_of_parquet_files(tmp_path: Path) -> None:
    days = [dt.date(2024, 1, 1), dt.date(2024, 1, 2)]
    found = reader.read(data(parquet(tmp_path / "d.parquet", when=days, v=[1, 2]), time="when"))
    assert (found.items[0].start, found.interval, found.time_unit) == ("2024-01-01", 1.0, "d")
    stamps = pa.array([0, 5_000_000_000], pa.timestamp("ns", "Europe/Berlin"))
    found = reader.read(data(parquet(tmp_path / "e.parquet", when=stamps, v=[1, 2]), time="when", time_unit="min"))
    assert (found.items[0].start, found.time_unit) == ("1970-01-01T00:00:00+00:00", "min")
    np.testing.assert_allclose(found.items[0].times, [0, 5 / 60])


def test_almost_regular_times_are_regular(tmp_path: Path) -> None:
    times = [f"{i / 360:.5f}" for i in range(50)]
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{t},{i}\n" for i, t in enumerate(times)))
    assert reader.read(data(path, time="t", time_unit="s")).interval == pytest.approx(1 / 360, rel=1e-3)


def test_static_columns_and_labels_of_a_table(tmp_path: Path) -> None:
    rows = ["a,1,30,B,dead", "a,2,30,B,dead", "b,3,NA,A,alive", "b,4,NA,A,alive", "c,5,50,,dead", "c,6,50,,dead"]
    text = "\n".join(["who,v,age,ward,outcome", *rows])
    found = reader.read(data(csv(tmp_path / "a.csv", text), entity="who", static=["age", "ward"], label="outcome"))
    assert (found.static, found.classes) == (("age", "ward=A", "ward=B"), ("alive", "dead"))
    assert [channel.name for channel in found.channels] == ["v"]
    assert [item.label for item in found.items] == [1, 0, 1]
    expected = [numbers(30, 0, 1), numbers(None, 1, 0), numbers(50, None, None)]
    for item, static in zip(found.items, expected, strict=True):
        np.testing.assert_array_equal(item.static, static)


def test_a_static_table_is_joined_by_name(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", who=pa.array([7, 7, 8, 8], pa.int32()), v=[1.0, 2.0, 3.0, 4.0])
    table = csv(tmp_path / "s.csv", "who,size,class\n9,1,x\n8,-1,y\n7,3,x\n")
    settings = {"entity": "who", "static": ["size"], "label": "class", "static_table": str(table), "missing": [-1]}
    found = reader.read(data(path, **settings))
    assert [(item.entity, item.label) for item in found.items] == [("7", 0), ("8", 1)]
    np.testing.assert_array_equal(np.stack([item.static for item in found.items])[:, 0], numbers(3, None))


def test_covariates_are_no_channels(tmp_path: Path) -> None:
    found = reader.read(data(csv(tmp_path / "a.csv", "v,hour\n1,0\n2,1\n"), covariates=["hour"]))
    assert [channel.name for channel in found.channels] == ["v"]
    assert found.items[0].covariates.tolist() == [[0], [1]]


def test_step_averages_cells(tmp_path: Path) -> None:
    text = "who,t,v,c\na,65,1,0\na,119,3,2\na,119,5,1\na,61,,3\na,300,7,5\na,180,2,4\na,240,2,4\na,130,2,4\n"
    found = reader.read(data(csv(tmp_path / "a.csv", text), time="t", entity="who", step=60, covariates=["c"]))
    assert (found.interval, len(found)) == (60.0, 1)
    assert found.items[0].times.tolist() == [60, 120, 180, 240, 300]
    np.testing.assert_array_equal(found.items[0].values[:, 0], numbers(3, 2, 2, 2, 7))
    np.testing.assert_array_equal(found.items[0].covariates[:, 0], numbers(1.5, 4, 4, 4, 5))


def test_cells_of_timestamps_start_at_whole_steps(tmp_path: Path) -> None:
    text = "t,v\n2024-01-01T00:59,1\n2024-01-01T03:00,4\n2024-01-01T03:01,6\n2024-01-01T01:00,9\n"
    found = reader.read(data(csv(tmp_path / "a.csv", text), time="t", step=1, time_unit="h"))
    item = found.items[0]
    assert (item.start, item.times.tolist()) == ("2024-01-01", [0, 1, 2, 3])
    np.testing.assert_array_equal(item.values[:, 0], numbers(1, 9, None, 5))


def test_steps_that_are_no_binary_fractions_fall_into_their_cells(tmp_path: Path) -> None:
    text = "t,v\n" + "".join(f"{i / 10},{i}\n" for i in range(100))
    item = reader.read(data(csv(tmp_path / "a.csv", text), time="t", step=0.1)).items[0]
    np.testing.assert_array_equal(item.values[:, 0], np.arange(100))


@pytest.mark.parametrize("melted", [False, True])
def test_span_lays_every_entity_on_the_same_steps(tmp_path: Path, melted: bool) -> None:
    text = "who,t,v,name\na,0,1,x\na,3,4,x\nb,2,5,x\nb,4,6,x\nb,-1,7,x\n"
    more = {"variable": "name", "value": "v"} if melted else {"channels": ["v"]}
    found = reader.read(data(csv(tmp_path / "a.csv", text), entity="who", time="t", step=1, span=(0, 4), **more))
    assert [item.times.tolist() for item in found.items] == [[0, 1, 2, 3]] * 2
    np.testing.assert_array_equal(found.items[0].values[:, 0], numbers(1, None, None, 4))
    np.testing.assert_array_equal(found.items[1].values[:, 0], numbers(None, None, 5, None))


def test_span_without_step_drops_rows(tmp_path: Path) -> None:
    text = "t,v\n" + "".join(f"2024-01-0{day},{day}\n" for day in range(1, 8))
    settings = {"time": "t", "time_unit": "d", "span": (2, 5)}
    item = reader.read(data(csv(tmp_path / "a.csv", text), **settings)).items[0]
    assert (item.start, item.times.tolist(), item.values[:, 0].tolist()) == ("2024-01-01", [2, 3, 4], [3, 4, 5])


def test_cells_that_stand_for_nothing(tmp_path: Path) -> None:
    text = 'v,w\n1,\n"",2\nNA,3\nNaN, \n nan ,5\nnull,+6\n2,"7"\n'
    item = reader.read(data(csv(tmp_path / "a.csv", text))).items[0]
    np.testing.assert_array_equal(item.values[:, 0], numbers(1, None, None, None, None, None, 2))
    np.testing.assert_array_equal(item.values[:, 1], numbers(None, 2, 3, None, 5, 6, 7))


def test_columns_of_pandas_and_byte_order_marks(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "\ufeffv, w ,\n1,2,0\n2,3,1\n")
    assert [channel.name for channel in reader.read(data(path)).channels] == ["v", "w"]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.string(), pa.bool_(), pa.decimal128(5, 2)])
def test_types_of_parquet_columns(tmp_path: Path, kind: pa.DataType) -> None:
    values = pa.array([0, 1, None, 1]).cast(pa.int8() if kind == pa.bool_() else pa.string()).cast(kind)
    item = reader.read(data(parquet(tmp_path / "a.parquet", v=values))).items[0]
    np.testing.assert_array_equal(item.values[:, 0], numbers(0, 1, None, 1))


def test_the_hash_is_of_all_files_that_are_read(tmp_path: Path) -> None:
    path, table = csv(tmp_path / "a.csv", "v\n1\n2\n"), csv(tmp_path / "s.csv", "entity,x\na,1\n")
    settings = data(path, static=["x"], static_table=str(table))
    first = reader.sha256(settings)
    assert reader.sha256(settings) == first
    table.write_text("entity,x\na,2\n")
    assert reader.sha256(settings) != first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "melted", "time": "t"}, "needs `time`, `variable` and `value`"),
        ({"form": "table", "value": "v"}, "belong to the form `melted`"),
        ({"form": "wide", "time": "t", "covariates": ["c"]}, "leave out time, covariates"),
        ({"step": 1, "time": "none"}, "`step` need times; name their column"),
        ({"time": "t", "span": (2, 2)}, "a time and a later one"),
        ({"step": "1 fortnight"}, "no span of time; 1h, 10min, 30s, 1d"),
        ({"step": 0}, "no span of time"),
        ({"newest_first": True, "sort_by_time": True}, "exclude each other"),
        ({"validation": 0.5, "test": 0.5}, "must leave something to train on"),
        ({"label": "l", "events": {"path": "e", "time": "t", "label": "l", "before": 1, "after": 1}}, "either the"),
        ({"lenght": 3}, "Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SeriesData.model_validate({"path": "a.csv", "length": 2, **settings})


def test_every_setting_is_described() -> None:
    for model in (SeriesData, reader.EventData):
        assert all(field.description for field in model.model_fields.values())


def test_a_rate_makes_seconds_of_samples_and_of_events(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "n,v\n" + "\n".join(f"{100 + i},{i}" for i in range(40)))
    marks = csv(tmp_path / "e.csv", "n,kind\n110,x\n125,y\n")
    events = {"path": str(marks), "time": "n", "label": "kind", "before": 0.4, "after": 0.6}
    asked = data(path, time="n", rate_hz=10, events=events, length=10, validation=0)
    found = reader.read(asked)
    assert (found.time_unit, found.interval) == ("s", 0.1)
    assert found.events is not None and found.events.times.tolist() == [11.0, 12.5]
    cut = reader.windows(found, asked, "train")
    assert cut.values[:, 0, 0].tolist() == [6, 21] and cut.values.shape == (2, 10, 1)
    np.testing.assert_allclose(cut.times[0], np.arange(10) / 10)


def test_a_rate_is_not_for_timestamps(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n2020-01-01,1\n2020-01-02,2\n")
    with pytest.raises(DataError, match="rate_hz: is for times that count samples"):
        reader.read(data(path, time="t", rate_hz=10))
    with pytest.raises(ValidationError, match="leave out `time_unit`"):
        data(path, time="t", rate_hz=10, time_unit="h")


@pytest.mark.parametrize("step", [0.05, 0.004, 0.001])
def test_a_grid_on_seconds_since_1970_loses_no_row(tmp_path: Path, step: float) -> None:
    times = 1_700_000_000 + np.arange(3000) * step
    path = parquet(tmp_path / "a.parquet", t=times, v=np.arange(3000.0))
    found = reader.read(data(path, time="t", step=step)).items[0]
    assert found.values[:, 0].tolist() == list(range(3000))


def test_what_stands_for_nothing_in_channels_is_a_number_in_covariates(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t,v,c\n0,1,-1\n1,-1,2\n2,3,-1\n")
    found = reader.read(data(path, time="t", channels=["v"], covariates=["c"], missing=[-1])).items[0]
    assert np.isnan(found.values[:, 0]).tolist() == [False, True, False]
    assert found.covariates[:, 0].tolist() == [-1, 2, -1]

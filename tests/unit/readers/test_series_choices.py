"""What a table decides where its recipe does not: times, order, units and missing texts; and how it is said."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from series_files import csv, data, numbers, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold, summary

BERLIN = ZoneInfo("Europe/Berlin")


def hours(n: int) -> list[str]:
    return [f"{datetime(2024, 1, 1) + timedelta(hours=i)}" for i in range(n)]


def write(path: Path, header: str, rows: list[str]) -> Path:
    return csv(path, "\n".join([header, *rows]) + "\n")


def shuffled(rows: list[str]) -> list[str]:
    return random.Random(0).sample(rows, len(rows))


def local(start: datetime, n: int, minutes: int) -> list[str]:
    moments = [start.replace(tzinfo=UTC) + timedelta(minutes=minutes * i) for i in range(n)]
    return [f"{moment.astimezone(BERLIN).replace(tzinfo=None)}" for moment in moments]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"when": "2024-01-0{}", "v": "{}"}, None),
        ({"v": "{}", "date": "2024-01-0{}"}, "date"),
        ({"t": "{}", "v": "{}.5"}, "t"),
        ({"t": "{}", "timestamp": "2024-01-0{}", "v": "{}"}, "timestamp"),
        ({"time_spent": "x{}", "v": "{}"}, None),
    ],
)
def test_a_column_that_is_called_and_reads_like_times_is_the_time(
    tmp_path: Path, columns: dict[str, str], found: str | None
) -> None:
    order = [1, 2, 3, 5, 8]
    rows = [",".join(form.format(i) for form in columns.values()) for i in order]
    path = write(tmp_path / "a.csv", ",".join(columns), rows)
    if "when" in columns:
        with pytest.raises(DataError, match="when: holds timestamps, and no time column was named; set `time: when`"):
            reader.read(data(path))
        return
    recordings = reader.read(data(path))
    assert recordings.roles.get("time", "").partition(" ")[0] == (found or "")
    assert any(f"{found} is taken as the time" in note for note in recordings.notes) == bool(found)
    refused = reader.read(data(path, time="none", channels=["v"]))
    assert refused.interval == 1.0 and "time" not in refused.roles
    named = reader.sha256(data(path, time=found or "none", channels=["v"]))
    assert (reader.sha256(data(path, channels=["v"])) != named) == bool(found)


def test_numbers_that_do_not_run_like_times_are_channels_and_that_is_said(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(50).round(3)
    path = write(tmp_path / "a.csv", "response_time,v", [f"{value},{i % 7}" for i, value in enumerate(values)])
    found = reader.read(data(path))
    assert found.roles == {"channels": "response_time, v"}
    assert found.notes[0].startswith("response_time is called like a time and is a channel")
    assert scaffold.look(str(path)).settings == {}
    at_random = write(tmp_path / "b.csv", "t,v", shuffled([f"{i},{i % 7}" for i in range(50)]))
    with pytest.raises(DataError, match=r"t: times are in no order: \d+ of 50 rows .*`sort_by_time: true`"):
        reader.read(data(at_random))


def test_rows_in_no_order_are_sorted_within_their_entity(tmp_path: Path) -> None:
    rows = [f"{who},{moment},{i + 100 * (who == 'b')}" for who in "ab" for i, moment in enumerate(hours(60))]
    path = write(tmp_path / "a.csv", "station,time,v", shuffled(rows))
    with pytest.raises(DataError) as error:
        reader.read(data(path, entity="station"))
    (line,) = str(error.value).splitlines()
    assert "are in no order" in line and "`sort_by_time: true`" in line and "newest_first" not in line
    found = reader.read(data(path, entity="station", sort_by_time=True))
    by_name = {item.entity: item for item in found.items}
    np.testing.assert_array_equal(by_name["a"].values[:, 0], np.arange(60))
    np.testing.assert_array_equal(by_name["b"].values[:, 0], np.arange(100, 160))
    assert found.interval == 1.0 and any(note.startswith("rows are sorted by time: ") for note in found.notes)
    assert scaffold.look(str(path)).settings == {"entity": "station", "time": "time", "sort_by_time": True}
    with pytest.raises(DataError, match="is the time of another row, too; no time may occur twice"):
        reader.read(data(path, time="time", sort_by_time=True))


def test_sorting_changes_no_digest_where_it_is_not_asked_for() -> None:
    assert "sort_by_time" not in data(Path("a.csv")).model_dump()
    assert data(Path("a.csv"), missing=[-1, "-2", "n/a"]).model_dump()["missing"] == [-1.0, -2.0, "n/a"]


def test_texts_that_stand_for_nothing(tmp_path: Path) -> None:
    text = 'v;w;note\n1,5;2;-\n n/a ;-1;x\n2,5;"-";-\n3,5;4;y\n'
    path = csv(tmp_path / "a.csv", text)
    found = reader.read(data(path, decimal=",", missing=["n/a", "-", -1]))
    np.testing.assert_array_equal(found.items[0].values[:, 0], numbers(1.5, None, 2.5, 3.5))
    np.testing.assert_array_equal(found.items[0].values[:, 1], numbers(2, None, None, 4))
    with pytest.raises(DataError) as error:
        reader.read(data(path))
    assert 'v: holds numbers such as `1,5`; set `decimal: ","` and `missing: ["n/a"]`' in str(error.value)
    assert 'row 4: w: `-` is no number; set `missing: ["-"]`' in str(error.value)
    settings = scaffold.look(str(path)).settings
    assert settings["missing"] == ["n/a", "-"] and settings["decimal"] == ","
    whole = parquet(tmp_path / "b.parquet", v=["1", "n/a", "3"])
    np.testing.assert_array_equal(reader.read(data(whole, missing=["n/a"])).items[0].values[:, 0], numbers(1, None, 3))


@pytest.mark.parametrize(
    ("settings", "interval", "unit"),
    [
        ({"step": "1h"}, 1.0, "h"),
        ({"step": "30 min"}, 30.0, "min"),
        ({"step": "1h", "time_unit": "min"}, 60.0, "min"),
        ({"step": "1d", "time_unit": "h"}, 24.0, "h"),
        ({"step": ".5h"}, 0.5, "h"),
    ],
)
def test_steps_have_units(tmp_path: Path, settings: dict[str, Any], interval: float, unit: str) -> None:
    path = write(tmp_path / "a.csv", "time,v", [f"{moment},{i % 50}" for i, moment in enumerate(hours(72))])
    found = reader.read(data(path, **settings))
    assert (found.interval, found.time_unit) == (interval, unit)
    assert any(note.startswith("`step` lays 72 rows on ") for note in found.notes)


def test_a_step_with_a_unit_needs_times_that_have_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t,v", [f"{60 * i},{i % 9}" for i in range(30)])
    with pytest.raises(DataError, match="step: 1h: the times are numbers, and nothing says of what; set `time_unit`"):
        reader.read(data(path, step="1h"))
    assert reader.read(data(path, step="1h", time_unit="min")).interval == 60.0
    other = write(tmp_path / "b.csv", "v,w", [f"{i % 9},{i % 7}" for i in range(30)])
    with pytest.raises(DataError, match="step: needs times, and no column is called and reads like times"):
        reader.read(data(other, step="1h"))


@pytest.mark.parametrize("minutes", [60, 30, 15])
def test_the_hour_that_local_times_repeat_is_named(tmp_path: Path, minutes: int) -> None:
    stamps = local(datetime(2024, 10, 25), 4 * 24 * 60 // minutes, minutes)
    path = write(tmp_path / "a.csv", "time,v", [f"{moment},{i % 9}" for i, moment in enumerate(stamps)])
    with pytest.raises(DataError) as error:
        reader.read(data(path))
    (line,) = str(error.value).splitlines()
    assert "repeats an hour on 2024-10-27, as local times do when summer time ends" in line and "in UTC" in line
    found = reader.read(data(path, step="1h"))
    assert any("repeats an hour on 2024-10-27" in note for note in found.notes)
    assert any("repeats an hour on 2024-10-27" in note for note in scaffold.look(str(path)).facts.notes)


def test_the_hour_that_local_times_lack_is_named_and_other_gaps_are_none_of_it(tmp_path: Path) -> None:
    stamps = local(datetime(2024, 3, 29), 96, 60)
    rows = [f"{moment},{i % 9}" for i, moment in enumerate(stamps)]
    found = reader.read(data(write(tmp_path / "a.csv", "time,v", rows)))
    assert any("no times from 2024-03-31T02:00:00 on for an hour" in note for note in found.notes)
    zoned = [row.replace(",", "Z,") for row in rows]
    for other in (zoned, [f"{moment},{i % 9}" for i, moment in enumerate(hours(96)) if i != 30]):
        notes = reader.read(data(write(tmp_path / "b.csv", "time,v", other))).notes
        assert not any("summer time" in note for note in notes)


def facts(path: Path, **settings: Any) -> Any:
    asked = data(path, **settings)
    found = reader.read(asked)
    return summary.describe(found, asked, {"training": reader.windows(found, asked, "train")})


def test_times_gaps_and_missing_values_are_said(tmp_path: Path) -> None:
    at = [0, 10, 20.5, 30, 40, 90, 100, 110]
    path = write(tmp_path / "a.csv", "t,v", [f"{t},{'' if t == 10 else i}" for i, t in enumerate(at)])
    rows = facts(path, time_unit="s", length=4).rows
    assert rows["times"] == "10 s apart (median), 9.5 to 10.5 s between gaps"
    assert rows["gaps"].startswith("1 longer than 15 s, the longest 50 s; about 4 rows are not there")
    assert rows["missing"] == "12 % of v"
    assert rows["windows"] == "of 4 steps, one step apart: 5 for training"
    assert rows["rows"] == "8 of 1 recording"
    plain = write(tmp_path / "b.csv", "v,w", [f"{i % 5},{i % 3}" for i in range(9)])
    assert facts(plain).rows["times"] == "none: rows are one step apart"


def test_few_windows_are_warned_of(tmp_path: Path) -> None:
    rows = [f"{moment},{i % 50}" for i, moment in enumerate(hours(1100))]
    few = facts(write(tmp_path / "a.csv", "time,v", rows[:30]), length=4)
    assert any("training has only 27 windows" in note and "3,661 to be enough" in note for note in few.notes)
    many = facts(write(tmp_path / "b.csv", "time,v", rows), length=24)
    assert not any("copies" in note for note in many.notes)


def test_a_column_that_may_be_the_entity_is_named(tmp_path: Path) -> None:
    rows = [f"{moment},{'ab'[i % 2]},{i % 9}" for i, moment in enumerate(hours(60))]
    path = write(tmp_path / "a.csv", "time,station,v", rows)
    found = reader.read(data(path))
    assert any("station is left out; if it says whose row it is (it has 2 values)" in note for note in found.notes)
    assert not any("whose row" in note for note in reader.read(data(path, entity="station")).notes)


def test_a_column_that_says_what_goes_on_is_named(tmp_path: Path) -> None:
    states = ["run" if i // 6 % 2 else "idle" for i in range(60)]
    notes = [f"note {i}" for i in range(60)]
    rows = [f"{i},{'ab'[i // 30]},{'xy'[i // 30]},{notes[i]},{states[i]},{i % 9}" for i in range(60)]
    path = write(tmp_path / "a.csv", "time,unit,kind,remark,state,v", rows)
    found = [note for note in reader.read(data(path, entity="unit")).notes if "step_label" in note]
    assert len(found) == 1 and found[0].startswith("state is left out; if it says what goes on in each row (it has 2")
    assert not any("goes on" in note for note in reader.read(data(path, entity="unit", step_label="state")).notes)


@pytest.mark.parametrize("melted", [False, True])
def test_init_leaves_out_channels_that_never_change(tmp_path: Path, melted: bool) -> None:
    if melted:
        rows = [f"{i},{name},{5 if name == 'w' else i % 7}" for i in range(60) for name in "vw"]
        path = write(tmp_path / "a.csv", "hour,variable,value", rows)
    else:
        path = write(tmp_path / "a.csv", "hour,v,w,x", [f"{i},{i % 7},5," for i in range(60)])
    found = scaffold.look(str(path))
    assert found.channels == ["v"]
    assert "w is left out: it is constant, 5 in every row, and there is nothing to learn" in found.facts.notes
    assert ("x is left out: it has no values" in found.facts.notes) != melted


def test_init_makes_columns_static_that_are_the_same_in_all_rows_of_an_entity(tmp_path: Path) -> None:
    """Not a text that is another name of theirs, nor one that an entity has two of, nor one with missing cells."""
    rows = [
        f"{name},{t},{t * t % 17},{100 + i},{'north' if i < 2 else 'south'},city of {name},"
        f"{'odd' if t % 2 else 'even'},{'' if t == 3 else i}"
        for i, name in enumerate("abc")
        for t in range(60)
    ]
    path = write(tmp_path / "shops.csv", "shop,day,sales,size,region,city,parity,floor", rows)
    found = scaffold.look(str(path))
    assert found.settings["static"] == ["size", "region"]
    assert found.channels == ["sales", "floor"]
    assert "region is static: it is the same in all rows of each shop" in found.facts.notes
    assert found.recordings.static == ("size", "region=north", "region=south")


def test_one_short_entity_does_not_make_all_windows_short(tmp_path: Path) -> None:
    """Two stations of 300 rows and one of 15, which is left out: windows are as long as without it."""
    rows = [f"{name},{t},{t * t % 17}" for name, n in (("a", 300), ("b", 300), ("c", 15)) for t in range(n)]
    path = tmp_path / "stations.csv"
    path.write_text("station,t,v\n" + "\n".join(rows) + "\n")
    assert scaffold.look(str(path)).length == 24

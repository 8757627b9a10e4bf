"""Columns of times as people write them: read rightly, or refused with the first cell that is none."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from series_files import csv, data, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold
from synthgen.readers.series.dates import date_formats, nearest_formats

DAYS = [dt.date(2024, 1, 5) + dt.timedelta(days=i) for i in range(60)]


def write(path: Path, cells: list[Any], name: str = "date") -> Path:
    return csv(path, f"{name},v\n" + "".join(f"{cell},{i * i % 17}\n" for i, cell in enumerate(cells)))


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        reader.read(data(path, **settings))
    return str(error.value)


@pytest.mark.parametrize(
    ("cells", "settings", "start", "times"),
    [
        (
            ["2024-01-05 22:00:00 UTC", "2024-01-05 23:00 GMT", "2024-01-06 00:00Z"],
            {},
            "2024-01-05T22:00:00+00:00",
            [0, 1, 2],
        ),
        (["2009-12", "2010-01", "2010-03"], {"time_unit": "d"}, "2009-12-01", [0, 31, 90]),
        (["200911", "200912", "201001"], {"date_format": "%Y%m", "time_unit": "d"}, "2009-11-01", [0, 30, 61]),
        (["24/01/05", "24/01/06"], {"date_format": "%y/%m/%d", "time_unit": "d"}, "2024-01-05", [0, 1]),
    ],
)
def test_forms_that_are_read(tmp_path: Path, cells: list[str], settings: dict, start: str, times: list[float]) -> None:
    (item,) = reader.read(data(write(tmp_path / "a.csv", cells), **settings)).items
    assert (item.start, item.times.tolist()) == (start, times)


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("time", [f"2024-10-27 0{i}:30:00 CET" for i in range(9)], "row 2: time: `2024-10-27 00:30:00 CET` is no time"),
        ("date", [f"{2000 + i // 4}-Q{i % 4 + 1}" for i in range(9)], "row 2: date: `2000-Q1` is no time"),
        ("time", [f"{23 - i}:00" for i in range(9)], "row 2: time: `23:00` is no time"),
        ("t", [f"{23 - i}:00" for i in range(9)], "row 2: t: `23:00` is no time"),
        ("date", ["yesterday", "today", "tomorrow"], "row 2: date: `yesterday` is no time"),
    ],
)
def test_text_that_is_called_like_a_time_is_read_or_refused(
    tmp_path: Path, name: str, cells: list[str], said: str
) -> None:
    path = write(tmp_path / "a.csv", cells, name)
    line = refused(path)
    assert said in line and "ISO timestamps" in line and "`date_format`" in line and "`time: none`" in line
    with pytest.raises(DataError, match="is no time"):
        scaffold.look(str(path))
    assert reader.read(data(path, time="none")).interval == 1.0


def test_other_text_is_left_out_as_ever(tmp_path: Path) -> None:
    text = "day,time_spent,last_update,v\n" + "".join(f"{'MTWTFSS'[i]},{i} min,v{i},{i * i}\n" for i in range(7))
    found = reader.read(data(csv(tmp_path / "a.csv", text)))
    assert list(found.roles) == ["channels", "left out"] and found.roles["channels"] == "v"
    assert 'time_spent (numbers, such as `0 min`; set `symbols: ["min"]`)' in found.roles["left out"]
    text = "time,stamp,v\n" + "".join(f"{i}:00,2024-01-0{i + 1},{i * i}\n" for i in range(7))
    found = reader.read(data(csv(tmp_path / "b.csv", text), time="stamp"))
    assert found.roles["left out"] == "time (text, such as `0:00`)"


@pytest.mark.parametrize("name", ["date", "sold on"])
@pytest.mark.parametrize("odd", ["30/02/2024", "total", "2024-02-10"])
def test_one_bad_date_is_named(tmp_path: Path, name: str, odd: str) -> None:
    cells = [f"{day:%d/%m/%Y}" for day in DAYS]
    cells[36] = odd
    path = write(tmp_path / "a.csv", cells, name)
    said = f"row 38: {name}: `{odd}` is no time; times as `date_format: %d/%m/%Y` says are accepted"
    if name == "date":
        assert said in refused(path, date_format="%d/%m/%Y")
        unsaid = refused(path)
        assert '`date_format: "%d/%m/%Y"`' in unsaid and (odd in unsaid or odd == "2024-02-10")
    else:
        assert f"{name}: holds timestamps, and no time column was named" in refused(path)
        assert said in refused(path, time=name, date_format="%d/%m/%Y")
    with pytest.raises(DataError, match=f"`{odd}` is no time|and `{odd}`, which is none"):
        scaffold.look(str(path))


def test_dates_of_two_kinds_are_refused(tmp_path: Path) -> None:
    cells = [f"{day:%d/%m/%Y}" if i < 40 else f"{day}" for i, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", cells)
    for settings in ({}, {"date_format": "%d/%m/%Y"}):
        assert "date: `2024-02-14` is no time" in refused(path, **settings) or not settings
    assert '"%d/%m/%Y"' in refused(path)


def test_months_as_numbers_are_refused_with_their_format(tmp_path: Path) -> None:
    months = [100 * (2000 + i // 12) + i % 12 + 1 for i in range(30)]
    for path in (
        write(tmp_path / "a.csv", months),
        parquet(tmp_path / "b.parquet", date=months, v=[i * i % 17 for i in range(30)]),
    ):
        line = refused(path)
        assert "holds dates such as 200206, which as numbers are unevenly far apart" in line
        assert 'set `date_format: "%Y%m"`, or `date_format: "number"`' in line
        assert scaffold.look(str(path)).settings["date_format"] == "%Y%m"
        assert reader.read(data(path, date_format="number")).items[0].times[12] == 200101
    counter = write(tmp_path / "c.csv", [*range(200_001, 200_040)])
    assert reader.read(data(counter)).interval == 1.0


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        ([f"{day:%y/%m/%d}" for day in DAYS], ["%y/%m/%d"]),
        ([f"{day:%y/%m/%d}" for day in DAYS[:27]], ["%y/%m/%d"]),
        ([f"{day:%y.%m.%d}" for day in DAYS[26::-1]], ["%y.%m.%d"]),
        ([f"{day:%d/%m/%y}" for day in DAYS[8:27]], ["%d/%m/%y"]),
        ([f"{day:%d-%m-%y}" for day in DAYS], ["%d-%m-%y"]),
        (["24/01/05"], ["%d/%m/%y", "%y/%m/%d"]),
    ],
)
def test_years_of_two_digits_stand_where_the_steps_are_small(texts: list[str], formats: list[str]) -> None:
    assert date_formats(texts) == formats


def test_init_says_how_short_years_are_read(tmp_path: Path) -> None:
    found = scaffold.look(str(write(tmp_path / "a.csv", [f"{day:%y/%m/%d}" for day in DAYS[:27]])))
    assert found.settings == {"time": "date", "date_format": "%y/%m/%d"}
    assert found.facts.rows["times"] == "every 1 d, from 2024-01-05 on"
    assert 'times are read with `date_format: "%y/%m/%d"`' in found.facts.notes


def test_the_nearest_formats_fit_half_of_the_texts() -> None:
    assert nearest_formats(["total", *(f"{day:%d.%m.%Y}" for day in DAYS)]) == ["%d.%m.%Y"]
    assert nearest_formats(["01.02.2024", "x", "y"]) == nearest_formats(["20.13", "12.5"]) == nearest_formats([]) == []


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([dt.timedelta(hours=i) for i in range(9)]), "row 1: time: `0:00:00` is no time"),
        (pa.array([dt.time(23 - i) for i in range(9)]), "row 1: time: `23:00:00` is no time"),
        (pa.array([None, *(dt.datetime(2024, 1, 1, i) for i in range(8))]), "row 1: time: is missing; every row needs"),
    ],
)
def test_times_of_parquet_that_cannot_be_read(tmp_path: Path, column: Any, said: str) -> None:
    path = parquet(tmp_path / "a.parquet", time=column, v=[i * i for i in range(9)])
    assert said in refused(path) and "date_format: " not in refused(path)

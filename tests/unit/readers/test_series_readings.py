"""What `init` takes the columns of a table for: dates are times, what repeats at each time is an entity, or it asks."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from series_files import csv, data
from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold

HOURS = [datetime(2024, 1, 1) + timedelta(hours=i) for i in range(96)]
DAYS = HOURS[::24] + [datetime(2024, 1, 5) + timedelta(days=i) for i in range(56)]


def write(path: Path, header: str, rows: list[tuple]) -> Path:
    return csv(path, "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def noise(n: int) -> list[float]:
    return np.random.default_rng(0).normal(600, 50, n).round(3).tolist()


def asked(path: Path) -> str:
    with pytest.raises(DataError) as error:
        scaffold.look(str(path))
    return str(error.value)


@pytest.mark.parametrize("order", ["by turbine", "by time", "none"])
@pytest.mark.parametrize("numbered", [False, True])
def test_whole_numbers_that_repeat_at_each_time_are_entities(tmp_path: Path, order: str, numbered: bool) -> None:
    rows = [(turbine, i if numbered else hour) for turbine in range(1, 5) for i, hour in enumerate(HOURS)]
    rows = [(*row, power, i % 3) for i, (row, power) in enumerate(zip(rows, noise(len(rows)), strict=True))]
    if order == "by time":
        rows.sort(key=lambda row: row[1])
    if order == "none":
        rows = random.Random(0).sample(rows, len(rows))
    found = scaffold.look(str(write(tmp_path / "a.csv", "turbine,time,power,mode", rows)))
    sort = {"sort_by_time": True} if order == "none" else {}
    assert found.settings == {"entity": "turbine", "time": "time", **sort}
    assert [len(item) for item in found.recordings.items] == [96] * 4 and found.recordings.interval == 1.0


@pytest.mark.parametrize("names", [("store", "item"), ("region", "product")])
def test_entities_of_two_columns_are_asked_for(tmp_path: Path, names: tuple[str, str]) -> None:
    pairs = [(a, b) for a in ((1, 2) if names[0] == "store" else "NS") for b in (1, 2)]
    rows = [(day.date(), *pair) for pair in pairs for day in DAYS]
    rows = [(*row, sales, i % 9) for i, (row, sales) in enumerate(zip(rows, noise(len(rows)), strict=True))]
    line = asked(write(tmp_path / "a.csv", f"date,{','.join(names)},sales,price", rows))
    assert f"date: the rows of a time belong to several entities, which {names[0]} and {names[1]} name together" in line
    assert f"write them into one column, as `{pairs[0][0]} 1`, and name it in `entity`" in line


@pytest.mark.parametrize("station", [False, True])
@pytest.mark.parametrize("clock", ["time", "hour"])
def test_days_and_times_of_day_are_asked_for_in_one_column(tmp_path: Path, clock: str, station: bool) -> None:
    rows = [
        (hour.date(), hour.hour if clock == "hour" else f"{hour:%H:%M:%S}", *([who] if station else []), hour.day)
        for who in ("ab" if station else "a")
        for hour in HOURS
    ]
    path = write(tmp_path / "a.csv", f"date,{clock},{'station,' if station else ''}co", rows)
    said = f"date: holds days, which occur more than once, and {clock} times of day; write both into one column"
    assert said in asked(path)
    with pytest.raises(DataError, match=said):
        reader.read(data(path))


def test_a_time_of_day_beside_the_days_of_entities_is_no_matter(tmp_path: Path) -> None:
    rows = [(day.date(), "09:00", who, i * i % 17) for who in "ab" for i, day in enumerate(DAYS)]
    path = write(tmp_path / "a.csv", "date,opens,shop,sales", rows)
    assert scaffold.look(str(path)).settings == {"entity": "shop", "time": "date"}


def test_a_measurement_is_no_time_beside_dates(tmp_path: Path) -> None:
    rows = [(day.date() if i != 7 else "soon", i * i) for i, day in enumerate(DAYS)]
    assert "row 9: date: `soon` is no time" in asked(write(tmp_path / "a.csv", "date,sales", rows))
    parts = [(day.year, day.month, day.day, i * i % 17) for i, day in enumerate(DAYS)]
    assert scaffold.look(str(write(tmp_path / "b.csv", "year,month,day,v", parts))).settings == {
        "channels": ["month", "day", "v"]
    }


def test_a_date_that_never_changes_is_no_time(tmp_path: Path) -> None:
    rows = [("2023-05-01", i, i * i % 17) for i in range(60)]
    assert scaffold.look(str(write(tmp_path / "a.csv", "checked,t,v", rows))).settings == {"time": "t"}

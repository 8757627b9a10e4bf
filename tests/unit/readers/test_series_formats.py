"""Numbers and dates as people write them: read as settings say, and never in silence as something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from series_files import csv, data, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader
from synthgen.readers.series.dates import date_formats
from synthgen.readers.series.formats import number_settings

SETTINGS: list[tuple[list[str], dict[str, Any], list[float]]] = [
    (["3,14", "-2", "0,5"], {"decimal": ","}, [3.14, -2, 0.5]),
    (["1,234.5", "999", "-1,000,000"], {"thousands": ","}, [1234.5, 999, -1e6]),
    (["1.234,5", "2,25", "1.000"], {"decimal": ",", "thousands": "."}, [1234.5, 2.25, 1000]),
    (["1\u202f234", "1 000 000", "5"], {"thousands": " "}, [1234, 1e6, 5]),
    (["$9.72", "-$1.50", "$ 3"], {"symbols": ["$"]}, [9.72, -1.5, 3]),
    (["12 %", "3.5%", "0%"], {"symbols": ["%"]}, [12, 3.5, 0]),
]


@pytest.mark.parametrize(("texts", "settings", "values"), SETTINGS)
def test_numbers_are_read_as_the_settings_say_and_else_the_settings_are_named(
    tmp_path: Path, texts: list[str], settings: dict[str, Any], values: list[float]
) -> None:
    path = csv(tmp_path / "a.csv", "v;w\n" + "".join(f"{text};{i}\n" for i, text in enumerate(texts)))
    found = reader.read(data(path, **settings))
    np.testing.assert_array_equal(found.items[0].values[:, 0], np.array(values, dtype=np.float32))
    assert settings in number_settings(texts)
    for more in ({}, {"channels": ["v", "w"]}, {"channels": ["w"], "static": ["v"]}):
        with pytest.raises(DataError) as error:
            reader.read(data(path, **more))
        assert all(f"`{name}: " in str(error.value) for name in settings)
    assert f"numbers, such as `{texts[0]}`; set" in reader.read(data(path, channels=["w"])).roles["left out"]


@pytest.mark.parametrize(
    ("texts", "count"),
    [(["1,234", "2,345"], 2), (["1.5", "2"], 0), (["a", "b"], 0), ([], 0), (["5 apples", "6"], 0), (["1.2.3", "4"], 0)],
)
def test_what_can_be_meant(texts: list[str], count: int) -> None:
    assert len(number_settings(texts)) == count


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["01/02/2024", "03/04/2024"], ["%d/%m/%Y", "%m/%d/%Y"]),
        (["01/02/2024", "13/02/2024"], ["%d/%m/%Y"]),
        (["31.12.2024"], ["%d.%m.%Y"]),
        (["12/31/2024 11:30 PM"], ["%m/%d/%Y %I:%M %p"]),
        (["20240131", "20240201"], ["%Y%m%d"]),
        (["30/02/2024"], []),
        (["words"], []),
    ],
)
def test_formats_of_dates(texts: list[str], formats: list[str]) -> None:
    assert date_formats(texts) == formats


@pytest.mark.parametrize(
    ("cells", "form", "start", "times"),
    [
        (["01/02/2024", "02/02/2024", "01/03/2024"], "%d/%m/%Y", "2024-02-01", [0, 1, 29]),
        (["01/02/2024", "01/03/2024", "02/01/2024"], "%m/%d/%Y", "2024-01-02", [0, 1, 30]),
        (["20240131", "20240201"], "%Y%m%d", "2024-01-31", [0, 1]),
        (["1706659200000", "1706745600000"], "epoch_ms", "2024-01-31T00:00:00+00:00", [0, 1]),
        (["12/31/2024 11:30 PM", "01/01/2025 11:30 PM"], "%m/%d/%Y %I:%M %p", "2024-12-31T23:30:00", [0, 1]),
        (["01/02/2024 +0200", "02/02/2024 +0200"], "%d/%m/%Y %z", "2024-01-31T22:00:00+00:00", [0, 1]),
    ],
)
def test_times_are_read_as_date_format_says(
    tmp_path: Path, cells: list[str], form: str, start: str, times: list[float]
) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    (item,) = reader.read(data(path, time="t", date_format=form, time_unit="d")).items
    assert item.start == start and item.times.tolist() == times


def test_dates_that_are_not_named_are_refused_with_the_setting(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n01/02/2024,1\n02/02/2024,2\n")
    with pytest.raises(DataError) as error:
        reader.read(data(path, time="t"))
    assert '`date_format: "%d/%m/%Y"`, or `date_format: "%m/%d/%Y"`, whichever is meant' in str(error.value)
    whole = parquet(tmp_path / "c.parquet", t=[20240131, 20240201], v=[1.0, 2])
    for kind in (csv(tmp_path / "b.csv", "t,v\n20240131,1\n20240201,2\n"), whole):
        with pytest.raises(DataError, match="holds dates such as 20240201") as error:
            reader.read(data(kind, time="t"))
        assert 'set `date_format: "%Y%m%d"`, or `date_format: "number"`' in str(error.value)
        assert reader.read(data(kind, time="t", date_format="number")).items[0].times[0] == 20240131
        assert reader.read(data(kind, time="t", date_format="%Y%m%d", time_unit="d")).items[0].times.tolist() == [0, 1]
    with pytest.raises(DataError) as error:
        reader.read(data(tmp_path / "b.csv", time="t", date_format="%d/%m/%Y"))
    assert "b.csv: row 2: t: `20240131` is no time; times as `date_format: %d/%m/%Y` says" in str(error.value)


def test_settings_that_contradict_themselves() -> None:
    twice: dict[str, Any] = {"decimal": ",", "thousands": ","}
    for wrong in (twice, {"symbols": [" "]}, {"date_format": "%d/%m"}, {"date_format": "%Q"}):
        with pytest.raises(ValidationError):
            data(Path("a.csv"), **wrong)


def test_the_new_settings_change_no_digest_where_they_are_not_used() -> None:
    assert not {"decimal", "thousands", "symbols", "date_format"} & set(data(Path("a.csv")).model_dump())
    given = {"decimal": ",", "thousands": "."}
    assert given.items() <= data(Path("a.csv"), **given).model_dump(mode="json").items()


def test_every_column_has_a_role(tmp_path: Path) -> None:
    rows = [f"{i},a,{i},{2 * i},x,,2024-01-0{i + 1}" for i in range(3)]
    path = csv(tmp_path / "a.csv", "\n".join(["when,who,v,w,note,empty,born", *rows]) + "\n")
    assert reader.read(data(path, time="when", entity="who", channels=["v"])).roles == {
        "time": "when",
        "entity": "who",
        "channels": "v",
        "left out": "w (numbers, such as `0`, not among `channels`), note (text, such as `x`), empty (empty), "
        "born (dates, such as `2024-01-01`)",
    }


def test_letters_behind_all_numbers_are_a_unit() -> None:
    for unit in (" C", " kPa", "ml", "°C", " °", " m"):
        texts = [f"{value}{unit}" for value in (20.5, 3, 17.25)]
        assert number_settings(texts) == [{"symbols": [unit.strip()]}], unit
    assert number_settings(["20,5 kPa", "3,1 kPa", "4,0 kPa"]) == [{"decimal": ",", "symbols": ["kPa"]}]
    others = (["1A", "2A", "3A"], ["1st", "2nd", "3rd"], ["5 m", "5 m", "6 km"], ["1 C", "2 C"], ["1e5", "2e5", "3e5"])
    for texts in others:
        assert not any("symbols" in found for found in number_settings(texts)), texts

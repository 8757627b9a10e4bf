"""Cells that may mean something else than they say: read rightly, refused, or noted with the setting that helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from series_files import csv, data, numbers, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold

THOUSANDS = ["987", "1.234", "12.345", "850", "2.001"]


def write(path: Path, header: str, *columns: list[Any]) -> Path:
    return csv(path, "\n".join([header, *(";".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n")


def notes(path: Path, **settings: Any) -> str:
    return "\n".join(reader.read(data(path, **settings)).notes)


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(DataError) as error:
        reader.read(data(path, **settings))
    return str(error.value)


def test_points_that_may_separate_thousands_are_noted_and_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t;sales", range(50), THOUSANDS * 10)
    assert '`1.234` is read as 1.234; if the point separates thousands, set `decimal: ","` and `thousands: "."`' in (
        notes(path)
    )
    with pytest.raises(DataError, match=r"sales: `1.234` can be read in two ways; say which with `--decimal ,` or"):
        scaffold.look(str(path))
    for decimal, second in ((",", 1234), (".", 1.234)):
        found = scaffold.look(str(path), decimal=decimal).recordings
        np.testing.assert_array_equal(found.items[0].values[:2, 0], numbers(987, second))
    for plain in (["1.234", "12.345"] * 25, ["0.125", "7"] * 25, ["1.234", "12", "3.5"] * 20, ["1.234", "1000"] * 25):
        path = write(tmp_path / "b.csv", "t;v", range(len(plain)), plain)
        assert "thousands" not in notes(path) and scaffold.look(str(path)).settings == {"time": "t"}


def test_thousands_beside_decimal_commas_are_no_text(tmp_path: Path) -> None:
    commas = [f"{20 + i % 7},{i % 10}3" for i in range(50)]
    path = write(tmp_path / "a.csv", "t;sales;temp", range(50), THOUSANDS * 10, commas)
    found = scaffold.look(str(path))
    assert found.settings == {"decimal": ",", "thousands": ".", "time": "t"}
    np.testing.assert_array_equal(found.recordings.items[0].values[1], numbers(1234, 21.13))
    assert 'sales: holds numbers such as `987`; set `decimal: ","` and `thousands: "."`' in refused(path, decimal=",")
    signed = write(tmp_path / "b.csv", "t;v;w", range(50), [-(i % 7) for i in range(50)], commas)
    assert scaffold.look(str(signed)).settings == {"decimal": ",", "time": "t"}
    millions = write(tmp_path / "c.csv", "t;v", range(50), ["1.234.567", "987", "1.000", "5", "77"] * 10)
    assert scaffold.look(str(millions)).settings == {"decimal": ",", "thousands": ".", "time": "t"}


def test_points_beside_decimal_commas_are_no_text_either(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "t;v;w", range(50), [f"{i % 7},5" for i in range(50)], [i % 9 + 0.5 for i in range(50)]
    )
    assert 'w: holds numbers such as `0.5`; set `decimal: "."`, or list the channels' in refused(path, decimal=",")
    with pytest.raises(DataError, match='written in different ways: v: set `decimal: ","`; w: no setting'):
        scaffold.look(str(path))


def test_cells_of_two_units_are_refused(tmp_path: Path) -> None:
    percent = write(tmp_path / "a.csv", "t;v", range(5), ["1%", "0.02", "3%", "0", "0.04"])
    lines = refused(percent, symbols=["%"]).splitlines()
    assert [line.partition("a.csv: ")[2] for line in lines] == [
        f"row {row}: v: `{cell}` has no %, unlike other cells; write all numbers of a column in the same way"
        for row, cell in ((3, "0.02"), (6, "0.04"))
    ]
    money = write(tmp_path / "b.csv", "t;v", range(3), ["$10.0", "€10.5", "$11"])
    assert "row 3: v: `€10.5` has €, and other cells have $; a column has one unit" in refused(
        money, symbols=["$", "€"]
    )
    for path in (percent, money):
        with pytest.raises(DataError, match=r"unlike other cells|has one unit"):
            scaffold.look(str(path))


def test_amounts_without_a_sign_are_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "t;v", range(4), ["$10.0", "12", "$11", "$9"])
    found = reader.read(data(path, symbols=["$"]))
    np.testing.assert_array_equal(found.items[0].values[:, 0], numbers(10, 12, 11, 9))
    assert "v: `12` has no $, unlike other cells, and is read as the same unit" in found.notes
    assert "no <" not in notes(write(tmp_path / "b.csv", "t;v", range(3), ["<5", "7", ">90"]), symbols=["<", ">"])


@pytest.mark.parametrize("marker", ["-9999", "-999", "9999", "-99.99", "999.9", "-32768"])
@pytest.mark.parametrize("form", ["table", "melted", "wide", "parquet"])
def test_numbers_that_stand_for_nothing_are_noted(tmp_path: Path, marker: str, form: str) -> None:
    values = [float(marker) if i % 7 == 2 else 20 + i % 5 + i / 100 for i in range(40)]
    path, settings = tmp_path / "a.csv", dict[str, Any]()
    if form == "parquet":
        path = parquet(tmp_path / "a.parquet", t=[*range(40)], v=np.array(values, dtype=np.float32))
    elif form == "melted":
        settings = {"time": "t", "variable": "what", "value": "number"}
        write(path, "t;what;number", range(40), ["v"] * 40, values)
    elif form == "wide":
        settings = {"form": "wide", "channels": ["v"]}
        write(path, ";".join(map(str, range(10))), *(values[i::10] for i in range(10)))
    else:
        write(path, "t;v", range(40), values)
    said = f"v is {marker} in 6 rows, far from all other values (20 to 24.39); if that stands for a missing value, set "
    assert f"{said}`missing: [{marker}]`" in notes(path, **settings)
    found = reader.read(data(path, **settings, missing=[float(marker)]))
    assert all(np.nanmax(np.abs(item.values)) < 25 for item in found.items)
    assert not any("stands for" in note for note in found.notes)


@pytest.mark.parametrize(
    "values", [[99, *range(30)], [99, *range(90)] * 2, [9.99, 9.99, *range(3)], [999, 0] * 20, [-1, -1, *range(50)]]
)
def test_other_numbers_are_not_noted(tmp_path: Path, values: list[float]) -> None:
    assert "stands for" not in notes(write(tmp_path / "a.csv", "t;v", range(len(values)), values))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_words_such_as_na_are_names_where_names_are_expected(tmp_path: Path, kind: str) -> None:
    states = ["None"] * 4 + ["walk"] * 4 + ["null"] * 2 + [None] * 2
    whose, country = ["NA"] * 4 + ["b"] * 4 + ["c"] * 4, ["NA"] * 4 + ["None"] * 4 + ["DE"] * 4
    columns = {"who": whose, "country": country, "state": states, "v": [*map(str, range(11)), "NA"]}
    if kind == "csv":
        rows = [[cell or "" for cell in column] for column in columns.values()]
        path = write(tmp_path / "a.csv", ";".join(columns), *rows)
    else:
        path = parquet(tmp_path / "a.parquet", **columns)
    settings: dict[str, Any] = {"entity": "who", "label": "country", "step_label": "state", "static": []}
    found = reader.read(data(path, **settings))
    assert [item.entity for item in found.items] == ["NA", "b", "c"] and found.classes == ("DE", "NA", "None")
    assert found.step_classes == ("None", "null", "walk")
    assert np.concatenate([item.step_labels for item in found.items]).tolist() == [1] * 4 + [3] * 4 + [2] * 2 + [0] * 2
    assert np.isnan(found.items[2].values[:, 0]).tolist() == [False] * 3 + [True]
    said = 'state: `None` is a name like any other, in 4 rows; if it stands for nothing, set `missing: ["None"]`'
    assert said in found.notes and sum("name like any other" in note for note in found.notes) == 5
    assert reader.read(data(path, entity="who", static=["country"])).static == (
        "country=DE", "country=NA", "country=None",
    )  # fmt: skip
    without = reader.read(data(path, entity="who", static=["country"], missing=["None"])).items
    np.testing.assert_array_equal([item.static[0] for item in without], [0, np.nan, 1])
    assert "who: `NA` stands for nothing, so it is missing" in refused(path, entity="who", missing=["NA"])


def test_words_among_numbers_stand_for_nothing(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", "who;t;v;age", ["a", "a", "b", "b"], [0, 1, 0, 1], [1, "None", 3, 4], ["NA", "NA", 5, 5]
    )
    found = reader.read(data(path, entity="who", static=["age"]))
    np.testing.assert_array_equal(found.items[0].values[:, 0], numbers(1, None))
    np.testing.assert_array_equal([item.static[0] for item in found.items], [np.nan, 5])
    assert "name like any other" not in "".join(found.notes)


def test_labels_of_events_may_be_words_such_as_none(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{t},{t}\n" for t in range(9)))
    events = csv(tmp_path / "e.csv", "at,kind\n3,apnea\n5,None\n")
    around = {"path": str(events), "time": "at", "label": "kind", "before": 1, "after": 1}
    found = reader.read(data(path, events=around))
    assert found.classes == ("None", "apnea") and any("kind: `None` is a name" in note for note in found.notes)

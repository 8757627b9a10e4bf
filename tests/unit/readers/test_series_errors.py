"""What is said about series that cannot be used: where, what is wrong, what is accepted, all of it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from series_files import csv, data, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader


def problems(path: Path, **settings: Any) -> list[str]:
    """Lines of the error, without the folder's name."""
    with pytest.raises(DataError) as error:
        reader.read(data(path, **settings))
    return str(error.value).replace(f"{path.parent}/", "").splitlines()


CASES: dict[str, tuple[str, dict, list[str]]] = {
    "a text in numbers": (
        "v\n1\n2\nthree\n4\n",
        {},
        ["a.csv: row 4: v: `three` is no number; numbers, or nothing where missing, are accepted"],
    ),
    "lines of quoted cells and empty lines": (
        'note,v\n\n"two\nlines",1\nx,2\n\nx,1;5\nx,3\n',
        {},
        ["a.csv: row 7: v: `1;5` is no number"],
    ),
    "infinite numbers": (
        "v,w\n1,1\ninf,2\n2,1e40\n-Infinity,3\n",
        {},
        [
            "a.csv: row 3: v: `inf` is infinite, or too large for float32; finite numbers",
            "a.csv: row 5: v: `-Infinity` is infinite",
            "a.csv: row 4: w: `1e40` is infinite, or too large",
        ],
    ),
    "constant channels": (
        "v,w,x,y\n1,5,,3\n2,5,,4\n",
        {},
        [
            "a.csv: w: is constant (5 in every row); leave it out, as `channels: [v, y]` does",
            "a.csv: x: has no values; leave it out, as `channels: [v, y]` does",
        ],
    ),
    "no channel": ("a,b\nx,y\nz,w\n", {}, ["a.csv: has no column of numbers for a channel; its columns are a, b"]),
    "unknown columns": (
        "time,value\n1,2\n2,3\n",
        {"time": "tme", "channels": ["valeu"], "static": ["age"]},
        [
            "a.csv: time: unknown column `tme`; did you mean `time`? Accepted: time, value",
            "a.csv: static: unknown column `age`; accepted: time, value",
            "a.csv: channels: unknown column `valeu`; did you mean `value`?",
        ],
    ),
    "two roles": (
        "t,v\n1,2\n2,3\n",
        {"time": "t", "channels": ["v", "t"]},
        ["a.csv: t: is named in `time` and in `channels`; a column has one role"],
    ),
    "unknown units": ("v\n1\n2\n", {"units": {"V": "mV"}}, ["a.csv: units: unknown channel `V`; accepted: v"]),
    "times back and twice": (
        "who,t,v\na,1,1\na,3,2\na,2,3\na,4,4\nb,1,5\nb,2,6\nb,2,7\nb,3,8\n",
        {"entity": "who", "time": "t"},
        [
            "a.csv: row 4 (a): t: 2 is earlier than the row before; times must increase; set `sort_by_time: true`",
            "a.csv: row 8 (b): t: 2 is the time of the row before, too; times must increase",
        ],
    ),
    "times of entities that nobody named": (
        "who,t,v\na,2024-01-01,1\na,2024-01-02,2\nb,2024-01-01,1\nb,2024-01-02,2\n",
        {"time": "t"},
        [
            "a.csv: row 4: t: 2024-01-01 is earlier than the row before; times must increase; set `sort_by_time: "
            "true`, or `step` to average those of a cell; if the rows belong to several entities, name their column in "
            "`entity`"
        ],
    ),
    "newest first, unsaid": (
        "t,v\n3,1\n2,2\n1,3\n",
        {"time": "t"},
        ["a.csv: t: times are mostly decreasing; if the newest row comes first, set `newest_first: true`"],
    ),
    "newest first, untrue": (
        "t,v\n1,1\n2,2\n3,3\n",
        {"time": "t", "newest_first": True},
        ["a.csv: t: times are mostly increasing, and `newest_first: true` says they decrease"],
    ),
    "no times": (
        "t,v\n2024-01-01,1\n2024-13-02,2\n2024-02-30,3\n,4\n01.02.2024,5\n2024-03-01,6\n",
        {"time": "t"},
        [
            "a.csv: row 3: t: `2024-13-02` is no time; numbers or ISO timestamps as 2024-01-31T12:00:00 are accepted",
            "a.csv: row 4: t: `2024-02-30` is no time",
            "a.csv: row 5: t: is missing; numbers or ISO",
            "a.csv: row 6: t: `01.02.2024` is no time",
        ],
    ),
    "texts in numbers of time": (
        "t,v\n1,1\nlate,2\n3,3\n",
        {"time": "t"},
        ["a.csv: row 3: t: `late` is no time"],
    ),
    "time zones of some rows": (
        "t,v\n2024-01-01T00:00,1\n2024-01-01T01:00Z,2\n2024-01-01T02:00,3\n",
        {"time": "t"},
        ["a.csv: row 3: t: `2024-01-01T01:00Z` has a time zone, unlike other rows; give one to all or none"],
    ),
    "no time zones of some rows": (
        "t,v\n2024-01-01T00:00Z,1\n2024-01-01T01:00Z,2\n2024-01-01T02:00,3\n",
        {"time": "t"},
        ["a.csv: row 4: t: `2024-01-01T02:00` has no time zone, unlike other rows; give one to all or none"],
    ),
    "a step without a unit": (
        "t,v\n2024-01-01,1\n2024-01-02,2\n",
        {"time": "t", "step": 1},
        ["time_unit: auto: times are timestamps, and `step` must be counted in a unit; set `time_unit` to s, min"],
    ),
    "timestamps in steps": (
        "t,v\n2024-01-01,1\n2024-01-02,2\n",
        {"time": "t", "time_unit": "step"},
        ["time_unit: step: times are timestamps; s, min, h, d or auto are accepted"],
    ),
    "a step in another unit": (
        "t,v\n0,1\n1e12,2\n",
        {"time": "t", "step": 1},
        ["step: 1: makes a grid of 1,000,000,000,001 rows; check `step` and `time_unit`"],
    ),
    "timestamps without a role": (
        "stamp,v\n2024-01-01,1\n2024-01-02,2\n",
        {},
        ["a.csv: stamp: holds timestamps, and no time column was named; set `time: stamp`, or `time: none`"],
    ),
    "short series": (
        "who,v\na,1\nb,2\nb,3\n",
        {"entity": "who", "length": 3},
        [
            "a.csv: (a): has 1 step; a window has 3; leave it out, or use a smaller `length`, or keep it padded with "
            "`pad: true`",
            "a.csv: (b): has 2 steps",
        ],
    ),
    "series too short to pad": (
        "who,v\na,1\nb,2\n",
        {"entity": "who", "length": 3, "pad": True},
        ["a.csv: (a): has 1 step; two at least are needed; leave it out", "a.csv: (b): has 1 step"],
    ),
    "missing covariates": (
        "v,c\n1,1\n2,\n3,3\n",
        {"covariates": ["c"]},
        ["a.csv: row 3: c: is missing; a covariate must be known at every time"],
    ),
    "missing covariates of a grid": (
        "t,v,c\n0,1,1\n1,2,\n4,3,3\n",
        {"time": "t", "step": 1, "covariates": ["c"]},
        ["a.csv: (a): c: has no value at 3 of 5 times, first at 1; a covariate must be known at every time"],
    ),
    "missing entities": (
        "who,v\na,1\n,2\na,3\n",
        {"entity": "who"},
        ["a.csv: row 3: who: is missing; every row needs its entity"],
    ),
    "labels that change": (
        "who,v,kind\na,1,x\na,2,x\nb,1,x\nb,2,y\nb,3,x\nb,4,y\n",
        {"entity": "who", "label": "kind"},
        [
            "a.csv: row 5 (b): kind: `y`, and `x` in the entity's first row; a label must be the same in all rows of "
            "an entity; to label parts of a series, write their times and labels to a file and name it in `events`"
        ],
    ),
    "static columns that change": (
        "v,age\n1,20\n2,21\n",
        {"static": ["age"]},
        ["a.csv: row 3: age: `21`, and `20` in the entity's first row; a static column must be the same in all rows"],
    ),
    "missing labels": (
        "who,v,kind\na,1,x\na,2,x\nb,1,\nb,2,\n",
        {"entity": "who", "label": "kind"},
        ["a.csv: row 4 (b): kind: is missing; every entity needs its label"],
    ),
    "duplicate names": ("v,w,v\n1,2,3\n2,3,4\n", {}, ["a.csv: row 1: the header has `v` more than once"]),
    "no header": ("1.5,2\n2,3\n", {}, ["a.csv: row 1: the header holds numbers only; a first line with the columns'"]),
    "nothing": ("", {}, ["a.csv: is empty; a header and rows are needed"]),
    "a header only": ("v,w\n", {}, ["a.csv: is empty; a header and rows are needed"]),
    "rows of other lengths": (
        "v,w\n1,2\n3\n4,5\n6,7,8\n",
        {},
        ["a.csv: row 3: has 1 cell, and the header has 2", "a.csv: row 5: has 3 cells, and the header has 2"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_problems_are_told(tmp_path: Path, name: str) -> None:
    text, settings, expected = CASES[name]
    lines = problems(csv(tmp_path / "a.csv", text), **settings)
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = "who,t,v,w,c\na,1,1,5,\na,1,x,5,1\na,2,2,5,1\nb,9,3,5,1\n"
    lines = problems(csv(tmp_path / "a.csv", text), entity="who", time="t", covariates=["c"], length=3)
    assert [line.split(";")[0] for line in lines] == [
        "a.csv: row 3 (a): v: `x` is no number",
        "a.csv: w: is constant (5 in every row)",
        "a.csv: row 2 (a): c: is missing",
        "a.csv: row 3 (a): t: 1 is the time of the row before, too",
    ]


def test_twenty_problems_are_shown_and_every_kind_is(tmp_path: Path) -> None:
    rows = "".join(f"x{i},{i}\n" if i % 3 == 0 else f"{i},{i}\n" for i in range(300))
    lines = problems(csv(tmp_path / "a.csv", "v,w\n" + rows + "5,y\n"))
    assert len(lines) == 21
    assert lines[0].startswith("a.csv: row 2: v: `x0`") and lines[18].startswith("a.csv: row 56: v: `x54`")
    assert lines[19].startswith("a.csv: row 302: w: `y`")
    assert lines[20] == "and 81 more"


def test_melted_tables(tmp_path: Path) -> None:
    roles = {"entity": "who", "time": "t", "variable": "k", "value": "v"}
    path = csv(tmp_path / "a.csv", "who,t,k,v\na,0,hr,1\na,0,hr,2\na,1,hr,3\nb,0,hr,3\nb,0,bp,4\nb,3,bp,5\n")
    assert problems(path, **roles) == [
        "a.csv: row 3 (a): t: 0 has a value of hr already; one value a time is accepted, or `step` to average them"
    ]
    assert problems(path, **roles, channels=["HR"], covariates=["bp", "x"]) == [
        "a.csv: channels: unknown variable `HR`; accepted: hr, bp",
        "a.csv: covariates: unknown variable `x`; accepted: hr, bp",
    ]
    path = csv(tmp_path / "b.csv", "who,t,k,v\na,0,hr,1\na,1,,2\na,x,hr,z\na,3,hr,4\na,4,hr,5\n")
    assert [line.split(";")[0] for line in problems(path, **roles)] == [
        "b.csv: row 3: k: is missing",
        "b.csv: row 4: v: `z` is no number",
        "b.csv: row 4: t: `x` is no time",
    ]


def test_wide_tables(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "id,0,1,2\na,1,2,3\na,4,5,6\n")
    assert problems(path, form="wide", entity="id") == [
        "a.csv: row 2: id: occurs more than once; form wide has one row an entity",
        "a.csv: row 3: id: occurs more than once; form wide has one row an entity",
    ]
    path = csv(tmp_path / "b.csv", "0,1,2\n1,2,3\n,,\n4,x,\n")
    assert [line.split(";")[0] for line in problems(path, form="wide", length=3)] == [
        "b.csv: row 4 (series 3): 1: `x` is no number",
    ]
    path = csv(tmp_path / "c.csv", "id,0,1,2\n,4,5,6\n")
    assert problems(path, form="wide", entity="id", length=3) == [
        "c.csv: row 2: id: is missing; every row needs its entity"
    ]


def test_static_tables(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "who,v\na,1\na,2\nb,3\nb,4\nc,1\nc,2\n")
    static = csv(tmp_path / "s.csv", "who,size,kind\na,1,x\na,2,y\nb,big,\n")
    settings = {"entity": "who", "static_table": str(static)}
    assert problems(path, **settings, static=["sise"], label="kind") == [
        "s.csv: static: unknown column `sise`; did you mean `size`? Accepted: who, size, kind"
    ]
    assert problems(path, **settings, static=["size"], label="kind") == [
        "s.csv: row 3 (a): who: has a row already; one row an entity is needed",
        "s.csv: who: has no row for `c`, whose series is in a.csv",
        "s.csv: row 4 (b): size: `big` is no number; numbers, or nothing where missing, are accepted",
        "s.csv: row 4 (b): kind: is missing; every entity needs its label",
    ]


def test_static_columns_of_many_texts(tmp_path: Path) -> None:
    rows = [f"e{e},{t},name {e}" for e in range(300) for t in range(2)]
    path = csv(tmp_path / "a.csv", "\n".join(["who,v,name", *rows]))
    assert problems(path, entity="who", static=["name"]) == [
        "a.csv: name: has 300 different texts; a static column is a number, or text of at most 256 values"
    ]


def test_events(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "who,t,v\n" + "".join(f"{who},{t},{t}\n" for who in "ab" for t in range(5)))
    events = csv(tmp_path / "e.csv", "who,at,kind\na,9,x\nc,1,x\nb,-1,x\nb,2,y\nb,soon,x\n")
    around = {"path": str(events), "time": "at", "label": "kind", "before": 1, "after": 1}
    settings = {"entity": "who", "time": "t"}
    assert problems(path, **settings, events={**around, "label": "kin"}) == [
        "e.csv: events.label: unknown column `kin`; did you mean `kind`? Accepted: who, at, kind",
        "e.csv: events.entity: is needed, because there are 2 entities; name the column that says whose event it is",
    ]
    assert problems(path, **settings, events={**around, "entity": "who", "classes": ["x", "Y"]}) == [
        "e.csv: events.classes: unknown label `Y`; accepted: x, y",
        "e.csv: row 3 (c): who: has no series in a.csv",
        "e.csv: row 6 (b): at: `soon` is no time; numbers or ISO timestamps as 2024-01-31T12:00:00 are accepted",
        "e.csv: row 2 (a): at: 9 lies outside of the series, which is from 0 to 4",
        "e.csv: row 4 (b): at: -1 lies outside of the series, which is from 0 to 4",
    ]
    stamps = csv(tmp_path / "f.csv", "who,at,kind\na,2024-01-01,x\n")
    assert problems(path, **settings, events={**around, "path": str(stamps), "entity": "who"}) == [
        "f.csv: at: holds timestamps without time zones, and a.csv numbers; both must be alike"
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, expected in (
        ("x.csv", "no such file or folder"),
        ("y.xlsx", "no such file or folder"),
        ("", "files are"),
    ):
        with pytest.raises(DataError, match=expected):
            reader.read(data(tmp_path / name))
    with pytest.raises(DataError, match=r"\.csv, \.tsv, \.parquet files are read"):
        reader.read(data(csv(tmp_path / "a.xlsx", "v\n1\n")))
    (tmp_path / "b.parquet").write_bytes(b"nonsense")
    assert problems(tmp_path / "b.parquet")[0].startswith("b.parquet: cannot be read as a Parquet file")
    (tmp_path / "c.csv").write_bytes(b"v\n1\n\xff\xfe\n")
    assert problems(tmp_path / "c.csv")[0].startswith("c.csv:3: the byte 0xff is no UTF-8")


def test_files_of_a_folder_must_have_the_same_columns(tmp_path: Path) -> None:
    csv(tmp_path / "x" / "a.csv", "v,w\n1,2\n2,3\n")
    csv(tmp_path / "x" / "b.csv", "w,v\n1,2\n2,3\n")
    with pytest.raises(DataError, match=r"b\.csv: has the columns w, v, and a\.csv has v, w; all files"):
        reader.read(data(tmp_path / "x"))
    csv(tmp_path / "x" / "b.csv", "v,w\n1,2\n2,x\n3,x\n3,3\n")
    with pytest.raises(DataError, match=r"x/b\.csv: row 3 \(b\): w: `x` is no number"):
        reader.read(data(tmp_path / "x", channels=["v", "w"]))
    parquet(tmp_path / "x" / "c.parquet", v=[1], w=[2])
    with pytest.raises(DataError, match="holds files of several kinds"):
        reader.read(data(tmp_path / "x"))


def test_rows_of_parquet_files_count_from_one(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", v=["1", "x", "3"], w=[1.0, 2.0, float("inf")])
    assert [line.split(";")[0] for line in problems(path)] == [
        "a.parquet: row 2: v: `x` is no number",
        "a.parquet: row 3: w: `inf` is infinite, or too large for float32",
    ]


def test_events_without_a_label_are_told(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{t},{t}\n" for t in range(9)))
    events = csv(tmp_path / "e.csv", "at,kind\n3,apnea\n5,\n")
    around = {"path": str(events), "time": "at", "label": "kind", "before": 1, "after": 1}
    assert problems(path, time="t", events=around) == [
        "e.csv: row 3: kind: is missing; every event needs its label, or name those that count in `events.classes`"
    ]
    assert len(reader.read(data(path, time="t", events={**around, "classes": ["apnea"]})).items) == 1

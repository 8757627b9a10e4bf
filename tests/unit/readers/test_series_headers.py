"""What a file of series holds beside series: no header, columns without a name, lists, hidden files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from series_files import csv, data, parquet
from synthgen.errors import DataError
from synthgen.readers.series import reader, scaffold

ROWS = [(f"2024-01-{1 + i // 24:02d} {i % 24:02d}:00:00", i * i % 17) for i in range(120)]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01 00:00:00,20.13\n2024-01-01 01:00:00,21.1\n",
        "2024-01-01 00:00:00,20.13,ok\n2024-01-01 01:00:00,21.1,ok\n",
        "01/02/2024;20,13\n02/02/2024;21,1\n",
        "23:00,5\n23:30,6\n",
        "0,2.0130e+01,4.0260e+01\n1,2.1e+01,4.2e+01\n",
        "0;20,13;40,26\n1;21,1;42,2\n",
        "0,512,498\n1,511,497\n",
        "512\n498\n",
        "1\t-1.2e-01\t3.4E+00\n2\t0.1\t0.2\n",
    ],
)
@pytest.mark.parametrize("form", ["table", "wide"])
def test_a_first_line_of_data_is_no_header(tmp_path: Path, text: str, form: str) -> None:
    path = csv(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=r"row 1: the header holds .*; a first line with the columns' names is needed"):
        reader.read(data(path, form=form))
    with pytest.raises(DataError, match="row 1: the header holds"):
        scaffold.look(str(path))


@pytest.mark.parametrize(
    "header",
    ["0,1,2,3", ",0,1,2", "id,10,20,30", "0", "2000,2001,2002", "id,2024-01-01,2024-01-02", "id,1/22/20,1/23/20"],
)
def test_names_of_steps_are_a_header(tmp_path: Path, header: str) -> None:
    n = header.count(",") + 1
    rows = "\n".join(",".join(str(i + 10 * j) for j in range(n)) for i in range(4))
    path = csv(tmp_path / "a.csv", f"{header}\n{rows}\n")
    named = {"entity": "id"} if "id" in header else {}
    if n > 1:
        assert len(reader.read(data(path, form="wide", **named))) == 4
    else:
        assert reader.read(data(path)).channels[0].name == "0"


def test_an_index_of_timestamps_without_a_name_is_the_time(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", ",value\n" + "".join(f"{stamp},{value}\n" for stamp, value in ROWS[::-1]))
    with pytest.raises(DataError, match=r"unnamed column 1: holds timestamps, .*set `time: unnamed column 1`"):
        reader.read(data(path))
    found = scaffold.look(str(path))
    assert found.settings == {"time": "unnamed column 1", "newest_first": True}
    np.testing.assert_array_equal(found.recordings.items[0].values[:, 0], [value for _, value in ROWS])


def test_row_numbers_without_a_name_are_dropped_and_other_columns_are_named(tmp_path: Path) -> None:
    numbered = csv(tmp_path / "a.csv", ",v,\n0,1,\n1,2,\n2,7,\n")
    assert reader.read(data(numbered)).roles == {"channels": "v"}
    found = reader.read(data(csv(tmp_path / "b.csv", "t,v,,\n1,2,77,\n2,3,78,\n3,9,79,\n")))
    assert found.roles["left out"] == "unnamed column 3 (numbers, such as `77`)"
    assert [one.name for one in found.channels] == ["v"]
    path = csv(tmp_path / "c.csv", "Unnamed: 0,v\n5,1\n3,2\n9,7\n")
    assert reader.read(data(path)).roles == {"channels": "v", "left out": "Unnamed: 0 (numbers, such as `5`)"}
    assert scaffold.look(str(path)).channels == ["v"]
    assert len(reader.read(data(path, channels=["Unnamed: 0", "v"])).channels) == 2


def test_files_of_a_folder_may_have_different_columns_without_a_name(tmp_path: Path) -> None:
    csv(tmp_path / "x" / "a.csv", ",v\n0,1\n1,2\n2,4\n")
    csv(tmp_path / "x" / "b.csv", ",v,\n0,1,\n4,2,\n9,4,\n")
    found = reader.read(data(tmp_path / "x"))
    assert [len(item) for item in found.items] == [3, 3] and [one.name for one in found.channels] == ["v"]


def test_hidden_files_of_a_folder_are_no_entities(tmp_path: Path) -> None:
    csv(tmp_path / "a.csv", "t,v\n1,2\n2,3\n3,4\n")
    csv(tmp_path / ".backup.csv", "t,v\n1,9\n2,9.5\n3,8\n")
    (tmp_path / "._a.csv").write_bytes(b"\0\5\x16\7Mac OS X")
    (tmp_path / "__MACOSX").mkdir()
    assert [item.entity for item in reader.read(data(tmp_path)).items] == ["a"]
    assert scaffold.scaffold_of(tmp_path, {}) is not None


@pytest.mark.parametrize("cell", [[1.0, 2.0], {"a": 1}])
def test_lists_and_structures_are_left_out(tmp_path: Path, cell: object) -> None:
    path = parquet(tmp_path / "a.parquet", t=[*range(30)], v=[i * i % 17 for i in range(30)], run_id=[cell] * 30)
    found = reader.read(data(path))
    assert found.roles["left out"] == f"run_id (lists or structures, such as `{cell}`)"
    assert scaffold.look(str(path)).settings == {"time": "t"}
    with pytest.raises(DataError, match="run_id: holds lists or structures; columns of texts or numbers are accepted"):
        reader.read(data(path, entity="run_id"))
    with pytest.raises(DataError, match=r"run_id: .* is no number"):
        reader.read(data(path, channels=["run_id"]))

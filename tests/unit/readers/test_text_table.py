"""Text tables: what is read of files as people save them, and what is said of those that cannot be read rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import TextTable, load_lines, load_table


def table(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> TextTable:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_csv_as_programs_write_it(tmp_path: Path, delimiter: str, start: str, end: str) -> None:
    lines = [["id", "text"], ["1", f'"a{delimiter} ""b""\n\u2028c"'], [], ["2", "d\x0ce\u0085f"]]
    found = table(tmp_path, start + end.join(delimiter.join(line) for line in lines) + end)
    assert found.columns == ("id", "text")
    assert [row["text"] for row in found.rows] == [f'a{delimiter} "b"\n\u2028c', "d\x0ce\u0085f"]
    assert found.lines == (2, 5)
    assert list(found.rows_by("id")) == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("Zeit;Temperatur, \u00b0C;Druck, hPa\n00:00;20,13;1020,13\n01:00;20,15;1020,1\n", 3),
        ("text, de;label\nHallo Welt, wie gehts;gruss\n", 2),
        ("a,b;c\n1,2\n3,4\n", 2),
        ("a,b\n1;2,3\n", 2),
    ],
)
def test_commas_in_names_separate_nothing(tmp_path: Path, content: str, columns: int) -> None:
    assert len(table(tmp_path, content).columns) == columns


def test_json_lines_and_their_places(tmp_path: Path) -> None:
    found = table(tmp_path, '\ufeff{"id": 1, "text": "a\u2028b"}\r\n\r\n{"id": 2}\r\n', "t.JSONL")
    assert found.columns == ("id", "text") and found.lines == (1, 3)
    assert found.rows_by("id") == {"1": {"id": 1, "text": "a\u2028b"}, "2": {"id": 2}}
    problems = Problems()
    assert found.texts("text", problems) == ["a\u2028b", ""]
    with pytest.raises(DataError, match=r"t\.JSONL:3: text: is empty"):
        problems.check()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", "a,b\n1,2\n".encode("utf-16"), "is text in UTF-16, as spreadsheets save it; save it as UTF-8"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), "t.csv:1: holds a NUL character"),
        (
            "t.csv",
            "a,b\n1,é\n".encode("latin-1"),
            "t.csv:2: the byte 0xe9 is no UTF-8; the file may be in Windows",
        ),
        ("t.csv", b"a,b\n1,2\n3,\x00\n", "t.csv:3: holds a NUL character"),
        ("t.csv", b"a,b\n1\n2,3,4\n", "t.csv:2: has 1 value, and the header has 2 columns"),
        ("t.csv", b"a,b\n1\n2,3,4\n", "t.csv:3: has 3 values, and the header has 2 columns"),
        ("t.csv", b"a,b,a\n1,2,3\n", "t.csv:1: the header has `a` more than once"),
        ("t.csv", b"\n\n", "is empty; a first line with the names of the columns is needed"),
        ("t.csv", b'a,b\n1,2\n1,"x\n2,3\n', "t.csv:3: from here on it is no CSV: unexpected end of data"),
        ("t.csv", b"a,b\n1," + b"x" * 200_000, "t.csv:2: from here on it is no CSV: field larger than field limit"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n[1]\n', "t.jsonl:2: is no JSON"),
        ("t.jsonl", b'{"a": 1}\n{"a": \n[1]\n', "t.jsonl:3: holds a list; every line must be one JSON object"),
        ("t.jsonl", b'{"a": 1, "a": 2}\n', "t.jsonl:1: is no JSON: `a` occurs twice in an object"),
        ("t.jsonl", b'{"a": "\\ud83d"}\n', "t.jsonl:1: 'a': holds half a character"),
        ("t.jsonl", b"[" * 100_000, "t.jsonl:1: is no JSON"),
        ("t.parquet", b"PAR1", "cannot be read as a Parquet file"),
    ],
)
def test_files_that_cannot_be_read_rightly(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, content, name)
    assert told in str(error.value)


def test_all_problems_at_once_up_to_twenty(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, "a,b\n" + "1\n" * 30)
    lines = str(error.value).splitlines()
    assert len(lines) == 21 and lines[-1] == "and 10 more"


def test_keys_are_unique_and_there(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        table(tmp_path, "id,x\na,1\n,2\na,3\n").rows_by("id")
    assert "t.csv:3: id: is empty" in str(error.value)
    assert "t.csv:4: id: `a` has a row already" in str(error.value)
    with pytest.raises(DataError, match="unknown column `id`; did you mean `idx`"):
        table(tmp_path, "idx\na\n").rows_by("id")
    with pytest.raises(DataError, match="has no rows"):
        table(tmp_path, "id\n").rows_by("id")


def test_lines_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("\ufeff a\u2028b \r\n\n\x0c\nc\rd".encode())
    assert load_lines(path) == ["a\u2028b", "c", "d"]
    path.write_bytes("ü".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.txt:1: the byte 0xfc is no UTF-8"):
        load_lines(path)

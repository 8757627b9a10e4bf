"""Texts from tables: what is read of CSV, TSV, JSON and Parquet as programs write them, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.errors import DataError
from synthgen.readers.texts.reader import read
from text_files import data, problems, read_file, write

ODD = "a\u2028b\u2029c\u0085d\x0ce\x0bf\x1cg"
"""Characters at which `str.splitlines` breaks, and no file format does."""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(("name", "mark"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t")])
def test_tables_in_any_encoding_and_with_any_line_end(
    tmp_path: Path, end: str, encoding: str, name: str, mark: str
) -> None:
    lines = [f"text{mark}label", f"{ODD}{mark}x", "", f"größer \U0001f600{mark}y", "", ""]
    found = read_file(tmp_path, name, end.join(lines).encode(encoding))
    assert found.kind == "utterances"
    assert found.texts["text"] == (ODD, "größer \U0001f600")
    assert found.classes == ("x", "y") and found.labels is not None and found.labels.tolist() == [0, 1]
    assert [found.where(i) for i in range(2)] == [f"{tmp_path}/{name}:2", f"{tmp_path}/{name}:4"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_json_lines_break_at_line_ends_alone(tmp_path: Path, end: str) -> None:
    rows = [json.dumps({"text": text, "label": "x"}, ensure_ascii=False) for text in (ODD[:9], "b")]
    found = read_file(tmp_path, "t.jsonl", "\ufeff" + end.join([rows[0], "", rows[1], "", ""]))
    assert found.texts["text"] == (ODD[:9], "b")
    assert found.lines.tolist() == [1, 3]


def test_quoted_cells_hold_line_ends_and_quotes(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", 'text,label\n"a, ""b""\r\nc",x\nd,y\n')
    assert found.texts["text"] == ('a, "b"\r\nc', "d")
    assert found.lines.tolist() == [2, 4]


def test_quotes_of_a_tsv_are_text_unless_all_of_them_are_needed(tmp_path: Path) -> None:
    literal = read_file(tmp_path, "a.tsv", 'text\tlabel\n"O" is for outlaw\tx\n"Weird Al"\ty\nsplit 7"\tx\n')
    assert literal.texts["text"] == ('"O" is for outlaw', '"Weird Al"', 'split 7"')
    assert any("`quotes: true` reads them as marks" in note for note in literal.notes)
    needed = read_file(tmp_path, "b.tsv", 'text\tlabel\n"Say ""aah."""\tx\n"a\tb\nc"\ty\n')
    assert needed.texts["text"] == ('Say "aah."', "a\tb\nc")
    everywhere = read_file(tmp_path, "c.tsv", '"text"\t"label"\r\n"a"\t"x"\r\n')
    assert everywhere.texts["text"] == ("a",) and everywhere.classes == ("x",)
    asked = read_file(tmp_path, "d.tsv", 'text\tlabel\n"Weird Al"\ty\n', quotes=True)
    assert asked.texts["text"] == ("Weird Al",)
    kept = read_file(tmp_path, "e.tsv", 'text\tlabel\n"Say ""aah."""\tx\n', quotes=False)
    assert kept.texts["text"] == ('"Say ""aah."""',)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_a_tsv_written_by_the_csv_module_is_read_back(tmp_path: Path, quoting: int) -> None:
    rows = [("text", "label"), ('"a"', "x"), ("b\tc", "y"), ('d "e" f', "z"), ("g\nh", "x")]
    with open(tmp_path / "t.tsv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter="\t", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    assert read(data(tmp_path / "t.tsv")).texts["text"] == tuple(text for text, _ in rows[1:])


def test_cells_longer_than_the_csv_module_lets_pass(tmp_path: Path) -> None:
    long = "x" * 200_000
    before = csv.field_size_limit()
    assert read_file(tmp_path, "t.csv", f'text,label\n"{long}",a\n').texts["text"] == (long,)
    assert csv.field_size_limit() == before


def test_json_arrays_have_lines(tmp_path: Path) -> None:
    rows = [{"text": "a\u2028", "label": "x"}, {"text": "b", "label": 3}]
    found = read_file(tmp_path, "t.json", json.dumps(rows, indent=1, ensure_ascii=False))
    assert found.texts["text"] == ("a\u2028", "b") and found.classes == ("3", "x")
    assert found.lines.tolist() == [2, 6]


def test_parquet_reads_only_what_it_needs(tmp_path: Path) -> None:
    table = pa.table(
        {"text": pa.array(["a", "b"]).dictionary_encode(), "label": ["x", "y"], "embedding": [[1.0], [2.0]]}
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = read(data(tmp_path / "t.parquet"))
    assert found.texts["text"] == ("a", "b")
    assert found.where(1) == f"{tmp_path}/t.parquet: row 2"


def test_parquet_says_the_names_of_classes(tmp_path: Path) -> None:
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, 1]})
    for name, metadata in {"a": json.dumps({"info": {"features": features}}), "b": "[", "c": "[3]"}.items():
        pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), tmp_path / f"{name}.parquet")
    assert read(data(tmp_path / "a.parquet")).classes == ("no", "yes")
    assert read(data(tmp_path / "b.parquet")).classes == ("0", "1")
    assert read(data(tmp_path / "c.parquet")).classes == ("0", "1")
    unknown = pa.table({"text": ["a", "b"], "label": [0, -1]}, metadata=pq.read_schema(tmp_path / "a.parquet").metadata)
    pq.write_table(unknown, tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"d\.parquet: row 2: label: is missing, and a class is needed"):
        read(data(tmp_path / "d.parquet"))


WRONG: list[tuple[str, str | bytes, list[str]]] = [
    ("t.csv", "text,label\nå,x\n".encode("latin-1"), ["t.csv:2: the byte 0xe5 is no UTF-8"]),
    ("t.csv", b"text,label\na\x00,x\n", ["t.csv:2: holds a NUL character"]),
    ("t.csv", "text,label\na,x\n".encode("utf-16-le"), ["t.csv:1: holds a NUL character"]),
    ("t.csv", "text,text,label\na,b,x\n", ["t.csv:1: the header has `text` more than once"]),
    ("t.csv", "text,label\na\nb,x,y\n", ["t.csv:2: has 1 cell, and the header has 2", "t.csv:3: has 3 cells"]),
    ("t.tsv", "text\tlabel\na\nb\tx\ty\n", ["t.tsv:2: has 1 cell, and the header has 2", "t.tsv:3: has 3 cells"]),
    ("t.csv", 'text,label\na,x\n"b,y\nc,z\n', ["t.csv:3: from here on it is no CSV"]),
    ("t.csv", "text,label\n", ["t.csv: has a header and no records"]),
    ("t.csv", "\n \n", ["t.csv: is empty"]),
    ("t.csv", "text,label\n ,x\nb,\n", ["t.csv:2: text: is empty", "t.csv:3: label: is empty"]),
    ("t.jsonl", '{"text": 3, "label": "x"}\n', ["t.jsonl:1: text: holds a number"]),
    ("t.jsonl", '{"text": true, "label": 1.5}\n', ["t.jsonl:1: text: holds true or", "t.jsonl:1: label: holds a num"]),
    ("t.jsonl", '{"text": "a", "label": "x"}\n{"label": "x"}\n', ["t.jsonl:2: text: is missing"]),
    ("t.jsonl", '{"text": "a\\u0000", "label": "x"}\n', ["t.jsonl:1: text: holds a NUL character"]),
    ("t.jsonl", '{"text": "\\ud83d", "label": "x"}\n', ["holds half a character"]),
    ("t.jsonl", '{"text": "a", "text": "b", "label": "x"}\n', ["`text` occurs twice in an object"]),
    ("t.jsonl", '{"text": "a"\n[1]\n', ["t.jsonl:1: is no JSON", "t.jsonl:2: holds a list"]),
    ("t.json", '[{"text": "a", "label": "x"},\n {"text": "b" "label"}]', ["t.json:2: is no JSON"]),
    ("t.json", '[{"text": "a", "label": "x"}\n', ["t.json:2: is no JSON: a comma or ] is missing"]),
    (
        "t.json",
        '[{"text": "a", "label": "x"},\n {"text": "\\uDC00", "label": "x"}]',
        ["t.json:2: '\\udc00' holds half"],
    ),
    ("t.json", '[{"text": "a", "label": "x"}]\n1', ["t.json:1: is no JSON: something follows"]),
    ("t.json", '{"text": "a"}', ["t.json: holds an object; an array of objects is read"]),
    ("t.json", "[" * 100_000, ["t.json:1: is no JSON: it is nested too deeply"]),
    ("t.parquet", b"PAR1", ["t.parquet: cannot be read as a Parquet file"]),
]


@pytest.mark.parametrize(("name", "content", "said"), WRONG)
def test_files_that_cannot_be_read_rightly(tmp_path: Path, name: str, content: str | bytes, said: list[str]) -> None:
    found = problems(tmp_path, name, content)
    assert len(found) == len(said)
    for text, start in zip(found, said, strict=True):
        assert start in text


def test_at_most_twenty_problems_are_shown(tmp_path: Path) -> None:
    found = problems(tmp_path, "t.csv", "text,label\n" + "a\n" * 30)
    assert len(found) == 21 and found[-1] == "and 10 more"


def test_an_encoding_that_is_set(tmp_path: Path) -> None:
    content = "text,label\nnaïve,x\n".encode("windows-1252")
    assert read_file(tmp_path, "a.csv", content, encoding="windows-1252").texts["text"] == ("naïve",)
    marked = "text,label\nnaïve,x\n".encode("utf-8-sig")
    assert read_file(tmp_path, "b.csv", marked, encoding="windows-1252").texts["text"] == ("naïve",)
    found = problems(tmp_path, "c.csv", "text,label\nok,x\nnaïve,x\n".encode("latin-1"), encoding="ascii")
    assert found == [
        "c.csv:3: the byte 0xef (number 19 of the file) is no ascii; set `encoding` to what the file is in"
    ]
    with pytest.raises(ValueError, match="is none that Python knows"):
        data(write(tmp_path, "d.csv", ""), encoding="klingon")


def test_composed_and_decomposed_letters_stay_as_they_are(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", "text,label\ncafe\u0301,x\ncaf\u00e9,x\n")
    assert found.texts["text"] == ("cafe\u0301", "caf\u00e9")
    assert "1 of 2 records repeat an earlier one" in found.notes

"""`use: prompt-file`: prompts and what goes with them, from three kinds of file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthgen.conditions.prompt_file import PromptFile
from synthgen.errors import DataError

ROWS = {"text": ["a cat, asleep", "a dog", "two\ncats"], "animal": ["cat", "dog", "cat"], "seen": ["indoors", "", "x"]}
CSV = 'text,animal,seen\n"a cat, asleep",cat,indoors\na dog,dog,\n"two\ncats",cat,x\n'


def prompts(path: Path, **settings: Any) -> PromptFile:
    return PromptFile(PromptFile.Config.model_validate({"path": str(path), **settings}))


@pytest.fixture(params=["csv", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"prompts.{request.param}"
    if request.param == "csv":
        path.write_text(CSV, encoding="utf-8")
    else:
        pq.write_table(pa.table(ROWS), path)
    return path


def test_rows_come_in_order_and_again(table: Path) -> None:
    part = prompts(table, column="text", label="animal")
    assert part.samples == 3 and list(part.fields) == ["label", "prompt", "seen"]
    rows = [part.condition(i)[0] for i in range(6)]
    assert [row["prompt"] for row in rows] == ROWS["text"] * 2
    assert [part.fields["label"].classes[row["label"]] for row in rows[:3]] == ROWS["animal"]
    assert [row["seen"] for row in rows[:3]] == ROWS["seen"]
    assert part.condition(1)[1] == part.condition(4)[1], "the same prompt stays in one split"


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeffa cat\n\n  a dog \n", encoding="utf-8")
    part = prompts(path)
    assert [part.condition(i)[0] for i in range(2)] == [{"prompt": "a cat"}, {"prompt": "a dog"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.txt", None, "no such file"),
        ("a.json", "{}", "no such file; a .txt, .csv, .tsv, .jsonl, .parquet file"),
        ("a.txt", "\n", "holds no prompts"),
        ("a.csv", "", "is empty"),
        ("a.csv", "promt\na cat\n", "did you mean `promt`"),
        ("a.csv", "prompt,kind\na cat\n", r"a\.csv:2: has 1 value, and the header has 2 columns"),
        ("a.csv", "prompt,kind\n,x\na,y\n", r"a\.csv:2: prompt: is empty"),
        ("a.parquet", "no table", "cannot be read as a Parquet file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        prompts(tmp_path / name)


def test_what_ends_a_line_in_an_editor_ends_a_prompt(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("a cat\u2028asleep\r\na\u0085dog\ra\x0cbird\n".encode())
    part = prompts(path)
    found = [part.condition(i)[0]["prompt"] for i in range(part.samples)]
    assert found == [
        "a cat\u2028asleep",
        "a\u0085dog",
        "a\x0cbird",
    ]


def test_labels_that_are_missing_or_no_names(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"prompt": ["a", "b", "c"], "kind": [1, None, 2]}), path)
    with pytest.raises(DataError, match=r"p\.parquet: row 2: kind: is empty"):
        prompts(path, label="kind")
    pq.write_table(pa.table({"prompt": ["a", "b", "c"], "kind": [1, 0, 2]}), path)
    assert prompts(path, label="kind").fields["label"].classes == ("0", "1", "2")
    pq.write_table(pa.table({"prompt": ["a", "b"], "seen": [[1.0], [2.0]]}), path)
    with pytest.raises(DataError, match=r"row 1: seen: holds a list, which cannot go along"):
        prompts(path)
    pq.write_table(pa.table({"prompt": [["a", "b"], ["c"]]}), path)
    with pytest.raises(DataError, match=r"row 1: prompt: holds a list, and a text is needed; write a row for each"):
        prompts(path)

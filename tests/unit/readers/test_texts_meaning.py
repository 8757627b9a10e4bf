"""What records of texts are taken for: kinds and columns by settings and by names, and who claims a section `data`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthgen.errors import DataError
from synthgen.readers import origin
from synthgen.readers.texts.reader import TextData, read, sha256
from text_files import data, problems, read_file, write

FOUND: list[tuple[str, str, dict[str, str]]] = [
    ("Utterance,Intent", "utterances", {"text": "Utterance", "label": "Intent"}),
    ("source,target", "pairs", {"source": "source", "target": "target"}),
    ("subject,relation,answer", "facts", {"subject": "subject", "relation": "relation", "answer": "answer"}),
    (
        "subject,predicate,object,question",
        "facts",
        {"subject": "subject", "relation": "predicate", "answer": "object", "question": "question"},
    ),
    ("question,answer", "questions", {"question": "question", "answers": "answer"}),
    ("passage,question,answers", "questions", {"context": "passage", "question": "question", "answers": "answers"}),
    ("prompt,completion", "dialogues", {"prompt": "prompt", "completion": "completion"}),
]


@pytest.mark.parametrize(("header", "kind", "roles"), FOUND)
def test_kinds_are_found_from_the_names_of_columns(
    tmp_path: Path, header: str, kind: str, roles: dict[str, str]
) -> None:
    row = ",".join("abcd"[: header.count(",") + 1])
    found = read_file(tmp_path, "t.csv", f"{header}\n{row}\n")
    assert found.kind == kind and dict(found.roles) == roles


def test_an_ambiguous_file_lists_what_it_could_be(tmp_path: Path) -> None:
    assert problems(tmp_path, "a.csv", "text,label,question,answer\na,b,c,d\n") == [
        "a.csv: could hold utterances or questions; set `kind`, or name the columns in `columns`:",
        "  `kind: utterances` with text: text, label: label",
        "  `kind: questions` with question: question, answers: answer",
    ]
    assert problems(tmp_path, "b.csv", "text\na\n")[0] == (
        "b.csv: could hold utterances or passages; set `kind`, or name the columns in `columns`:"
    )
    assert read(data(tmp_path / "b.csv", kind="passages")).kind == "passages"
    two = problems(tmp_path, "c.tsv", "Go.\tGeh.\n")
    assert [line.split(" with ")[0].strip() for line in two[1:4]] == [
        f"`kind: {kind}`" for kind in ("utterances", "pairs", "questions")
    ]
    assert "`header: true` makes it the names of the columns" in two[-1]


def test_what_no_kind_fits_lists_what_kinds_need(tmp_path: Path) -> None:
    found = problems(tmp_path, "t.csv", "a,b\n1,2\n")
    assert found[0] == "t.csv: has the columns a, b; name those that are meant in `columns`:"
    assert "  pairs: `source` and `target` (or `languages`, where columns are called as languages)" in found
    assert len(found) == 8 and found[-1] == "  if its first line is a record, set `header: false`"
    asked = problems(tmp_path, "u.csv", "a,b\n1,2\n", kind="facts")
    assert asked[1:] == ["  facts: `subject` and `relation` and `answer` (`question` if there are any)", found[-1]]


def test_columns_are_named_by_settings(tmp_path: Path) -> None:
    content = "a,b,c\nhi,x,1\nho,y,2\n"
    found = read_file(tmp_path, "t.csv", content, columns={"text": "a", "label": "b"}, group="c")
    assert found.kind == "utterances" and found.classes == ("x", "y")
    assert problems(tmp_path, "t.csv", content, columns={"text": "A", "label": "d"}, group="e") == [
        "t.csv: columns: text: unknown column `A`; accepted: a, b, c",
        "t.csv: columns: label: unknown column `d`; accepted: a, b, c",
        "t.csv: group: unknown column `e`; accepted: a, b, c",
    ]
    labelled = read_file(tmp_path, "u.csv", "source,target,topic\na,b,x\n", columns={"label": "topic"})
    assert labelled.kind == "pairs" and labelled.classes == ("x",)


def test_files_without_a_header(tmp_path: Path) -> None:
    pairs = read_file(tmp_path, "a.tsv", "Go.\tGeh.\tby me\n", languages=["en", "de"])
    assert pairs.texts == {"source": ("Go.",), "target": ("Geh.",)} and pairs.languages == ("en", "de")
    assert pairs.notes[0].startswith("a.tsv: the first line is taken as a record")
    turned = read_file(tmp_path, "b.csv", "Geh.,Go.\n", columns={"source": 2, "target": 1})
    assert turned.texts == {"source": ("Go.",), "target": ("Geh.",)}
    named = read_file(tmp_path, "c.tsv", "de\ten\nGeh.\tGo.\n", languages=["en", "de"])
    assert named.texts == {"source": ("Go.",), "target": ("Geh.",)}
    forced = read_file(tmp_path, "d.tsv", "x\ty\nGo.\tfly\n", header=True, columns={"text": "x", "label": "y"})
    assert forced.texts["text"] == ("Go.",)
    missing = problems(tmp_path, "e.tsv", "x\ty\nGo.\tfly\n", header=False, columns={"text": "x"})
    assert "unknown column `x`; accepted: 1, 2" in missing[0]


def test_a_format_that_says_its_kind_is_not_another(tmp_path: Path) -> None:
    assert problems(tmp_path, "t.conll", "a O\n", kind="pairs") == [
        "t.conll: holds utterances, and `kind: pairs` asks for others"
    ]


def test_files_of_a_folder_hold_the_same(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "text,label\na,x\n")
    write(tmp_path, "b.csv", "source,target\na,b\n")
    with pytest.raises(DataError, match="records of several kinds"):
        read(data(tmp_path))
    write(tmp_path, "b.csv", "text\nb\n")
    with pytest.raises(DataError, match="could hold utterances or passages"):
        read(data(tmp_path))
    with pytest.raises(DataError, match=r"b\.csv: has text: text, and a\.csv has text: text, label: label"):
        read(data(tmp_path, kind="utterances"))
    write(tmp_path, "b.json", "[]")
    with pytest.raises(DataError, match=r"files of several kinds \(\.csv, \.json\)"):
        read(data(tmp_path))


def test_a_section_is_one_readers(tmp_path: Path) -> None:
    from synthgen.parts.registry import Plugins

    settings: dict[str, Any] = {"texts": "x.csv", "columns": {"text": "a"}, "test": "y.csv"}
    readers: list[Any] = [Plugins().find("readers", name) for name in Plugins().names("readers")]
    assert sum(reader.claims(settings) for reader in readers) == 1
    for form in (settings, TextData(**settings), TextData(**settings).model_dump(mode="json")):
        assert origin.reader_of(form)[0] == "texts"
    assert origin.place_of(settings) == "x.csv"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"validation": 1.0}, "must be a share from 0"),
        ({"validation": 0.6, "test": 0.5}, "must leave something to train on"),
        ({"languages": ["en", "en"]}, "are both 'en'"),
        ({"languages": ["en", "de"], "kind": "facts"}, "belong to the kind `pairs`"),
        ({"delimiter": '"'}, "cannot be a double quote"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TextData(texts="x", **settings)


def test_the_hash_is_of_names_bytes_and_splits(tmp_path: Path) -> None:
    a, b = write(tmp_path, "d/a.csv", "text,label\na,x\n"), write(tmp_path, "t.csv", "text,label\nb,x\n")
    first = origin.sha256({"texts": str(tmp_path / "d")})
    assert first == sha256(data(tmp_path / "d")) == sha256(data(tmp_path / "d", seed=3))
    assert sha256(data(tmp_path / "d", test=str(b))) != first
    assert sha256(data(tmp_path / "d", test=str(b))) != sha256(data(tmp_path / "d", validation=str(b)))
    a.write_bytes(b"text,label\na,y\n")
    assert sha256(data(tmp_path / "d")) != first
    a.rename(tmp_path / "d" / "c.csv")
    assert sha256(data(tmp_path / "d")) != first
    with pytest.raises(DataError, match=r"nowhere: no such file or folder; accepted are \.csv"):
        sha256(data(tmp_path / "nowhere"))


def test_long_records_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", "text,label\nabc,x\nabcd,y\n", max_characters=3)
    assert found.texts["text"] == ("abc",) and found.classes == ("x",) and found.lines.tolist() == [2]
    assert found.left_out == {"longer than `max_characters: 3`": 1}
    assert found.facts.rows["left out"] == "1 longer than `max_characters: 3`"
    assert (
        "all 2 records have a text of more than"
        in problems(tmp_path, "t.csv", "text,label\nabc,x\nabcd,y\n", max_characters=2)[0]
    )


def test_facts_say_what_was_read(tmp_path: Path) -> None:
    content = "".join(f"{'x' * n},{'a' if n % 3 else 'b'}\n" for n in range(1, 101))
    found = read_file(tmp_path, "t.csv", "text,label\n" + content).facts
    assert found.columns == {"text": "text", "label": "label"}
    assert found.rows == {
        "kind": "utterances",
        "records": "100, train 100, validation 0, test 0",
        "characters of text": "5 % have at most 5, half 50, 95 % 95, the longest 100",
        "classes": "2: a 67, b 33",
    }


def test_names_that_differ_by_little_are_noted(tmp_path: Path) -> None:
    rows = [{"text": name, "label": name} for name in ("Pay", "pay ", "caf\u00e9", "cafe\u0301", "other")]
    found = read_file(tmp_path, "t.jsonl", "\n".join(map(json.dumps, rows)))
    assert len(found.classes) == 5
    note = next(note for note in found.notes if note.startswith("names of a class"))
    assert "'Pay' and 'pay '" in note and "caf" in note and "other" not in note


def test_columns_cannot_be_changed(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", "text,label\na,x\nb,y\n")
    assert found.labels is not None
    for values in (found.labels, found.splits, found.lines, found.file_of, found.rows(np.array([1])).splits):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1

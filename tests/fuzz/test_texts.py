"""Texts of people: any file is read, or refused with its place; what was read keeps its promises."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st

import fuzzing
from synthgen.readers.texts.reader import Texts
from synthgen.readers.texts.records import ROLES
from text_files import read_file

ROWS: list[dict[str, Any]] = [
    {
        "text": "rain in B\u00e9rn",
        "label": "x",
        "slots": [{"start": 8, "end": 12, "label": "city", "value": "B\u00e9rn"}],
    },
    {"text": "\U0001f600 hi", "label": "y", "slots": []},
]
PARTS = [{"intent": "x", "parts": [{"text": "to "}, {"text": "Bern", "entity": "city"}]}]
ASKED: list[dict[str, Any]] = [
    {"context": "a b c", "question": "q?", "answers": {"text": ["b"], "answer_start": [2]}},
    {"context": "a b c", "question": "r?", "answers": {"text": [], "answer_start": []}},
]
CHATS: list[dict[str, Any]] = [
    {"id": "1", "messages": [{"role": "user", "content": "a", "acts": [{"act": "INFORM", "slot": "date"}]}]},
    {"id": "1", "messages": [{"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]},
]
SQUAD = {"data": [{"paragraphs": [{"context": "a b c", "qas": [
    {"id": "1", "question": "q?", "answers": [{"text": "b", "answer_start": 2}]},
    {"id": "2", "question": "r?", "answers": [], "is_impossible": True},
]}]}]}  # fmt: skip
TMX = (
    '<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><header srclang="en"/>'
    '<body><tu><tuv xml:lang="en"><seg>a &amp; <ph>x</ph>b</seg></tuv><tuv xml:lang="de"><seg>c</seg></tuv></tu>'
    "</body></tmx>"
)
CONLL = "# intent: x\nto O\nNew B-city\nYork I-city\n\n# intent: y\nhi O\n"
TABLE = 'text,label,who\n"a, ""b""\nc",x,1\nd,y,2\ne,y,2\n'
FILES: list[tuple[str, bytes, dict[str, Any]]] = [
    ("csv", TABLE.encode(), {"group": "who", "validation": 0.3}),
    ("csv", TABLE.encode("utf-16"), {}),
    ("tsv", b'Go.\tGeh.\n"Say ""a"""\tb\n', {"languages": ["en", "de"]}),
    ("tsv", b'subject\trelation\tanswer\n"Weird Al"\tr\tb\n', {}),
    ("jsonl", "\n".join(map(json.dumps, ROWS)).encode(), {"test": 0.4}),
    ("jsonl", "\n".join(map(json.dumps, PARTS)).encode(), {}),
    ("jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in ASKED).encode(), {}),
    ("jsonl", "\n".join(map(json.dumps, CHATS)).encode(), {"max_characters": 2}),
    ("json", json.dumps(ROWS, indent=1).encode(), {}),
    ("json", json.dumps(SQUAD, indent=1).encode(), {}),
    ("tmx", TMX.encode(), {}),
    ("conll", CONLL.encode(), {}),
    ("txt", b"one\ntwo\n\nthree\n", {}),
]

N_KINDS = len(FILES) + 3
"""With any JSON in two forms, and Parquet."""


def check_promises(found: Texts) -> None:
    """What whoever uses texts stands on."""
    n = len(found)
    assert n and all(len(values) == n for values in found.texts.values())
    assert all(text.strip() and "\0" not in text for values in found.texts.values() for text in values)
    assert set(np.unique(found.splits)) <= {0, 1, 2} and (found.lines >= 1).all()
    for text, spans in zip(found.texts.get("text", ()), found.spans or (), strict=False):
        ends = [0, *(end for _, end, _ in spans)]
        assert all(before <= start < end <= len(text) for before, (start, end, _) in zip(ends, spans, strict=False))
    for context, answers in zip(found.texts.get("context", ()), found.answers or (), strict=False):
        assert all(one.start is None or context.startswith(one.text, one.start) for one in answers)
    for one in found.dialogues or ():
        assert one and all(message.role in ROLES and (message.content or message.acts) for message in one)
    for text in (text for values in found.texts.values() for text in values):
        text.encode()
    assert found.facts.lines


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "content", "settings"), FILES)
def test_damaged_files(tmp_path: Path, ending: str, content: bytes, settings: dict[str, Any]) -> None:
    def attempt(raw: bytes) -> None:
        check_promises(read_file(tmp_path, f"t.{ending}", raw, **settings))

    fuzzing.check(f"texts .{ending}", fuzzing.damaged(st.just(content)), attempt, N_KINDS)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.sampled_from(["", " ", "a", "rain in Bern", "[", '["a"]', "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "start", "end", "label", "role", "content", "answer_start", "acts", "value", "from"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
"""What a cell of a JSON file may hold."""
TEXT = st.sampled_from(["a", "b c", "rain in Bern", "\u00e9", "\U0001f600"])
SLOT = st.fixed_dictionaries({"start": st.integers(0, 3), "end": st.integers(0, 6), "label": TEXT})
PART = st.fixed_dictionaries({"text": TEXT}, optional={"entity": TEXT})
ANSWER = st.fixed_dictionaries({"text": TEXT, "answer_start": st.integers(0, 3)})
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(ROLES), "content": TEXT | st.just("")}, optional={"acts": VALUES}
)
RECORDS = [
    {"text": TEXT, "label": TEXT, "slots": st.lists(SLOT, max_size=2)},
    {"intent": TEXT, "parts": st.lists(PART, min_size=1, max_size=3)},
    {"source": TEXT, "target": TEXT},
    {"context": TEXT, "question": TEXT, "answers": TEXT | st.lists(ANSWER, max_size=2)},
    {"messages": st.lists(MESSAGE, min_size=1, max_size=3), "id": TEXT | st.integers()},
    {"subject": TEXT, "relation": TEXT, "answer": TEXT},
]
"""Columns of records of each kind, with values that mostly fit."""


def rows_of(columns: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Records of these columns; a value in some of them may be any."""
    right = st.fixed_dictionaries(columns)
    odd = st.fixed_dictionaries({name: st.one_of(values, VALUES) for name, values in columns.items()})
    return st.lists(right | right | odd, min_size=1, max_size=4)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jsonl", "json"])
def test_any_json(tmp_path: Path, ending: str) -> None:
    def attempt(rows: list[dict[str, Any]]) -> None:
        content = "\n".join(map(json.dumps, rows)) if ending == "jsonl" else json.dumps(rows)
        check_promises(read_file(tmp_path, f"t.{ending}", content))

    fuzzing.check(f"texts of any .{ending}", st.one_of(*map(rows_of, RECORDS)), attempt, N_KINDS)


@pytest.mark.slow
def test_damaged_parquet(tmp_path: Path) -> None:
    def attempt(raw: bytes) -> None:
        check_promises(read_file(tmp_path, "t.parquet", raw))

    seeds = []
    for rows in (ROWS, ASKED, CHATS):
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows), file)
        seeds.append(file.getvalue())
    fuzzing.check("texts .parquet", fuzzing.damaged(st.sampled_from(seeds)), attempt, N_KINDS)

"""JSON: a file with one object a line, or with one array of objects."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import kind_of
from synthgen.readers.texts import squad
from synthgen.readers.texts.table import Table, lines_of, text_of
from synthgen.readers.texts.types import TextData

HALF = re.compile("[\ud800-\udfff]")
ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
BLANK = re.compile(r"[ \t\r\n]*")


def load_lines(path: Path, data: TextData) -> Table:
    """The objects of a .jsonl file, one a line.

    Raises:
        DataError: no text in the encoding, lines that hold no JSON object, a key twice in one, half characters; all
            of them.
    """
    problems, bad = Problems(), []
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(lines_of(text_of(path, data.encoding)), 1):
        if not line or line.isspace():
            continue
        try:
            row = decoded(line)
        except (ValueError, RecursionError) as error:
            bad.append(f"{path}:{number}: is no JSON: {_said(error)}")
            continue
        if problem := _problem(row):
            bad.append(f"{path}:{number}: {problem}")
            continue
        rows.append(row)
        lines.append(number)
    problems.add_lines(bad)
    problems.check()
    return _table(path, rows, lines)


def load_array(path: Path, data: TextData) -> Table:
    """The objects of a .json file: one array of them, or questions in SQuAD's layout.

    Raises:
        DataError: as `load_lines`, or the file holds something else.
    """
    text = text_of(path, data.encoding)
    start = _skip(text, 0)
    if text[start : start + 1] != "[":
        return _whole(path, text)
    decode = json.JSONDecoder(object_pairs_hook=_unique).raw_decode
    problems, bad = Problems(), []
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    line, counted = 1, 0
    start = _skip(text, start + 1)
    while text[start : start + 1] != "]":
        line, counted = line + text.count("\n", counted, start), start
        try:
            row, end = decode(text, start)
        except (ValueError, RecursionError) as error:
            bad.append(f"{path}:{line}: is no JSON: {_said(error)}")
            break
        problem = _problem(row, ESCAPED_HALF.search(text, start, end) is not None)
        if problem:
            bad.append(f"{path}:{line}: {problem}")
        else:
            rows.append(row)
            lines.append(line)
        start = _skip(text, end)
        if text[start : start + 1] == ",":
            start = _skip(text, start + 1)
        elif text[start : start + 1] != "]":
            bad.append(f"{path}:{text.count(chr(10), 0, start) + 1}: is no JSON: a comma or ] is missing")
            break
    else:
        if _skip(text, start + 1) != len(text):
            bad.append(f"{path}:{text.count(chr(10), 0, start) + 1}: is no JSON: something follows the array")
    problems.add_lines(bad)
    problems.check()
    return _table(path, rows, lines)


def decoded(text: str) -> Any:
    """A JSON value whose objects have every key once, without half characters.

    Raises:
        ValueError: it is no such value.
    """
    found = json.loads(text, object_pairs_hook=_unique)
    if ESCAPED_HALF.search(text) and (half := _half(found)):
        raise ValueError(half)
    return found


def _whole(path: Path, text: str) -> Table:
    try:
        found = decoded(text)
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise DataError(f"{path}{line}: is no JSON: {_said(error)}") from None
    if isinstance(found, dict) and isinstance(found.get("data"), list):
        return squad.table_of(path, text, found)
    raise DataError(
        f"{path}: holds {kind_of(found)}; an array of objects is read, or questions in SQuAD's layout (`data` with "
        "`paragraphs`); objects one a line are a .jsonl file"
    )


def _table(path: Path, rows: Sequence[dict[str, Any]], lines: Sequence[int]) -> Table:
    if not rows:
        raise DataError(f"{path}: is empty")
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, lines)


def _problem(row: Any, halves: bool = False) -> str:
    if not isinstance(row, dict):
        return f"holds {kind_of(row)}; a record must be one JSON object, as {{...}}"
    return _half(row) if halves else ""


def _half(value: Any) -> str:
    """Which text in a value holds half a character, that no file in UTF-8 can hold; empty if none does."""
    if isinstance(value, str):
        return f"{value[:40]!a} holds half a character (a lone surrogate)" if HALF.search(value) else ""
    if isinstance(value, dict):
        return next(filter(None, (_half(each) for pair in value.items() for each in pair)), "")
    if isinstance(value, list):
        return next(filter(None, map(_half, value)), "")
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` occurs twice in an object")
    return found


def _said(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _skip(text: str, start: int) -> int:
    found = BLANK.match(text, start)
    return found.end() if found else start

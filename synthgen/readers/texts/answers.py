"""Answers to questions: texts, and where they stand in the context."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from synthgen.readers.problems import Problems
from synthgen.readers.texts.cells import parsed, rows_of, text_problem
from synthgen.readers.texts.offsets import mismatch, whole_number
from synthgen.readers.texts.records import Answer
from synthgen.readers.texts.table import Table

PYTHON = re.compile(r"\s*(\{\s*'\w+'\s*:|\[\s*'.*'\s*\]\s*$|\[\s*\]\s*$|array\(\[)", re.DOTALL)
"""How Python shows lists, dicts and arrays, which pandas writes into CSV."""


def answers(table: Table, column: str, contexts: Sequence[str] | None, problems: Problems) -> list[tuple[Answer, ...]]:
    """The answers of every question: a text, a list of texts, or objects with `text` and `answer_start`.

    An empty list is a question that cannot be answered. A start that is not where the answer stands is a problem.
    """
    found: list[tuple[Answer, ...]] = []
    wrong: list[str] = []
    shown = [cell for cell in table.columns[column] if isinstance(cell, str)]
    if shown and all(map(PYTHON.match, shown)) and set(shown) != {"[]"}:
        problems.add(
            f"{table.where(0)}: {column}: {shown[0][:40]!r} is how Python shows a list or dict, which pandas writes "
            "into CSV; write JSON in its place, or save the table as JSON lines or Parquet"
        )
        return [()] * len(table)
    for row, cell in enumerate(table.columns[column]):
        context = contexts[row] if contexts is not None else None
        try:
            found.append(_of_cell(cell, context if isinstance(context, str) else None))
        except ValueError as error:
            wrong.append(f"{table.where(row)}: {column}: {error}")
            found.append(())
    problems.add_lines(wrong)
    return found


def _of_cell(cell: Any, context: str | None) -> tuple[Answer, ...]:
    value = parsed(cell) if _is_json(cell) else cell
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        value = [value]
    entries = rows_of(value) if isinstance(value, (list, dict)) else [value]
    found = tuple(_answer(number, entry, context) for number, entry in enumerate(entries, 1))
    return tuple(dict.fromkeys(found))


def _is_json(cell: Any) -> bool:
    """Whether a text can be meant as JSON: an answer may well begin with a bracket."""
    return (
        isinstance(cell, str) and cell.strip()[:1] + cell.strip()[-1:] in ("[]", "{}") and '"' in cell
    ) or cell == "[]"


def _answer(number: int, entry: Any, context: str | None) -> Answer:
    start = None
    text = entry
    if isinstance(entry, dict):
        text = entry.get("text")
        start = next((entry[key] for key in ("answer_start", "start") if entry.get(key) is not None), None)
    if problem := text_problem(text):
        raise ValueError(problem if number == 1 else f"answer {number}: {problem}")
    if start is None or context is None:
        return Answer(text, None)
    start = whole_number(start, "answer_start")
    if problem := mismatch(context, start, text):
        raise ValueError(problem)
    return Answer(text, start)

"""Questions on paragraphs in the layout of SQuAD 1.1 and 2.0."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import kind_of
from synthgen.readers.texts.table import Table

LAYOUT = "SQuAD's layout is data > paragraphs > context and qas > question and answers"


def table_of(path: Path, text: str, found: Mapping[str, Any]) -> Table:
    """The questions of a file whose JSON is `text`; a question's line is that of its `id`, if it has one.

    Raises:
        DataError: something is not where the layout has it; all of it.
    """
    problems = Problems()
    wrong: list[str] = []
    columns: dict[str, list[Any]] = {"id": [], "context": [], "question": [], "answers": []}
    lines: list[int] = []
    line, place = 1, 0
    for at, context, entry in _questions(found, wrong):
        name = entry.get("id")
        seen = text.find(json.dumps(name), place) if isinstance(name, str) else -1
        if seen >= 0:
            line, place = line + text.count("\n", place, seen), seen
        answers = entry.get("answers", [] if entry.get("is_impossible") is True else None)
        if entry.get("is_impossible") is True and answers:
            wrong.append(f"{at}: is_impossible is true, and it has answers")
        elif answers == [] and entry.get("is_impossible") is False:
            wrong.append(f"{at}: is_impossible is false, and it has no answers")
        for role, value in (("id", name), ("context", context), ("question", entry.get("question"))):
            columns[role].append(value)
        columns["answers"].append(answers)
        lines.append(line)
    problems.add_lines([f"{path}: {text}" for text in wrong])
    problems.check()
    if not lines:
        raise DataError(f"{path}: has no questions; {LAYOUT}")
    return Table(path, columns, lines, "questions")


def _questions(found: Mapping[str, Any], wrong: list[str]) -> Iterator[tuple[str, Any, Mapping[str, Any]]]:
    """(place, context, entry) of each question; what is no list or object goes to `wrong`."""
    for a, article in _entries(found, "data", "", wrong):
        for p, paragraph in _entries(article, "paragraphs", f"data[{a}].", wrong):
            at = f"data[{a}].paragraphs[{p}]."
            for q, entry in _entries(paragraph, "qas", at, wrong):
                yield f"{at}qas[{q}]", paragraph.get("context"), entry


def _entries(
    around: Mapping[str, Any], name: str, at: str, wrong: list[str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    entries = around.get(name)
    if not isinstance(entries, list):
        wrong.append(f"{at}{name}: must be a list (got {kind_of(entries)}); {LAYOUT}")
        return
    for i, entry in enumerate(entries):
        if isinstance(entry, dict):
            yield i, entry
        else:
            wrong.append(f"{at}{name}[{i}]: must be an object (got {kind_of(entry)}); {LAYOUT}")

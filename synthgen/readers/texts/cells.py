"""Cells of texts, classes and splits: what a text must be, and what is said of other values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from synthgen.readers.listing import SPLIT_WORDS
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import kind_of
from synthgen.readers.texts.json_rows import decoded
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import SPLITS

WORDS = {**{word: i for i, words in enumerate(SPLIT_WORDS.values()) for word in words}, "dev": 1}
"""What splits are called, with their places in `SPLITS`."""


def texts(table: Table, column: str, problems: Problems) -> list[str]:
    """The text of every record as it is; what is missing, blank or no text is a problem."""
    cells = table.columns[column]
    wrong = [
        f"{table.where(row)}: {column}: {text_problem(cell)}"
        for row, cell in enumerate(cells)
        if type(cell) is not str or not cell or cell.isspace() or "\0" in cell
    ]
    problems.add_lines(wrong)
    return list(cells)


def text_problem(cell: Any) -> str:
    """Why a value cannot be a text; empty if it can."""
    if cell is None:
        return "is missing, and a text is needed"
    if not isinstance(cell, str):
        numbers = "; put texts into double quotes, numbers too" if isinstance(cell, (int, float)) else ""
        return f"holds {kind_of(cell)}, and a text is needed{numbers}"
    if not cell.strip():
        return "is empty, and a text is needed"
    return "holds a NUL character, so that it is damaged" if "\0" in cell else ""


def labels(table: Table, column: str, problems: Problems) -> list[str]:
    """The class of every record; whole numbers are names of classes too."""
    cells = [str(cell) if type(cell) is int else cell for cell in table.columns[column]]
    wrong = [
        f"{table.where(row)}: {column}: {text_problem(cell).replace('a text', 'a class')}"
        for row, cell in enumerate(cells)
        if text_problem(cell)
    ]
    problems.add_lines(wrong)
    return cells


def splits(table: Table, column: str, problems: Problems) -> list[int]:
    """The split of every record, as its place in `SPLITS`."""
    cells = table.columns[column]
    found = [WORDS.get(cell.strip().casefold(), -1) if isinstance(cell, str) else -1 for cell in cells]
    problems.add_lines(
        [
            f"{table.where(row)}: {column}: {str(cells[row])[:40]!r} is no split; {', '.join(SPLITS)} are accepted"
            for row, split in enumerate(found)
            if split < 0
        ]
    )
    return found


def keys(table: Table, column: str, problems: Problems) -> list[str]:
    """What groups records, as text: texts and whole numbers, nothing where a record has none."""
    cells = table.columns[column]
    wrong = [
        f"{table.where(row)}: {column}: holds {kind_of(cell)}; a text or a whole number is needed"
        for row, cell in enumerate(cells)
        if cell is not None and type(cell) not in (str, int)
    ]
    problems.add_lines(wrong)
    return ["" if cell is None else str(cell) for cell in cells]


def parsed(cell: Any) -> Any:
    """A list or an object of a table whose cells are texts, which holds it as JSON; other values as they are.

    Raises:
        ValueError: it begins as such, and is no JSON.
    """
    if not isinstance(cell, str) or cell.lstrip()[:1] not in ("[", "{"):
        return cell
    try:
        return decoded(cell)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("is no JSON: it is nested too deeply") from None


def rows_of(value: Any) -> Sequence[Any]:
    """A list of objects, also where Parquet keeps it as an object of lists.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and value and all(isinstance(each, list) for each in value.values()):
        if len({len(each) for each in value.values()}) > 1:
            raise ValueError(f"its lists {', '.join(value)} must be equally long")
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True)]
    raise ValueError(f"holds {kind_of(value)}, and a list is needed")

"""The first line of a CSV file: whether it holds names, and what columns without a name hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synthgen.readers.problems import Problems
from synthgen.readers.series.dates import CLOCK, looks_like_iso, nearest_formats
from synthgen.readers.series.formats import NUMBER
from synthgen.readers.text_table import check_header

UNNAMED = re.compile(r"unnamed column \d+|Unnamed: \d+|__index_level_\d+__")
"""What columns without a name are called here, by pandas where it reads and writes such a table, and in Parquet."""

COMMA = r"^[+-]?\d+,\d+$"


def is_unnamed(name: str) -> bool:
    """Whether a column has no name of its own: it can be named in a setting, and is no channel by itself."""
    return bool(UNNAMED.fullmatch(name))


def check_names(path: Path, line: int, names: Sequence[str], problems: Problems) -> None:
    """Names that occur twice are problems, and a first line that is a row of data.

    Numbers that rise in even steps, and dates, may be the names of steps.
    """
    place, given = f"{path}: row {line}", [name for name in names if name]
    check_header(place, names, problems)
    numbers = [name for name in given if re.search(NUMBER, name) or re.search(COMMA, name)]
    moments = [name for name in given if name not in numbers and is_moment(name)]
    needed = "a first line with the columns' names is needed"
    if len(numbers) == len(given) and not _are_steps(numbers):
        problems.add(f"{place}: the header holds numbers only; {needed}")
    elif len(moments) == 1 or (numbers and moments and len(numbers) + len(moments) == len(given)):
        problems.add(f"{place}: the header holds `{moments[0]}`, as a row of data does; {needed}")


def is_moment(name: str) -> bool:
    """Whether a name is a date or a time of day."""
    return looks_like_iso([name]) or bool(CLOCK.search(name)) or bool(nearest_formats([name]))


def _are_steps(numbers: Sequence[str]) -> bool:
    """Whether numbers are whole and rise evenly: by 1, or if there are three or more, by any step; one is 0 or 1."""
    if not all(re.fullmatch(r"-?\d+", number) for number in numbers) or (len(numbers) == 1 and int(numbers[0]) > 1):
        return False
    steps = np.diff([int(number) for number in numbers])
    return bool((steps == 1).all() or (len(steps) > 1 and steps[0] > 0 and (steps == steps[0]).all()))


def with_names(table: Any, names: Sequence[str]) -> Any:
    """A table of text with its columns renamed; those without a name get one, or are left out if they say nothing.

    Such are empty ones, and row numbers in front of all, as pandas writes them.
    """
    kept = [i for i, name in enumerate(names) if name or not _says_nothing(table.column(i), first=i == 0)]
    return table.select(kept).rename_columns([names[i] or f"unnamed column {i + 1}" for i in kept])


def _says_nothing(column: Any, first: bool) -> bool:
    """Whether a column is empty, or counts the rows and is the first."""
    cells = column.drop_null()
    if not len(cells):
        return True
    try:
        return first and bool((np.diff(np.asarray(pc.cast(cells, pa.int64()))) == 1).all())
    except pa.ArrowInvalid:
        return False

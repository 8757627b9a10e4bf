"""CSV and TSV: cells in quotes with line ends in them, and TSV whose quotes belong to the texts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from synthgen.readers.problems import Problems
from synthgen.readers.text_table import check_header, delimiter_of
from synthgen.readers.texts.roles import known_names
from synthgen.readers.texts.table import Table, lines_of, text_of
from synthgen.readers.texts.types import TextData

LONGEST_CELL = 1 << 28
QUOTED = re.compile(r'"(?:[^"]|"")*"')
"""A whole cell in quotes, with quotes in it doubled."""

Rows = tuple[list[int], list[list[str]]]
"""Line numbers and cells of rows."""


def load(path: Path, data: TextData) -> Table:
    """The rows of a .csv or .tsv file.

    A TSV's double quotes are marks of the format where `quotes` says so, or where all cells that begin with one hold a
    tab, a line end or a doubled quote, or all cells have them; else they are characters of the texts.

    Raises:
        DataError: no text in the encoding, rows of another length than the first, a name twice in the header, quotes
            that do not end; all of them.
    """
    text, notes = text_of(path, data.encoding), []
    is_tsv = path.suffix.lower() in (".tsv", ".tab")
    delimiter = data.delimiter or ("\t" if is_tsv else delimiter_of(text))
    problems = Problems()
    literal = data.quotes is False or (data.quotes is None and is_tsv and not _needs_quotes(text, delimiter))
    lines, rows = _plain(text, delimiter) if literal else _quoted(path, text, delimiter, problems)
    if literal and data.quotes is None and '"' in text and re.search(f'(^|[{re.escape(delimiter)}\n])"', text):
        notes.append("double quotes are characters of the texts; `quotes: true` reads them as marks")
    if not rows:
        problems.add(f"{path}: is empty")
        problems.check()
    named = _has_header(rows[0], data, is_tsv)
    names = [cell.strip() for cell in rows[0]] if named else [str(i + 1) for i in range(len(rows[0]))]
    if named:
        check_header(f"{path}:{lines[0]}", names, problems)
        del lines[0], rows[0]
    elif data.header is None:
        notes.append(
            "the first line is taken as a record, because it names no column that is known; `header: true` makes it "
            "the header"
        )
    what = "and the header has" if named else "and the first line has"
    why = "a text with the separator in it must be in double quotes"
    why = f"{why}, with `quotes: true`" if literal else why
    problems.add_lines(
        [
            f"{path}:{line}: has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, {what} {len(names)}; {why}"
            for line, cells in zip(lines, rows, strict=True)
            if len(cells) != len(names)
        ]
    )
    if not rows:
        problems.add(f"{path}: has a header and no records")
    problems.check()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return Table(path, {name: cells for name, cells in columns.items() if name}, lines, None, named, notes=tuple(notes))


def _has_header(first: Sequence[str], data: TextData, is_tsv: bool) -> bool:
    if data.header is not None:
        return data.header
    names = {cell.strip() for cell in first}
    asked = {*data.columns.named.values(), *([data.group] if data.group else [])}
    if asked and all(name.isdigit() for name in asked) and not asked & names:
        return False
    wanted = known_names() | set(data.languages or ())
    return not is_tsv or bool(asked & names) or any(name.casefold() in wanted for name in names)


def _plain(text: str, delimiter: str) -> Rows:
    lines: list[int] = []
    rows: list[list[str]] = []
    for number, line in enumerate(lines_of(text), 1):
        if line and not line.isspace():
            lines.append(number)
            rows.append(line.split(delimiter))
    return lines, rows


def _quoted(path: Path, text: str, delimiter: str, problems: Problems) -> Rows:
    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    with _long_cells():
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    lines.append(line)
                    rows.append(cells)
                line = reader.line_num + 1
        except csv.Error as error:
            problems.add(
                f"{path}:{line}: from here on it is no CSV: {error}; a text in double quotes must end in one, and "
                "quotes in it be doubled"
            )
            problems.check()
    return lines, rows


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lets the csv module read cells of more than 131,072 characters."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _needs_quotes(text: str, delimiter: str) -> bool:
    """Whether double quotes around cells are marks of the format."""
    if '"' not in text:
        return False
    cell_end = re.compile(f"[{re.escape(delimiter)}\r\n]")
    needed = free = bare = False
    start = 0
    while start < len(text):
        if text[start] == '"':
            cell = QUOTED.match(text, start)
            end = cell.end() if cell else len(text)
            if cell is None or (end < len(text) and not cell_end.match(text, end)):
                return False
            inner = cell.group()[1:-1]
            has_marks = '""' in inner or cell_end.search(inner) is not None
            needed, free = needed or has_marks, free or not has_marks
        else:
            more = cell_end.search(text, start)
            end = more.start() if more else len(text)
            bare = bare or (not text[start:end].isspace() and end > start)
        start = end + 1
    return (needed and not free) or not bare

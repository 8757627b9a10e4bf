"""Text files that people write: lines, and CSV, JSON lines or Parquet as rows with names and places.

Text is UTF-8, with or without a byte-order mark. A line ends where an editor ends it: U+2028, U+0085 and form feeds
are characters like others.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems, read_bytes

BOM = "\ufeff"
UTF16 = (b"\xff\xfe", b"\xfe\xff")
DELIMITERS = "\t;,"
N_LOOKED_AT = 50
"""Rows by which a separator is chosen."""

KINDS: Mapping[type, str] = {
    bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object",
    bytes: "bytes",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextTable:
    """Rows of a file. `rows[i]` maps names of columns to values: texts of CSV, any value of JSON lines and Parquet.

    A column that a row of JSON lines lacks is None there. `lines` are numbers of lines from 1, of rows for Parquet.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    lines: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, row: int) -> str:
        """`file:line`; `file: row N` for Parquet."""
        between = ": row " if self.path.suffix.lower() == ".parquet" else ":"
        return f"{self.path}{between}{self.lines[row]}"

    def require(self, *columns: str) -> None:
        """Raises DataError unless there are rows, and all these columns."""
        if not self.rows:
            raise DataError(f"{self.path}: has no rows")
        problems = Problems()
        for name in columns:
            if name not in self.columns:
                problems.add(f"{self.path}: {unknown(name, self.columns, 'column')}")
        problems.check()

    def texts(self, column: str, problems: Problems) -> list[str]:
        """The text of every row, as it is; what is missing, empty or no text is a problem, and empty."""
        return self._texts(column, (str,), problems)

    def names(self, column: str, problems: Problems) -> list[str]:
        """As `texts`, without blanks around them; whole numbers and truth values are names too, as those of classes."""
        return [text.strip() for text in self._texts(column, (str, int), problems)]

    def rows_by(self, column: str) -> dict[str, Mapping[str, Any]]:
        """The rows by the names in a column.

        Raises:
            DataError: there is no such column, or a row without a name or with one that another row has; all of them.
        """
        self.require(column)
        problems = Problems()
        first: dict[str, int] = {}
        for row, name in enumerate(self.names(column, problems)):
            if name and first.setdefault(name, row) != row:
                problems.add(f"{self.where(row)}: {column}: `{name}` has a row already, {self.where(first[name])}")
        problems.check()
        return {name: self.rows[row] for name, row in first.items()}

    def _texts(self, column: str, kinds: tuple[type, ...], problems: Problems) -> list[str]:
        values = [row.get(column) for row in self.rows]
        found = [str(value) if isinstance(value, kinds) and str(value).strip() else "" for value in values]
        wrong = []
        for row, value in enumerate(values):
            if not found[row]:
                what = "is empty" if isinstance(value, str) or value is None else f"holds {kind_of(value)}"
                hint = "; write a row for each of its texts" if isinstance(value, list) else ""
                wrong.append(f"{self.where(row)}: {column}: {what}, and a text is needed{hint}")
        problems.add_lines(wrong)
        return found


def kind_of(value: object) -> str:
    """What a value is, in words."""
    return "nothing" if value is None else KINDS.get(type(value), f"a {type(value).__name__}")


def load_table(path: Path) -> TextTable:
    """The rows of a .csv, .tsv, .jsonl or .parquet file.

    Raises:
        DataError: the file is not what its ending says: no UTF-8, no header, rows of another length than the header's,
            a name of a column twice, lines that are no JSON objects; all of them, with their lines.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return rows_of(path, load_parquet(path))
    text = load_text(path)
    if suffix == ".jsonl":
        return _json_rows(path, text)
    return _csv_rows(path, text, "\t" if suffix == ".tsv" else None)


def load_lines(path: Path) -> list[str]:
    """The lines of a text file that hold anything, without blanks around them.

    Raises:
        DataError: as `load_text`.
    """
    lines = (line.strip() for line in re.split(r"\r\n|\n|\r", load_text(path)))
    return [line for line in lines if line]


def load_text(path: Path) -> str:
    """A file's text without a byte-order mark.

    Raises:
        DataError: it cannot be read, is not in UTF-8, or holds NUL characters; says in which line.
    """
    return decode(read_bytes(path), str(path))


def decode(raw: bytes, name: str) -> str:
    """Bytes as text, as `load_text` does; `name` is the file's in messages."""
    if raw.startswith(UTF16):
        raise DataError(f"{name}: is text in UTF-16, as spreadsheets save it; save it as UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}:{line}: the byte 0x{raw[error.start]:02x} is no UTF-8; the file may be in Windows-1252 or "
            "Latin-1: save it as UTF-8"
        ) from None
    nul = text.find("\0")
    if nul >= 0:
        raise DataError(
            f"{name}:{text.count(chr(10), 0, nul) + 1}: holds a NUL character, so that it is damaged, or text in "
            "UTF-16; save it as UTF-8"
        )
    return text.lstrip(BOM)


def delimiter_of(text: str) -> str:
    """What separates the names of a CSV's header: the tab, semicolon or comma that makes the most of them.

    Of those that make as many, the one by which most of the next rows are as long; then the tab, then the semicolon:
    commas stand in names, texts and numbers too.
    """

    def fit(mark: str) -> tuple[int, int]:
        rows = filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=mark))
        lengths = list[int]()
        with contextlib.suppress(csv.Error):
            for row in itertools.islice(rows, N_LOOKED_AT):
                lengths.append(len(row))
        return (lengths[0], lengths.count(lengths[0])) if lengths else (0, 0)

    return max(DELIMITERS, key=fit)


def check_header(place: str, names: Sequence[str], problems: Problems) -> None:
    """A name of a column that occurs twice is a problem; columns without a name are none."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        problems.add(f"{place}: the header has `{'`, `'.join(twice)}` more than once; name every column once")


def load_parquet(path: Path) -> Any:
    """A Parquet file as a `pyarrow.Table`.

    Raises:
        DataError: it cannot be read as one, or a name of a column occurs twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
            table.validate(full=True)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path}: cannot be read as a Parquet file: {error}") from None
    problems = Problems()
    check_header(str(path), table.column_names, problems)
    problems.check()
    return table


def _csv_rows(path: Path, text: str, delimiter: str | None) -> TextTable:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or delimiter_of(text), strict=True)
    problems = Problems()
    names: list[str] = []
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    odd: list[str] = []
    line = 1
    try:
        for cells in reader:
            start, line = line, reader.line_num + 1
            if not cells:
                continue
            if not names:
                names = [cell.strip() for cell in cells]
                check_header(f"{path}:{start}", names, problems)
            elif len(cells) != len(names):
                odd.append(
                    f"{path}:{start}: has {len(cells)} {'value' if len(cells) == 1 else 'values'}, and the header has "
                    f"{len(names)} columns; a text with the separator in it must be in double quotes"
                )
            else:
                rows.append({name: cell for name, cell in zip(names, cells, strict=True) if name})
                lines.append(start)
    except csv.Error as error:
        problems.add(
            f"{path}:{line}: from here on it is no CSV: {error}; a text in double quotes must end in one, and quotes "
            "in it be doubled"
        )
    if not any(names):
        problems.add(f"{path}: is empty; a first line with the names of the columns is needed")
    problems.add_lines(odd)
    problems.check()
    return TextTable(path, tuple(name for name in names if name), tuple(rows), tuple(lines))


def _json_rows(path: Path, text: str) -> TextTable:
    problems = Problems()
    rows: list[Mapping[str, Any]] = []
    lines: list[int] = []
    bad: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            bad.append(f"{path}:{number}: is no JSON: {error}")
            continue
        if not isinstance(row, dict):
            bad.append(f"{path}:{number}: holds {kind_of(row)}; every line must be one JSON object, as {{...}}")
            continue
        bad += [f"{path}:{number}: {name}: holds half a character (a lone surrogate)" for name in _half_texts(row)]
        rows.append(row)
        lines.append(number)
    problems.add_lines(bad)
    problems.check()
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    return TextTable(path, columns, tuple(rows), tuple(lines))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` occurs twice in an object")
    return found


def _half_texts(row: Mapping[str, Any]) -> list[str]:
    """Names of values that no file in UTF-8 can hold, such as the JSON text "\\ud83d"."""
    texts = [(name, text) for name, value in row.items() for text in (name, value) if isinstance(text, str)]
    return [ascii(name) for name, text in texts if not text.isascii() and re.search("[\ud800-\udfff]", text)]


def rows_of(path: Path, table: Any) -> TextTable:
    """The rows of a `pyarrow.Table` that was read from `path`.

    Raises:
        DataError: it has a value that Python cannot hold, such as a date in the year 20,000.
    """
    import pyarrow as pa

    try:
        rows = tuple(table.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"{path}: has a value that cannot be read: {error}") from None
    return TextTable(path, tuple(table.column_names), rows, tuple(range(1, len(rows) + 1)))

"""Files as tables: one file or a folder of files with equal columns, CSV cells as text, and where each row stands."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from synthgen.base.cache import with_addresses
from synthgen.base.fetched import local_path
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.problems import Problems
from synthgen.readers.series.formats import PLAIN, Formats
from synthgen.readers.series.headers import check_names, is_unnamed, with_names
from synthgen.readers.text_table import delimiter_of, load_parquet, load_text

SUFFIXES = (".csv", ".tsv", ".parquet")
N_LOOKED_AT = 20
"""Lines that decide what separates the cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of all files, one after another. Columns of CSV files are strings, null where missing."""

    data: Any
    files: tuple[Path, ...]
    ends: tuple[int, ...]
    formats: Formats = PLAIN

    def __len__(self) -> int:
        return int(self.data.num_rows)

    @property
    def names(self) -> list[str]:
        found: list[str] = self.data.column_names
        return found

    @property
    def place(self) -> str:
        """The file, or the folder of several."""
        return str(self.files[0] if len(self.files) == 1 else self.files[0].parent)

    def file_codes(self) -> np.ndarray:
        """int64 (rows,): the number of the file that each row is in."""
        return np.repeat(np.arange(len(self.files)), np.diff([0, *self.ends]))

    def where(self, rows: np.ndarray) -> list[str]:
        """`file: row N` of rows: lines as a text editor counts them for CSV, rows from 1 for Parquet."""
        found: dict[int, str] = {}
        for path, start, end in zip(self.files, [0, *self.ends], self.ends, strict=False):
            wanted = sorted({int(row) for row in rows if start <= row < end})
            numbers = [row - start for row in wanted]
            lines = (
                [number + 1 for number in numbers] if path.suffix.lower() == ".parquet" else _lines_of(path, numbers)
            )
            found |= {row: f"{path}: row {line}" for row, line in zip(wanted, lines, strict=True)}
        return [found[int(row)] for row in rows]


def series_files(path: str, leave_out: Collection[str | None] = ()) -> list[Path]:
    """The file, or all files of the folder in order of their names but those of `leave_out` and hidden ones.

    Raises:
        DataError: there is no such file or folder, or nothing in it that is read.
    """
    place = local_path(path)
    files = [place]
    if place.is_dir():
        others = {_named(local_path(other)) for other in leave_out if other}
        inside = listing.files(place, nested=False)
        files = [p for p in inside if p.suffix.lower() in SUFFIXES and _named(p) not in others]
    if not place.exists():
        raise DataError(f"{path}: no such file or folder; a .csv, .tsv or .parquet file or a folder of them is read")
    if not files or files[0].suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: {', '.join(SUFFIXES)} files are read, alone or in a folder")
    if len({file.suffix.lower() for file in files}) > 1:
        raise DataError(f"{path}: holds files of several kinds; keep one of {', '.join(SUFFIXES)} in the folder")
    return files


def _named(path: Path) -> str:
    """A file by what it really is: one path however it was reached, or its address."""
    return with_addresses(str(path.resolve()))


def open_table(path: str, leave_out: Collection[str | None] = (), formats: Formats = PLAIN) -> Table:
    """Reads the `series_files` of a path as one table; `formats` say how its numbers and dates are written.

    Raises:
        DataError: nothing to read, unreadable or empty files, duplicate names of columns, rows of another
            length than the header's, files whose columns differ; all of them.
    """
    files = series_files(path, leave_out)
    problems = Problems()
    tables = [_parquet(file, problems) if file.suffix.lower() == ".parquet" else _csv(file, problems) for file in files]
    for file, table in zip(files, tables, strict=True):
        if table is not None and not table.num_rows:
            problems.add(f"{file}: is empty; a header and rows are needed")
        if table is not None and tables[0] is not None and _named_columns(table) != _named_columns(tables[0]):
            problems.add(
                f"{file}: has the columns {', '.join(table.column_names)}, and {files[0].name} has "
                f"{', '.join(tables[0].column_names)}; all files of a folder must have the same ones"
            )
    problems.check()
    try:
        whole = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"{path}: the files' columns have types that do not fit: {error}") from None
    return Table(whole, tuple(files), tuple(accumulate(table.num_rows for table in tables)), formats)


def _named_columns(table: Any) -> list[str]:
    return [name for name in table.column_names if not is_unnamed(name)]


def _parquet(path: Path, problems: Problems) -> Any:
    try:
        return load_parquet(path)
    except DataError as error:
        problems.add(str(error))
        return None


def _csv(path: Path, problems: Problems) -> Any:
    """All cells as strings, without columns that have no name and say nothing. The header tells what separates them."""
    try:
        if _is_damaged(path):
            problems.add(_why_unreadable(path))
            return None
        names, skip, delimiter = _header(path)
        if not names:
            problems.add(f"{path}: is empty; a header and rows are needed")
            return None
        check_names(path, skip, names, problems)
        unique = [f"{i} {name}" for i, name in enumerate(names)]
        odd: list[int] = []

        def skip_row(row: Any) -> str:
            odd.append(row.actual_columns)
            return "skip"

        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(
                column_names=unique, skip_rows=skip, block_size=1 << 24, use_threads=False
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip_row
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(unique, pa.string()), null_values=[""], strings_can_be_null=True
            ),
        )
        if odd:
            _name_odd_rows(path, len(names), problems)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        problems.add(f"{path}: cannot be read as a table: {error}")
        return None
    return with_names(table, names)


def _is_damaged(path: Path) -> bool:
    """Whether a file is in UTF-16, no UTF-8, or holds NUL characters, read in pieces."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open(path, "rb") as file:
        try:
            while piece := file.read(1 << 20):
                if "\0" in decoder.decode(piece):
                    return True
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return True
    return False


def _why_unreadable(path: Path) -> str:
    """What is wrong with a file's text, and in which line; empty if nothing."""
    try:
        load_text(path)
    except DataError as error:
        return str(error)
    return ""


def _header(path: Path) -> tuple[list[str], int, str]:
    """(names, lines up to the first row, delimiter)."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        first = "".join(islice(filter(str.strip, file), N_LOOKED_AT))
    delimiter = "\t" if path.suffix.lower() == ".tsv" else delimiter_of(first)
    for line, cells in _records(path, delimiter):
        names = [cell.strip() for cell in cells]
        return names, line + sum(cell.count("\n") for cell in cells), delimiter
    return [], 0, delimiter


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of every record; empty lines are none."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=delimiter)
        line = 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1


def _lines_of(path: Path, rows: Sequence[int]) -> list[int]:
    """Line numbers of rows (from 0, increasing) of a CSV file, by reading up to the last of them."""
    if not rows:
        return []
    names, _, delimiter = _header(path)
    wanted, lines, number = set(rows), [], -1
    for line, cells in _records(path, delimiter):
        if len(cells) != len(names):
            continue
        if number in wanted:
            lines.append(line)
        number += 1
        if number > rows[-1]:
            break
    return lines


def _name_odd_rows(path: Path, n_columns: int, problems: Problems) -> None:
    delimiter = _header(path)[2]
    odd = [(line, len(cells)) for line, cells in _records(path, delimiter) if len(cells) != n_columns]
    problems.add_rows(
        np.arange(len(odd)),
        lambda rows: [
            f"{path}: row {line}: has {n} {'cell' if n == 1 else 'cells'}, and the header has {n_columns}"
            for line, n in (odd[i] for i in rows)
        ],
    )

"""A file as columns of cells with their lines, whatever its format, and its text in whatever encoding."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.problems import read_bytes
from synthgen.readers.text_table import BOM, decode
from synthgen.readers.texts.records import place
from synthgen.readers.texts.types import Kind

MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
"""Byte-order marks, with what a file is in that begins with one, whatever `encoding` says."""

LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Table:
    """The records of one file.

    Attributes:
        columns: N cells by name; None is a cell that a record lacks.
        lines: the line of each record, from 1; its row in Parquet.
        kind: what the format itself says that the records are; None if any table can have it.
        languages: of source and target, where the file says them.
        named: whether the columns have names of the file's own; else they are called by their numbers.
        left_out: how many records the format leaves out, by reason.
        notes: what was decided in reading it.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    kind: Kind | None = None
    named: bool = True
    languages: tuple[str, str] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.lines)

    def where(self, row: int) -> str:
        return place(str(self.path), self.lines[row])


def text_of(path: Path, encoding: str) -> str:
    """A file's text without its byte-order mark.

    Raises:
        DataError: it cannot be read or decoded, or holds NUL characters; says in which line, and which byte it is.
    """
    raw = read_bytes(path)
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), encoding)
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
        return decode(raw, str(path))
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(encoding, errors="replace")
        raise DataError(
            f"{path}:{before.count(chr(10)) + 1}: the byte 0x{raw[error.start]:02x} (number {error.start + 1:,} of the "
            f"file) is no {encoding}; set `encoding` to what the file is in"
        ) from None
    nul = text.find("\0")
    if nul >= 0:
        raise DataError(f"{path}:{text.count(chr(10), 0, nul) + 1}: holds a NUL character, so that it is damaged")
    return text.removeprefix(BOM)


def lines_of(text: str) -> list[str]:
    """The lines of a text; U+2028, U+2029, U+0085 and form feeds end none."""
    return LINE_END.split(text) if "\r" in text else text.split("\n")

"""Text files without columns: paragraphs, lines or whole files, and folders of them, one a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from synthgen.errors import DataError
from synthgen.readers.texts.table import Table, lines_of, text_of
from synthgen.readers.texts.types import Kind, TextData

MANY_LINES = 20
"""So many without a blank one between them are hardly one paragraph."""

Part = Literal["paragraph", "line", "file"]


def load(path: Path, data: TextData, label: str | None = None) -> Table:
    """The texts of a .txt file; `label` is the class of all of them.

    A paragraph keeps its line ends, as \\n; blank lines are between paragraphs.

    Raises:
        DataError: no text in the encoding, or none at all.
    """
    lines = lines_of(text_of(path, data.encoding))
    part: Part = data.unit if data.unit != "auto" else "paragraph" if label is None else "file"
    found = _parts(lines, part)
    if not found:
        raise DataError(f"{path}: is empty")
    texts = [text for _, text in found]
    columns: dict[str, Sequence[Any]] = (
        {"text": texts} if label is None else {"text": texts, "label": [label] * len(texts)}
    )
    kind: Kind = "utterances" if label is not None else "passages"
    n_lines = texts[0].count("\n") + 1
    alone = data.unit == "auto" and part == "paragraph" and len(texts) == 1 and n_lines >= MANY_LINES
    note = f"one text of {n_lines:,} lines, because none is blank; `unit: line` makes each of them one"
    return Table(path, columns, [line for line, _ in found], kind, notes=(note,) if alone else ())


def _parts(lines: Sequence[str], part: Part) -> list[tuple[int, str]]:
    """(first line, text) of each part that has any text."""
    if part == "line":
        return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    found: list[tuple[int, list[str]]] = []
    open_part = False
    for number, line in enumerate(lines, 1):
        if not line.strip() and (part == "paragraph" or not open_part):
            open_part = False
        elif open_part:
            found[-1][1].append(line)
        else:
            found.append((number, [line]))
            open_part = True
    return [(number, "\n".join(some).rstrip()) for number, some in found]

"""Text files without columns: paragraphs, lines or whole files, and folders of them, one a class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from synthgen.errors import DataError
from synthgen.readers.texts.table import Table, lines_of, text_of
from synthgen.readers.texts.types import Kind, TextData

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
    return Table(path, columns, [line for line, _ in found], kind)


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

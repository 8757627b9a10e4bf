"""Slots of utterances: pieces of a text with a class each, by their places or as the parts of the text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from synthgen.readers.problems import Problems
from synthgen.readers.texts.cells import parsed, rows_of, text_problem
from synthgen.readers.texts.offsets import mismatch, misread, whole_number
from synthgen.readers.texts.table import Table

NAMES = ("label", "slot", "entity", "class", "type")
"""Keys of a slot's class."""

PIECES = ("text", "value", "word")
"""Keys of a slot's text, where it is said beside its place."""

Named = tuple[int, int, str]
"""Start and end of a slot, and its class."""


def spans(
    table: Table, column: str, texts: Sequence[str] | None, problems: Problems
) -> tuple[list[str], list[tuple[Named, ...]]]:
    """The texts and their slots, in order of their starts. Without `texts`, parts make them.

    A list of objects with `start` and `end` (not included), in characters, and a class, is accepted; or of parts with
    `text` and, for a slot, a class, which are the whole text one after another.
    """
    found_texts: list[str] = []
    found: list[tuple[Named, ...]] = []
    wrong: list[str] = []
    for row, cell in enumerate(table.columns[column]):
        text = texts[row] if texts is not None else None
        if texts is not None and not isinstance(text, str):  # a problem already
            found_texts.append("?")
            found.append(())
            continue
        try:
            made, slots = _of_cell(cell, text)
        except ValueError as error:
            wrong.append(f"{table.where(row)}: {column}: {error}")
            made, slots = text or "?", ()
        found_texts.append(made)
        found.append(slots)
    problems.add_lines(wrong)
    pieces = [(text, start, end) for text, some in zip(found_texts, found, strict=True) for start, end, _ in some]
    if not wrong and (why := misread(pieces)):
        problems.add(f"{table.path}: {column}: {why}; `start` and `end` must count characters, `end` not included")
    return found_texts, found


def _of_cell(cell: Any, text: str | None) -> tuple[str, tuple[Named, ...]]:
    value = parsed(cell)
    entries = [] if (value is None or value == "") and text is not None else rows_of(value)
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"slot {number} must be an object, with `start`, `end` and `label`")
    if entries and not any("start" in entry for entry in entries):
        return _of_parts(entries, text)
    if text is None:
        raise ValueError("has no parts with `text`, and there is no column of texts; name it in `columns: text`")
    slots = sorted(_by_place(number, entry, text) for number, entry in enumerate(entries, 1))
    for before, after in pairwise(slots):
        if after[0] < before[1]:
            raise ValueError(
                f"slots overlap: {before[2]} at {before[0]} to {before[1]} and {after[2]} at {after[0]} to {after[1]}"
            )
    return text, tuple(slots)


def _by_place(number: int, entry: dict[str, Any], text: str) -> Named:
    try:
        start, end = whole_number(entry.get("start"), "start"), whole_number(entry.get("end"), "end")
        name = _class(entry)
        if name is None:
            raise ValueError(f"has no class; one of {', '.join(f'`{key}`' for key in NAMES)} is needed")
        piece = next((entry[key] for key in PIECES if isinstance(entry.get(key), str)), None)
        if piece is not None and text[start:end] != piece:
            why = mismatch(text, start, piece)
            raise ValueError(why or f"{piece!r} is {len(piece)} characters, and `end` - `start` is {end - start}")
        if not start < end <= len(text):
            raise ValueError(f"is at {start} to {end} of a text of {len(text)} characters, and must not be empty")
    except ValueError as error:
        raise ValueError(f"slot {number}: {error}") from None
    return start, end, name


def _of_parts(entries: Sequence[dict[str, Any]], text: str | None) -> tuple[str, tuple[Named, ...]]:
    made, slots, place = [], [], 0
    for number, entry in enumerate(entries, 1):
        part, name = entry.get("text"), _class(entry)
        if not isinstance(part, str):
            raise ValueError(f"part {number}: text: {text_problem(part)}")
        if name is not None and not part:
            raise ValueError(f"part {number}: is a slot without a text")
        if name is not None:
            slots.append((place, place + len(part), name))
        made.append(part)
        place += len(part)
    whole = "".join(made)
    if text is not None and text != whole:
        raise ValueError(f"its parts make {whole[:60]!r}, and the text is {text[:60]!r}")
    if problem := text_problem(whole):
        raise ValueError(problem)
    return whole, tuple(slots)


def _class(entry: dict[str, Any]) -> str | None:
    """The class of a slot; None if it has none.

    Raises:
        ValueError: it is no name.
    """
    name = next((entry[key] for key in NAMES if entry.get(key) is not None), None)
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise ValueError(f"its class must be a name (got {name!r})")
    return name

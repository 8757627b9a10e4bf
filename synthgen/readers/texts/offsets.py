"""Where a piece of a text begins: counted in characters, and what is said of those who counted something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SHOWN = 40
ENCODINGS = (("bytes", "utf-8", 1), ("UTF-16 units", "utf-16-le", 2))
"""What else places may count, the encoding, and the bytes of one."""

Place = tuple[str, int, int]
"""A text, and the start and the end of a piece of it."""


def whole_number(value: Any, name: str) -> int:
    """Raises ValueError unless it is a whole number from 0."""
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or value < 0:
        raise ValueError(f"`{name}` must be a whole number from 0 (got {str(value)[:SHOWN]!r})")
    return value


def mismatch(text: str, start: int, piece: str) -> str:
    """What is wrong with saying that `piece` stands at `start` of a text; empty if it does."""
    if text.startswith(piece, start):
        return ""
    there = text[start : start + len(piece)]
    said = (
        f"{_shown(piece)} is said to begin at character {start}, where {_shown(there) if there else 'nothing'} stands"
    )
    unit = _unit(text, start, piece)
    if unit:
        return f"{said}; it does at {unit} {start}: offsets must count characters (code points)"
    first = text.find(piece)
    if first < 0:
        return f"{said}; it is nowhere in the text"
    rest = text.count(piece) - 1
    more = f" and at {rest} more {'place' if rest == 1 else 'places'}" if rest else ""
    return f"{said}; it begins at {first}{more}"


def misread(pieces: Sequence[Place]) -> str:
    """What is wrong with places that cut words in two, if they cut none when they count something else; else empty."""
    n_cut = sum(_cuts(*piece) for piece in pieces)
    ways = {
        f"if they count {unit}": [_in_units(*piece, encoding, size) for piece in pieces]
        for unit, encoding, size in ENCODINGS
    }
    if 2 * n_cut >= len(pieces):
        ways["if the last character is included"] = [(text, start, end + 1) for text, start, end in pieces]
    for way, others in ways.items():
        if n_cut and not any(_cuts(*other) for other in others):
            return f"{n_cut} of {len(pieces)} places cut a word or a blank, and none does {way}"
    return ""


def _cuts(text: str, start: int, end: int) -> bool:
    """Whether a piece is none, begins or ends in a word, or with a blank."""
    if not 0 <= start < end <= len(text):
        return True
    sides = [text[at - 1 : at + 1] for at in (start, end) if 0 < at < len(text)]
    return text[start].isspace() or text[end - 1].isspace() or any(side.isalnum() for side in sides)


def _in_units(text: str, start: int, end: int, encoding: str, size: int) -> Place:
    """The same place in characters; an empty one if it is between two halves of a character."""
    raw = text.encode(encoding)
    try:
        before, whole = (len(raw[: at * size].decode(encoding)) for at in (start, end))
    except UnicodeDecodeError:
        return text, 0, 0
    return text, before, whole


def _unit(text: str, start: int, piece: str) -> str:
    """What the offset counts, if it is right so."""
    for unit, encoding, size in ENCODINGS:
        raw, wanted = text.encode(encoding), piece.encode(encoding)
        if raw.startswith(wanted, start * size):
            return unit.removesuffix("s")
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")

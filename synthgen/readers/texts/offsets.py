"""Where a piece of a text begins: counted in characters, and what is said of those who counted something else."""

from __future__ import annotations

from typing import Any

SHOWN = 40


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


def _unit(text: str, start: int, piece: str) -> str:
    """What the offset counts, if it is right so."""
    for unit, encoding, size in (("byte", "utf-8", 1), ("UTF-16 unit", "utf-16-le", 2)):
        raw, wanted = text.encode(encoding), piece.encode(encoding)
        if raw.startswith(wanted, start * size):
            return unit
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 3] + "...")

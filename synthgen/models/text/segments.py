"""Segments: the named parts that a record of texts consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a record: a text, or the name of a class, by its role.

    Attributes:
        content: None if it is to be generated.
    """

    role: str
    content: str | None = None


Record = tuple[Segment, ...]
"""Segments in order, such as label and text, source and target, or the turns of a dialogue."""

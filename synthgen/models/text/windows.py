"""Windows: what the network sees of a record that is written part by part, such as a dialogue message by message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from synthgen.models.text import roles
from synthgen.models.text.kinds.kind import Kind
from synthgen.models.text.segments import Record


@dataclass(frozen=True, slots=True)
class Window:
    """One part of a record and what stands before it.

    Attributes:
        numbers: of the record's segments that it has.
        n_before: how many of them stand before the part.
    """

    numbers: tuple[int, ...]
    n_before: int

    def of(self, record: Record) -> Record:
        """The segments of a record that it has."""
        return tuple(record[number] for number in self.numbers)


def windows(record: Record, kind: Kind, context: int) -> Iterator[Window]:
    """A window for each part of a record, with the label and so many parts before it."""
    ends = [0, *kind.parts(record)]
    for nth, (start, end) in enumerate(pairwise(ends)):
        first = ends[max(nth - context, 0)]
        label = (0,) if first > 0 and record[0].role == roles.LABEL else ()
        yield Window((*label, *range(first, end)), len(label) + start - first)

"""Values where a text says them: a text as segments of its role, and between them one for each value that it holds.

So a model writes around values that it is given, which then stand in the text letter by letter, and knows where those
stand that it makes up itself. All segments but the first begin with the blank before them, and the first with one as
well, so that a word has the same tokens everywhere; together, without that blank, they are the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synthgen.models.text.segments import Segment

BLANK = " "


@dataclass(frozen=True, slots=True)
class Value:
    """A part of a text, as `text[start:end]`, and the role of the segment that it becomes."""

    start: int
    end: int
    role: str


def segments(role: str, text: str, values: Sequence[Value]) -> list[Segment]:
    """A text in pieces of its role, which may be empty, with each of its values, in order, between two of them."""
    whole, found, at = BLANK + text, list[Segment](), 0
    for value in values:
        start = value.start + 1 - whole[: value.start + 1].endswith(BLANK)
        start = max(start, at)
        found += [Segment(role, whole[at:start]), Segment(value.role, whole[start : value.end + 1])]
        at = value.end + 1
    return [*found, Segment(role, whole[at:])]


def around(role: str, values: Sequence[tuple[str, str]]) -> list[Segment]:
    """Segments of a text that is to be generated around values, given as (role, value) in their order."""
    said = [Segment(of, BLANK + value) for of, value in values]
    return [Segment(role), *(segment for value in said for segment in (value, Segment(role)))]


def text_of(record: Sequence[Segment]) -> tuple[str, list[Value]]:
    """The text that segments are together, and where those stand that are not of the first one's role; the reverse of
    `segments`."""
    text, values = "", list[Value]()
    for segment in record:
        content = segment.content or ""
        start, text = len(text), text + content
        if segment.role != record[0].role and content.strip():
            values.append(Value(start + content.startswith(BLANK), len(text), segment.role))
    lost = int(text.startswith(BLANK))
    return text[lost:], [Value(value.start - lost, value.end - lost, value.role) for value in values]


def find(text: str, value: str, taken: Sequence[Value] = ()) -> tuple[int, int] | None:
    """Where the words of a value first stand in a text outside what is taken, whatever their case; None if nowhere."""
    lower, wanted = text.lower(), value.strip().lower()
    if len(lower) != len(text) or len(wanted) != len(value.strip()):  # a few letters have others number of small ones
        lower, wanted = text, value.strip()
    start = lower.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        inside = lower[start - 1 : start].isalnum() or lower[end : end + 1].isalnum()
        if not inside and all(end <= other.start or other.end <= start for other in taken):
            return start, end
        start = lower.find(wanted, start + 1)
    return None

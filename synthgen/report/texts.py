"""Samples that are texts: what of them is shown, in parts of words, cut to a length that can be looked at."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from synthgen.base.names import printable
from synthgen.fields import Schema, first_shown
from synthgen.fields.shown import Bubbles, Curves, Highlights, Pairs, Picture, Remarks, Words
from synthgen.report.curves import mark_colours
from synthgen.report.sheet import Legend

ELLIPSIS = "\u2026"
MAX_CHARACTERS, MAX_MESSAGES = 700, 16
SNAP = 24
"""How many characters a cut moves to end behind a word."""

Stretch = tuple[int, int, str]
"""Start, end (exclusive) and class of a part that is marked."""


@dataclass(frozen=True, slots=True)
class Run:
    """A part of a text, marked if it has a `label`."""

    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text under its heading, such as its language or who says it, and remarks about it."""

    heading: str
    runs: tuple[Run, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """What a field shows: one text, several side by side, or a dialogue, of which `n_more` messages are left out."""

    name: str
    kind: Literal["text", "pair", "chat"]
    passages: tuple[Passage, ...]
    n_more: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A sample: its parts, a line above them, smaller ones behind it, and whether it was rejected."""

    parts: tuple[Part, ...]
    caption: str
    note: str = ""
    rejected: bool = False


TextGroups = dict[str, list[Entry]]
"""Samples by class."""


def is_shown_as_texts(schema: Schema) -> bool:
    """Whether samples are shown in words: they have some, and neither an image nor curves."""
    has = {way: first_shown(schema, way)[1] is not None for way in (Picture, Curves, Words, Pairs, Bubbles)}
    return any(has[way] for way in (Words, Pairs, Bubbles)) and not has[Picture] and not has[Curves]


def parts_of(values: Mapping[str, Any], schema: Schema, most: int = MAX_CHARACTERS) -> tuple[Part, ...]:
    """What is shown of a sample, in the order of its fields, no text longer than `most` characters."""
    parts = []
    for name, field in schema.items():
        if name not in values:
            continue
        shown = field.show(values[name])
        if isinstance(field.shown, Words):
            runs = cut(shown, sorted(_stretches(name, values, schema)), most)
            parts.append(Part(name, "text", (Passage("", runs),)))
        elif isinstance(field.shown, Pairs):
            passages = tuple(Passage(heading, cut(text, (), most)) for heading, text in shown.items())
            parts.append(Part(name, "pair", passages))
        elif isinstance(field.shown, Bubbles):
            remarks = _remarks(name, values, schema, len(shown))
            passages = tuple(
                Passage(message["role"], cut(message["content"], (), most), about)
                for message, about in zip(shown[:MAX_MESSAGES], remarks, strict=False)
            )
            parts.append(Part(name, "chat", passages, max(len(shown) - MAX_MESSAGES, 0)))
    return tuple(parts)


def cut(text: str, stretches: Sequence[Stretch], most: int) -> tuple[Run, ...]:
    """A text in runs, marked where `stretches` are; of a long one what is around the first of these.

    Stretches are sorted by their start; where they overlap, a run has the classes of all of them.
    """
    start = 0
    if len(text) > most and stretches and stretches[0][1] > most * 3 // 4:
        start = _snapped(text, stretches[0][0] - most // 4)
    end = len(text) if len(text) - start <= most else max(_snapped(text, start + most), start + 1)
    edges = {start, end, *(edge for stretch in stretches for edge in stretch[:2] if start < edge < end)}
    places = sorted(edges)
    runs = [Run(ELLIPSIS)] if start else []
    for left, right in itertools.pairwise(places):
        labels = dict.fromkeys(label for a, b, label in stretches if a <= left and right <= b)
        runs.append(Run(visible(text[left:right]), ", ".join(labels)))
    return (*runs, *([Run(ELLIPSIS)] if end < len(text) else []))


def visible(text: str) -> str:
    """Text whose control characters are seen as escapes; line ends and tabs stay, as `\\n` and `\\t`."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(printable(c) if unicodedata.category(c) == "Cc" and c not in "\n\t" else c for c in lines)


def classes(schema: Schema) -> list[str]:
    """The classes of all parts that may be marked, in order."""
    ways = [field.shown for field in schema.values()]
    return list(dict.fromkeys(name for way in ways if isinstance(way, Highlights) for name in way.classes))


def legend(schema: Schema) -> Legend:
    """The classes of what may be marked, each with its colour."""
    names = classes(schema)
    return list(zip(names, mark_colours(len(names)), strict=True))


def terminal_lines(parts: Sequence[Part], most: int) -> Iterator[str]:
    """A sample for terminals, a line for each text, of `most` characters at most: marks stand as `[Lyon: city]`."""
    for part in parts:
        yield part.name
        for passage in part.passages:
            words = "".join(f"[{run.text}: {run.label}]" if run.label else run.text for run in passage.runs)
            words = printable(words if len(words) <= most else words[: _snapped(words, most)].rstrip() + ELLIPSIS)
            remarks = printable(f"  ({'; '.join(passage.remarks)})") if passage.remarks else ""
            yield f"  {f'{printable(passage.heading)}: ' if passage.heading else ''}{words}{remarks}"
        if part.n_more:
            yield f"  {ELLIPSIS} {part.n_more} more"


def _stretches(of: str, values: Mapping[str, Any], schema: Schema) -> Iterator[Stretch]:
    """What all fields mark in the text of field `of`."""
    for name, field in schema.items():
        way = field.shown
        if isinstance(way, Highlights) and way.of == of and name in values:
            yield from ((start, end, way.classes[cls]) for start, end, cls in field.show(values[name]))


def _remarks(of: str, values: Mapping[str, Any], schema: Schema, n: int) -> list[tuple[str, ...]]:
    """What all fields remark about each message of the dialogue in field `of`."""
    found: list[tuple[str, ...]] = [()] * n
    for name, field in schema.items():
        if isinstance(field.shown, Remarks) and field.shown.of == of and name in values:
            found = [(*before, *more) for before, more in zip(found, field.show(values[name]), strict=True)]
    return found


def _snapped(text: str, place: int) -> int:
    """A place to cut at: behind a word if one ends shortly before, else not within what is seen as one character."""
    if place <= 0 or place >= len(text):
        return max(0, min(place, len(text)))
    for near in range(place, max(place - SNAP, 0), -1):
        if text[near - 1].isspace():
            return near
    while place > 0 and (_continues(text[place]) or text[place - 1] == "\u200d"):
        place -= 1
    return place


def _continues(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf") or 0x1F3FB <= ord(character) <= 0x1F3FF

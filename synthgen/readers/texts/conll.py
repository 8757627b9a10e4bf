"""CoNLL: a token and its tag a line, sentences between blank lines, slots as BIO or BIOES tags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.problems import Problems
from synthgen.readers.texts.table import Table, lines_of, text_of
from synthgen.readers.texts.types import TextData

TAG = re.compile(r"O|([BIES])-(.+)")
LABEL = re.compile(r"#\s*(?:intent|label)\s*[:=]\s*(.*?)\s*")
"""A comment before a sentence that says its class."""

Token = tuple[int, str, str]
"""Line, token and tag."""


def load(path: Path, data: TextData) -> Table:
    """The sentences of a file, tokens joined by single blanks; the first column is the token, the last one its tag.

    Comments (`# ...`) stand before a sentence; `# intent: name` is its class. A tag I-x that continues no x begins one.

    Raises:
        DataError: no text in the encoding, lines without a tag, tags that are none, classes of some sentences only;
            all of them.
    """
    problems = Problems()
    sentences, labels, bad = _sentences(path, text_of(path, data.encoding))
    problems.add_lines(bad)
    problems.check()
    if not sentences:
        raise DataError(f"{path}: is empty; lines with a token and its tag are needed")
    loose = 0
    texts, slots = [], []
    for sentence in sentences:
        found_slots, begun = _slots(sentence)
        texts.append(" ".join(token for _, token, _ in sentence))
        slots.append(found_slots)
        loose += begun
    columns: dict[str, Sequence[Any]] = {"text": texts, "slots": slots}
    if any(label is not None for label in labels):
        columns["label"] = labels
    notes = [f"tags I- and E- that continue no slot begin one ({loose})"] if loose else []
    lines = [sentence[0][0] for sentence in sentences]
    return Table(path, columns, lines, "utterances", notes=tuple(notes))


def _sentences(path: Path, text: str) -> tuple[list[list[Token]], list[str | None], list[str]]:
    """Sentences with their classes, and what is wrong with lines."""
    bad: list[str] = []
    width = _width(lines_of(text))
    sentences: list[list[Token]] = [[]]
    labels: list[str | None] = [None]
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip() or line.startswith("-DOCSTART-"):
            if sentences[-1]:
                sentences.append([])
                labels.append(None)
        elif not sentences[-1] and line.startswith("#") and not _is_token(line, width):
            if found := LABEL.fullmatch(line):
                labels[-1] = found.group(1)
        else:
            cells = _cells(line)
            token, tag = cells[0].strip(), cells[-1].strip()
            if len(cells) < 2:
                bad.append(f"{path}:{number}: has one column; a token and its tag are needed, with a blank between")
            elif not TAG.fullmatch(tag):
                bad.append(f"{path}:{number}: `{tag[:40]}` is no tag; O, B-name, I-name, E-name and S-name are")
            else:
                sentences[-1].append((number, token, tag))
    return (sentences, labels, bad) if sentences[-1] else (sentences[:-1], labels[:-1], bad)


def _cells(line: str) -> list[str]:
    """Columns between tabs or, where there are none, between blanks; a no-break space is part of a token."""
    return line.strip().split("\t") if "\t" in line else re.split(" +", line.strip())


def _width(lines: Sequence[str]) -> int:
    """How many columns tokens have."""
    counts = Counter(len(_cells(line)) for line in lines if line.strip() and line[0] not in "#-")
    return counts.most_common(1)[0][0] if counts else 2


def _is_token(line: str, width: int) -> bool:
    """Whether a line that begins with # is a token, such as `#` or a hashtag, with all columns and a tag."""
    cells = _cells(line)
    return len(cells) in (2, width) and TAG.fullmatch(cells[-1].strip()) is not None and not LABEL.fullmatch(line)


def _slots(sentence: Sequence[Token]) -> tuple[list[dict[str, Any]], int]:
    """The slots of a sentence, in the form of the role `slots`; and how many of them a tag I- or E- begins."""
    found: list[dict[str, Any]] = []
    place, inside, begun = 0, "", 0
    for _, token, tag in sentence:
        mark, _, name = tag.partition("-")
        if mark in ("I", "E") and inside == name:
            found[-1]["end"] = place + len(token)
        elif mark != "O":
            begun += mark in ("I", "E")
            found.append({"start": place, "end": place + len(token), "label": name})
        inside = name if mark in ("B", "I") else ""
        place += len(token) + 1
    return found, begun

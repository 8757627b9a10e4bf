"""What texts look like once they are read: columns by role, one entry a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np

from synthgen.errors import DataError
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts.types import SPLITS, Kind, Split

T = TypeVar("T")

ROLES = ("system", "user", "assistant", "tool")
"""Whose a message can be."""


class Span(NamedTuple):
    """Characters (code points) `start` up to, not including, `end` of a text; `slot` is the id of a slot's class."""

    start: int
    end: int
    slot: int


class Answer(NamedTuple):
    """An answer, and where in the context it begins, in code points; None where the data do not say."""

    text: str
    start: int | None = None


class Act(NamedTuple):
    """What a message does, as (INFORM, date, the 8th): slot and value are empty where it has none."""

    act: str
    slot: str = ""
    value: str = ""


class Message(NamedTuple):
    """One turn: `role` is one of `ROLES`; `content` is empty only where `acts` say what the turn does."""

    role: str
    content: str
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """N records of one kind.

    Attributes:
        kind: what the records are.
        texts: N texts by role, as they are in the files. utterances, passages: text. pairs: source, target. questions:
            question, and context where there are any. facts: subject, relation, answer, and question where there are
            any. dialogues: none.
        labels: class ids int64 (N,) into `classes`, which are sorted; None without labels.
        spans: the slots of each text, in order of their starts, which do not overlap; None without slots.
        slot_classes: names by the ids of slots, sorted.
        answers: the answers to each question, none where it cannot be answered; None but for questions.
        dialogues: the messages of each dialogue; None but for dialogues.
        splits: int8 (N,), places in `SPLITS`.
        files, file_of, lines: the files, and of each record int32 (N,) its file and its line in it (rows of Parquet).
        languages: of source and target, if they are known.
        roles: the column that each role was read from.
        left_out: how many records were left out, by reason.
        notes: what was decided, and what should be looked at, in words.
    """

    kind: Kind
    texts: Mapping[str, tuple[str, ...]]
    files: tuple[str, ...]
    file_of: np.ndarray
    lines: np.ndarray
    splits: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    spans: tuple[tuple[Span, ...], ...] | None = None
    slot_classes: tuple[str, ...] = ()
    answers: tuple[tuple[Answer, ...], ...] | None = None
    dialogues: tuple[tuple[Message, ...], ...] | None = None
    languages: tuple[str, str] | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.splits)

    def where(self, record: int) -> str:
        """`file:line` of a record; `file: row N` of Parquet."""
        return place(self.files[self.file_of[record]], int(self.lines[record]))

    def rows(self, rows: np.ndarray) -> Texts:
        """The records at some places, in their order; classes keep their ids."""
        chosen = rows.tolist()
        return replace(
            self,
            texts={role: _chosen(values, chosen) for role, values in self.texts.items()},
            file_of=_frozen(self.file_of[rows]),
            lines=_frozen(self.lines[rows]),
            splits=_frozen(self.splits[rows]),
            labels=None if self.labels is None else _frozen(self.labels[rows]),
            spans=None if self.spans is None else _chosen(self.spans, chosen),
            answers=None if self.answers is None else _chosen(self.answers, chosen),
            dialogues=None if self.dialogues is None else _chosen(self.dialogues, chosen),
        )

    def take(self, split: Split) -> Texts:
        """The records of one split, in the order of the files; classes keep their ids.

        Raises:
            DataError: it has none.
        """
        found = np.flatnonzero(self.splits == SPLITS.index(split))
        if not len(found):
            counts = ", ".join(f"{name} {np.sum(self.splits == i):,}" for i, name in enumerate(SPLITS))
            raise DataError(
                f"{self.files[0]}: the split `{split}` has no records (there are {counts}); set `{split}` to a larger "
                "share, or to a file of its own"
            )
        return self.rows(found)

    @property
    def facts(self) -> DataFacts:
        """What is said of them before they are used."""
        from synthgen.readers.texts.summary import facts_of

        return facts_of(self)


def place(file: str, line: int) -> str:
    """Where a record stands, for messages."""
    return f"{file}{': row ' if file.lower().endswith('.parquet') else ':'}{line}"


def _chosen(values: Sequence[T], rows: Sequence[int]) -> tuple[T, ...]:
    return tuple(values[row] for row in rows)


def _frozen(values: np.ndarray) -> np.ndarray:
    values.flags.writeable = False
    return values

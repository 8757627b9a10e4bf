"""Texts of a dataset and real ones in one form, so that measures need not know where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from synthgen.readers.texts.reader import Kind, Texts

T = TypeVar("T")
Mark = tuple[int, int, str]
"""Start, end (exclusive) and class of a span, in characters."""


FACT = ("subject", "relation", "answer", "question")
"""Columns of facts with their questions, in the order of a `Fact`."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A message: whose it is, what it says, and its acts as (act, slot, value)."""

    role: str
    content: str
    acts: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A passage, a question about it, and texts that answer it; none if it cannot be answered."""

    context: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of a table of facts, and the question that asks for its answer."""

    subject: str
    relation: str
    answer: str
    question: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """N records of one kind.

    Attributes:
        parts: the texts that are measured, N each, by what they are called; of dialogues all messages in lines.
        labels: the class of each record, of facts the relation; None without classes.
        spans: of `text` of utterances; None without slots.
        pairs: source and target of each; None but for pairs.
        readings: of questions about passages, else None.
        facts: of facts with their questions, else None.
        dialogues: None but for dialogues; `has_acts` says whether their turns have acts.
    """

    kind: Kind
    parts: Mapping[str, tuple[str, ...]]
    labels: tuple[str, ...] | None = None
    spans: tuple[tuple[Mark, ...], ...] | None = None
    pairs: tuple[tuple[str, str], ...] | None = None
    readings: tuple[Reading, ...] | None = None
    facts: tuple[Fact, ...] | None = None
    dialogues: tuple[tuple[Turn, ...], ...] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.parts.values())))

    @property
    def has_acts(self) -> bool:
        return any(turn.acts for turns in self.dialogues or () for turn in turns)

    @property
    def whole(self) -> tuple[str, ...]:
        """Everything that is measured of each record, as one text."""
        return tuple("\n".join(values) for values in zip(*self.parts.values(), strict=True))

    def rows(self, rows: Sequence[int] | np.ndarray) -> Corpus:
        """The records at some places, in their order."""
        chosen = [int(row) for row in rows]
        parts = {name: _chosen(values, chosen) for name, values in self.parts.items()}
        columns: dict[str, Any] = {
            name: None if values is None else _chosen(values, chosen) for name, values in self._columns().items()
        }
        return replace(self, parts=parts, **columns)

    def sample(self, n: int, seed: int) -> Corpus:
        """At most `n` records, chosen at random by `seed`, in their order."""
        if n >= len(self):
            return self
        return self.rows(np.sort(np.random.default_rng(seed).permutation(len(self))[:n]))

    def join(self, other: Corpus) -> Corpus:
        """The records of both, which have the same columns."""
        theirs = other._columns()
        parts = {name: (*values, *other.parts[name]) for name, values in self.parts.items()}
        columns: dict[str, Any] = {
            name: None if values is None or theirs[name] is None else (*values, *theirs[name])
            for name, values in self._columns().items()
        }
        return replace(self, parts=parts, **columns)

    def _columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("labels", "spans", "pairs", "readings", "facts", "dialogues")}


def _chosen(values: Sequence[T], rows: Sequence[int]) -> tuple[T, ...]:
    return tuple(values[row] for row in rows)


def of_real(texts: Texts, names: Sequence[str]) -> Corpus:
    """Real texts, of which the parts `names` are measured."""
    columns = dict(texts.texts)
    dialogues = None
    if texts.dialogues is not None:
        dialogues = tuple(
            tuple(Turn(message.role, message.content, tuple(map(tuple, message.acts))) for message in messages)  # type: ignore[arg-type]
            for messages in texts.dialogues
        )
        columns["messages"] = tuple(map(said, dialogues))
    if texts.kind == "pairs" and texts.languages:
        columns |= dict(zip(texts.languages, (columns["source"], columns["target"]), strict=True))
    labels = None if texts.labels is None else tuple(texts.classes[i] for i in texts.labels.tolist())
    spans = None
    if texts.spans is not None:
        spans = tuple(tuple((s.start, s.end, texts.slot_classes[s.slot]) for s in some) for some in texts.spans)
    pairs = tuple(zip(columns["source"], columns["target"], strict=True)) if texts.kind == "pairs" else None
    readings = None
    if "context" in columns and texts.answers is not None:
        rows = zip(columns["context"], columns["question"], texts.answers, strict=True)
        readings = tuple(Reading(context, asked, tuple(a.text for a in answers)) for context, asked, answers in rows)
    facts = None
    if texts.kind == "facts" and set(FACT) <= columns.keys():
        facts = tuple(Fact(*row) for row in zip(*(columns[name] for name in FACT), strict=True))
    return Corpus(
        kind=texts.kind,
        parts={name: tuple(columns[name]) for name in names},
        labels=tuple(columns["relation"]) if texts.kind == "facts" else labels,
        spans=spans,
        pairs=pairs,
        readings=readings,
        facts=facts,
        dialogues=dialogues,
    )


def said(turns: Sequence[Turn]) -> str:
    """All messages of a dialogue, each in a line of its own."""
    return "\n".join(turn.content for turn in turns)

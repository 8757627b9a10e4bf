"""A few real texts beside those of a dataset: those it was evaluated with, or others that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.dataset.ledger import Ledger
from synthgen.dataset.records import Compared as Evaluated
from synthgen.errors import DataError, SynthgenError
from synthgen.fields import Acts, Answers, Chat, Schema, Spans, Text, Translation, classes_of
from synthgen.measures.texts.measure import text_data
from synthgen.measures.texts.synthetic import NEEDS
from synthgen.readers.texts import reader
from synthgen.readers.texts.records import Texts
from synthgen.report import preview, real_data
from synthgen.report.real_data import Real
from synthgen.report.texts import Entry, TextGroups

REAL = "real texts"
N_REAL = 8
"""Real texts that a page shows, all classes together."""


@dataclass(frozen=True, slots=True)
class RealTexts:
    """Real texts for a page.

    Attributes:
        groups: training records as samples, by the class of the dataset that they belong to.
        real: where they come from, None if there are none.
        lack: why those of the last evaluation cannot be shown, in words; empty if they are, or none was asked for.
    """

    groups: TextGroups
    real: Real | None
    lack: str = ""

    def beside(self, generated: TextGroups) -> TextGroups:
        """The generated samples of each class, and the real ones behind them."""
        found: TextGroups = {}
        for name, entries in generated.items():
            found[name] = entries
            if name in self.groups:
                found[f"{name}: {REAL}" if name else REAL] = self.groups[name]
        return found

    def count(self, generated: TextGroups) -> int:
        """How many of them stand beside these."""
        return sum(len(self.groups.get(name, ())) for name in generated)


def real_texts(book: Ledger, known: Evaluated | None, asked: str | None, with_real: bool) -> RealTexts:
    """Real texts of `asked`, or else of the last evaluation `known`, if `with_real`.

    Raises:
        UsageError: `asked` names no texts.
        DataError: those of `asked` cannot be read, or are of another kind than the dataset.
    """
    if asked is not None:
        real = real_data.named(asked, "texts")
        return RealTexts(_groups(book, real), real)
    try:
        remembered = real_data.of_evaluation(known.asked if known and with_real else {}, "texts")
        return RealTexts({} if remembered is None else _groups(book, remembered), remembered)
    except SynthgenError as error:
        return RealTexts({}, None, str(error))


def _groups(book: Ledger, real: Real) -> TextGroups:
    texts = reader.read(text_data(real.data, real.name)).take("train")
    if not _values(texts, 0, book.fields):
        raise DataError(f"{real.name}: its records are {texts.kind}, which need {NEEDS[texts.kind]}")
    classes = classes_of(book.fields) or ("",)
    has_classes = texts.labels is not None and classes != ("",)
    groups: TextGroups = {}
    order = np.random.default_rng(0).permutation(len(texts))
    each = max(1, N_REAL // len(classes))
    for name in classes[:N_REAL]:
        if has_classes and name not in texts.classes:
            continue
        rows = order if not has_classes else order[_are(texts, name)[order]]
        chosen = [_values(texts, int(row), book.fields) for row in rows[:each]]
        if chosen:
            groups[name] = _entries(chosen, book.fields)
    return groups


def _are(texts: Texts, name: str) -> np.ndarray:
    """Whether each record is of a class."""
    assert texts.labels is not None
    return np.asarray(texts.labels == texts.classes.index(name))


def _entries(values: Sequence[Mapping[str, Any]], schema: Schema) -> list[Entry]:
    return preview.entries_of(values, [("", "", False)] * len(values), schema)


def _values(texts: Texts, row: int, schema: Schema) -> dict[str, Any]:
    """A real record by the fields of a dataset, as far as it has them."""
    columns = {role: values[row] for role, values in texts.texts.items()}
    turns = texts.dialogues[row] if texts.dialogues is not None else ()
    found: dict[str, Any] = {}
    for name, field in schema.items():
        if isinstance(field, Text) and name in columns:
            found[name] = columns[name]
        elif isinstance(field, Translation) and texts.kind == "pairs" and len(field.languages) == 2:
            languages = texts.languages or field.languages
            if set(languages) == set(field.languages):
                found[name] = dict(zip(languages, (columns["source"], columns["target"]), strict=True))
        elif isinstance(field, Spans) and texts.spans is not None and field.of in columns:
            marks = [(start, end, texts.slot_classes[slot]) for start, end, slot in texts.spans[row]]
            found[name] = [
                {"start": start, "end": end, "label": field.classes.index(slot)}
                for start, end, slot in marks
                if slot in field.classes
            ]
        elif isinstance(field, Answers) and texts.answers is not None and field.of in columns:
            known = [answer for answer in texts.answers[row] if answer.start is not None]
            found[name] = {
                "text": [answer.text for answer in known],
                "answer_start": [answer.start for answer in known],
            }
        elif isinstance(field, Chat) and turns:
            found[name] = [{"role": turn.role, "content": turn.content} for turn in turns]
        elif isinstance(field, Acts) and turns:
            found[name] = [[dict(zip(("act", "slot", "value"), act, strict=True)) for act in t.acts] for t in turns]
    return found

"""What the answer to a question is, by a table of facts: its relation by a classifier, its subject by a tagger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from synthgen.measures.texts.corpus import Corpus, Mark
from synthgen.measures.texts.linear import TextClassifier
from synthgen.measures.texts.slots import Tagger
from synthgen.models.text.kinds import in_place

SUBJECT = "subject"


def train_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """Accuracy, in percent, of answers, of relations and of subjects, on test questions.

    A question is answered by the facts of all test records: those with the relation that a linear classifier of the
    question sees and the subject that a linear tagger finds in it, all in small letters. Subjects that a question does
    not name as they are count as wrong.
    """
    assert training.facts is not None and test.facts is not None
    known, asked = training.facts, test.facts
    learned, questions = ([fact.question.lower() for fact in some] for some in (known, asked))
    relations = TextClassifier(learned, [fact.relation for fact in known], seed).predict(questions)
    marks = [_marks(text, fact.subject) for text, fact in zip(learned, known, strict=True)]
    tagger = Tagger(learned, marks, seed)
    subjects = [_found(text, marks) for text, marks in zip(questions, tagger.spans(questions), strict=True)]
    table: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in asked:
        table[fact.subject.lower(), fact.relation].add(fact.answer)
    rows = list(zip(asked, relations, subjects, strict=True))
    right = {
        "accuracy": [fact.answer in table.get((subject, relation), ()) for fact, relation, subject in rows],
        "relation": [fact.relation == relation for fact, relation, _ in rows],
        "subject": [fact.subject.lower() == subject for fact, _, subject in rows],
    }
    return {name: 100 * sum(values) / len(values) for name, values in right.items()}


def _marks(question: str, subject: str) -> list[Mark]:
    """Where a question names its subject; nowhere if it does not."""
    place = in_place.find(question, subject)
    return [] if place is None else [(*place, SUBJECT)]


def _found(question: str, marks: Sequence[Mark]) -> str:
    """The longest subject that the tagger finds; empty without any."""
    return max((question[start:end] for start, end, _ in marks), key=len, default="")

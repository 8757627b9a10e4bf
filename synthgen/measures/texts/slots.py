"""Which parts of a text are slots: a linear tagger of tokens, and F1 of whole spans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from synthgen.language.bio import OUTSIDE, bio
from synthgen.language.tokens import tokens
from synthgen.measures.texts.corpus import Corpus, Mark
from synthgen.measures.texts.linear import Counts, hashed, logistic, matrix, seen


def train_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """F1, precision and recall, in percent, of spans whose start, end and class are right.

    Tokens are those of `export --to conll`. The label of each is predicted from it and the two on both sides.
    """
    assert training.spans is not None and test.spans is not None
    tagger = Tagger(texts_of(training), training.spans, seed)
    if not tagger.has_learned:
        return {"f1": 0.0, "precision": 0.0, "recall": 0.0}
    return span_scores(tagger.spans(texts_of(test)), test.spans)


class Tagger:
    """Says which parts of a text are slots: logistic regression of each token; fitted when it is made."""

    def __init__(self, texts: Sequence[str], spans: Sequence[Iterable[Mark]], seed: int) -> None:
        labels = [label for text, marks in zip(texts, spans, strict=True) for label in labels_of(places(text), marks)]
        self.has_learned = bool(labels)
        if not labels:
            return
        counts = matrix([row for text in texts for row in token_counts(text)])
        self._columns = seen(counts)
        self._model = logistic(counts[:, self._columns], labels, seed)

    def spans(self, texts: Sequence[str]) -> list[list[Mark]]:
        """The slots of each text; none if nothing was learned."""
        rows = [row for text in texts for row in token_counts(text)]
        if not rows or not self.has_learned:
            return [[] for _ in texts]
        predicted = iter(self._model.predict(matrix(rows)[:, self._columns]))
        return [spans_of(places(text), [str(next(predicted)) for _ in places(text)]) for text in texts]


def texts_of(corpus: Corpus) -> Sequence[str]:
    return corpus.parts["text"]


@lru_cache(maxsize=20_000)
def token_counts(text: str) -> tuple[Counts, ...]:
    """The features of each token."""
    return tuple(hashed(names) for names in token_features(text, places(text)))


@lru_cache(maxsize=20_000)
def places(text: str) -> tuple[tuple[int, int], ...]:
    """Start and end of each token."""
    return tuple(tokens(text))


def labels_of(found: Sequence[tuple[int, int]], marks: Iterable[Mark]) -> list[str]:
    """The BIO label of each token, as `export --to conll` writes them: spans that cut a token are left out."""
    marks = list(marks)
    classes = [name for _, _, name in marks]
    spans = [{"start": start, "end": end, "label": i} for i, (start, end, _) in enumerate(marks)]
    return bio(found, spans, classes)[0]


def spans_of(found: Sequence[tuple[int, int]], labels: Sequence[str]) -> list[Mark]:
    """Spans by the labels of their tokens; an `I` that continues no span of its class begins one.

    Source: Tjong Kim Sang and Buchholz 2000, the evaluation `conlleval`.
    """
    marks: list[Mark] = []
    open_name = ""
    for (start, end), label in zip(found, labels, strict=True):
        kind, _, name = label.partition("-")
        if label == OUTSIDE:
            open_name = ""
        elif kind == "I" and name == open_name:
            marks[-1] = (marks[-1][0], end, name)
        else:
            marks.append((start, end, name))
            open_name = name
    return marks


def span_scores(found: Sequence[Iterable[Mark]], real: Sequence[Iterable[Mark]]) -> dict[str, float]:
    """F1, precision and recall of all spans together, in percent; 0 where there are none to share."""
    ours = {(i, *mark) for i, marks in enumerate(found) for mark in marks}
    theirs = {(i, *mark) for i, marks in enumerate(real) for mark in marks}
    right = len(ours & theirs)
    total = len(ours) + len(theirs)
    return {
        "f1": 100 * 2 * right / total if total else 0.0,
        "precision": 100 * right / len(ours) if ours else 0.0,
        "recall": 100 * right / len(theirs) if theirs else 0.0,
    }


def token_features(text: str, found: Sequence[tuple[int, int]]) -> Iterator[list[str]]:
    """What is known of each token: its letters, its shape, and the words around it."""
    words = [text[start:end] for start, end in found]
    lower = ["<s>", "<s>", *(word.casefold() for word in words), "</s>", "</s>"]
    for i, word in enumerate(words):
        near = lower[i : i + 5]
        own = near[2]
        yield [
            "bias",
            *(f"{place}={value}" for place, value in zip(("-2", "-1", "0", "+1", "+2"), near, strict=True)),
            f"-1,0={near[1]}|{own}",
            f"0,+1={own}|{near[3]}",
            f"-2,-1={near[0]}|{near[1]}",
            f"+1,+2={near[3]}|{near[4]}",
            *(f"start={own[:n]}" for n in (2, 3, 4)),
            *(f"end={own[-n:]}" for n in (2, 3, 4)),
            f"shape={_shape(word)}",
            f"first={i == 0}",
        ]


def _shape(word: str) -> str:
    """Capitals, small letters, digits and signs, each run once: `Xx`, `d:d`."""
    kinds = ["X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdecimal() else c for c in word]
    return "".join(kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1])

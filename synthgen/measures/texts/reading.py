"""Where in a passage a question is answered: a linear reader of spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from synthgen.language.tokens import tokens
from synthgen.language.words import words as words_of
from synthgen.measures.texts.corpus import Corpus, Reading
from synthgen.measures.texts.linear import logistic

MOST_TOKENS = 6
MOST_TOKENS_OF_CONTEXT = 400
N_WRONG = 30
N_OPENINGS = 12
WINDOWS = (4, 10)


def train_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """Exact match and mean F1 of words, in percent, of the answers to the test questions.

    Candidates are all spans of up to `MOST_TOKENS` tokens without signs, in the first `MOST_TOKENS_OF_CONTEXT` tokens
    of the context. Each is judged by the words of the question around it and in it, its length, capitals and digits,
    and these by how the question begins. Training has the answer and `N_WRONG` other spans of each question.

    Source: Rajpurkar et al. 2016, "SQuAD", sections 5 and 6.1, with fewer features.
    """
    assert training.readings is not None and test.readings is not None
    firsts = Counter(_opening(one.question) for one in training.readings)
    openings = [word for word, _ in sorted(firsts.items(), key=lambda item: (-item[1], item[0]))[:N_OPENINGS]]
    random = np.random.default_rng(seed)
    rows, labels = [], []
    for one in training.readings:
        candidates = spans_of(one.context)
        right = [_is_answer(one.context[start:end], one.answers) for start, end, _, _ in candidates]
        wrong = [i for i, is_right in enumerate(right) if not is_right]
        chosen = [*np.flatnonzero(right)[:1], *random.permutation(wrong)[:N_WRONG]]
        if chosen and any(right):
            rows.append(features(one, [candidates[int(i)] for i in chosen], openings))
            labels += [int(right[int(i)]) for i in chosen]
    if not rows:
        return {"exact_match": 0.0, "f1": 0.0}
    known = np.concatenate(rows)
    scale = known.std(0) + 1e-6
    model = logistic(known / scale, labels, seed)
    exact, f1 = [], []
    for one in test.readings:
        candidates = spans_of(one.context)
        answer = ""
        if candidates and len(set(labels)) > 1:
            best = int(model.decision_function(features(one, candidates, openings) / scale).argmax())
            answer = one.context[slice(*candidates[best][:2])]
        exact.append(float(_is_answer(answer, one.answers)))
        f1.append(max(f1_of_words(answer, real) for real in one.answers))
    return {"exact_match": 100 * float(np.mean(exact)), "f1": 100 * float(np.mean(f1))}


Candidate = tuple[int, int, int, int]
"""Start and end in characters, first token, number of tokens."""


def spans_of(context: str) -> list[Candidate]:
    """All candidates, by their starts."""
    found = list(tokens(context))[:MOST_TOKENS_OF_CONTEXT]
    is_word = [any(map(str.isalnum, context[start:end])) for start, end in found]
    spans = []
    for first, (start, _) in enumerate(found):
        for last in range(first, min(first + MOST_TOKENS, len(found))):
            if not is_word[last]:
                break
            spans.append((start, found[last][1], first, last - first + 1))
    return spans


def features(one: Reading, spans: Sequence[Candidate], openings: Sequence[str]) -> np.ndarray:
    """float64 (N, D), what is known of each span as an answer to the question."""
    found = list(tokens(one.context))[:MOST_TOKENS_OF_CONTEXT]
    words = [one.context[start:end].casefold() for start, end in found]
    asked = Counter(words_of(one.question))
    common = Counter(words)
    weights = np.array([asked[word] and 1 / common[word] for word in words], dtype=np.float64)
    total = np.concatenate([[0], np.cumsum(weights)])
    opening = _opening(one.question)
    begins = [float(opening == word) for word in openings]
    rows = []
    for start, end, first, size in spans:
        text = one.context[start:end]
        inside = total[first + size] - total[first]
        around = [
            total[min(first + size + width, len(words))] - total[max(first - width, 0)] - inside for width in WINDOWS
        ]
        own = [float(text[0].isupper()), float(any(map(str.isdigit, text))), float(size)]
        rows.append([inside, *around, *own, *(begin * value for begin in begins for value in own)])
    return np.array(rows, dtype=np.float64)


def f1_of_words(found: str, real: str) -> float:
    """F1 of the words of two answers, 0 to 1.

    Source: Rajpurkar et al. 2016, section 6.1, here without leaving out articles.
    """
    ours, theirs = Counter(words_of(found)), Counter(words_of(real))
    shared = (ours & theirs).total()
    return 2 * shared / (ours.total() + theirs.total()) if shared else 0.0


def _is_answer(text: str, answers: Sequence[str]) -> bool:
    words = words_of(text)
    return bool(words) and any(words == words_of(answer) for answer in answers)


def _opening(question: str) -> str:
    return next(iter(words_of(question)), "")

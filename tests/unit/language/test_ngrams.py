"""Similarities and groups of texts, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.language.ngrams import NearestText, jaccard, ngrams, similar_groups
from synthgen.language.words import normalised

TEXTS = st.lists(st.text(alphabet="abc ", max_size=9), max_size=14)


def by_hand(first: str, second: str) -> float:
    a, b = ({t[i : i + 4] for i in range(max(1, len(t) - 3))} for t in (normalised(first), normalised(second)))
    return len(a & b) / len(a | b)


def all_pairs(texts: list[str], least: float) -> list[set[int]]:
    """Groups by comparing everything with everything."""
    groups = [{i} for i in range(len(texts))]
    for i in range(len(texts)):
        for j in range(i):
            if by_hand(texts[i], texts[j]) >= least:
                first, second = (next(g for g in groups if k in g) for k in (i, j))
                if first is not second:
                    groups.remove(second)
                    first |= second
    return sorted(groups, key=min)


def of_numbers(numbers: np.ndarray) -> list[set[int]]:
    return sorted(({int(i) for i in np.flatnonzero(numbers == n)} for n in set(numbers.tolist())), key=min)


def test_a_similarity_by_hand() -> None:
    assert ngrams("ABCDE") == {"abcd", "bcde"} and ngrams("ab") == {"ab"}
    assert jaccard(ngrams("abcde"), ngrams("abcdx")) == pytest.approx(1 / 3)


@given(TEXTS, st.sampled_from([0.1, 0.25, 0.5, 2 / 3, 0.8, 1.0]))
@settings(max_examples=150, deadline=None)
def test_groups_are_those_of_comparing_everything(texts: list[str], least: float) -> None:
    assert of_numbers(similar_groups(texts, least)) == all_pairs(texts, least)


@given(TEXTS, st.text(alphabet="abc ", max_size=9))
@settings(max_examples=100, deadline=None)
def test_the_nearest_text_is_that_of_comparing_everything(texts: list[str], text: str) -> None:
    nearest = NearestText(texts).similarity(text)
    assert nearest == pytest.approx(max((by_hand(text, other) for other in texts), default=0.0))


def test_many_sentences_with_planted_copies() -> None:
    """300 sentences of random words, in which 20 repeat others with a word changed at the end."""
    random = np.random.default_rng(0)
    vocabulary = ["".join(random.choice(list("abcdefghijklmnopqrst"), 6)) for _ in range(500)]
    texts = [" ".join(random.choice(vocabulary, 12)) for _ in range(300)]
    texts += [text.rpartition(" ")[0].upper() + " other" for text in texts[:20]]
    assert of_numbers(similar_groups(texts, 0.75)) == all_pairs(texts, 0.75)
    assert len(set(similar_groups(texts, 0.75).tolist())) == 300

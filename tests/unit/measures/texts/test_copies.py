"""Copies are counted exactly."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.measures.texts import copies

TRAINING = ["one two three four five six seven eight nine ten", "a b c d", "Hello, World!"]


def test_copies_are_counted_to_the_word() -> None:
    texts = [
        "zero one two three four five six seven eight nine",  # nine words of a training text: near
        "one two three four five six seven eight, and more",  # eight: not near
        "hello,  world!",  # equal but for capitals and blanks
        "nothing of it",
        "nothing of it",
    ]
    found = copies.measure(texts, TRAINING)
    assert found["n"] == 5 and found["exact"] == 0.2 and found["near"] == 0.2 and found["duplicates"] == 0.2
    assert found["longest_run_max"] == 9 and found["longest_run_mean"] == (9 + 8 + 2) / 5
    assert copies.longest_copied_runs(texts, TRAINING).tolist() == [9, 8, 2, 0, 0]


def test_runs_do_not_go_over_the_ends_of_texts() -> None:
    assert copies.longest_copied_runs(["c d e f"], ["a b c d", "e f g"]).tolist() == [2]
    assert copies.longest_copied_runs(["", "!", "d"], ["a b c d", ""]).tolist() == [0, 0, 1]
    assert copies.longest_copied_runs([], ["a"]).tolist() == []
    assert copies.longest_copied_runs(["a b"], []).tolist() == [0]


def slow(text: str, training: list[str]) -> int:
    words, best = text.split(), 0
    for other in training:
        theirs = other.split()
        for i in range(len(words)):
            for j in range(len(theirs)):
                n = 0
                while i + n < len(words) and j + n < len(theirs) and words[i + n] == theirs[j + n]:
                    n += 1
                best = max(best, n)
    return best


SENTENCES = st.lists(st.lists(st.sampled_from("abc"), max_size=9).map(" ".join), max_size=6)


@settings(max_examples=60, deadline=None)
@given(SENTENCES, SENTENCES)
def test_runs_are_those_of_comparing_all_with_all(texts: list[str], training: list[str]) -> None:
    found = copies.longest_copied_runs(texts, training)
    assert found.tolist() == [slow(text, training) for text in texts]


def test_a_set_that_is_its_training_set_is_all_copies() -> None:
    texts = [f"sentence {a} goes before sentence {b}" for a, b in pairwise(range(40))]
    found = copies.measure(texts, texts)
    assert found["exact"] == 1 and found["duplicates"] == 0
    assert np.all(copies.longest_copied_runs(texts, texts) == 6)

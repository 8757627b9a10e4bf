"""Diversity by hand, and self-BLEU beside sacrebleu's."""

from __future__ import annotations

import pytest
import sacrebleu

from synthgen.measures.texts import diversity
from synthgen.measures.texts.words import tokens_of


def test_distinct_n_by_hand() -> None:
    found = diversity.measure(["a b a b", "a b c"])
    assert found["distinct_1"] == 3 / 7  # a, b, c of seven
    assert found["distinct_2"] == 3 / 5  # ab, ba, bc of five
    assert found["distinct_3"] == 1  # aba, bab, abc
    assert found["vocabulary"] == 3 and found["n"] == 2
    assert (found["words_q05"], found["words_q50"], found["words_q95"]) == pytest.approx((3.05, 3.5, 3.95))


def test_what_cannot_be_counted_is_none() -> None:
    found = diversity.measure(["a"])
    assert found["distinct_1"] == 1 and found["distinct_2"] is None and found["self_bleu"] is None
    assert diversity.measure([""])["distinct_1"] is None


TEXTS = [
    "the cat sat on the mat",
    "the cat sat on a mat today",
    "a dog ran",
    "the the the the the",
    "yes",
    "the dog sat on the mat and the cat sat on the dog",
    "the cat sat on the mat",
]


def test_self_bleu_is_that_of_sacrebleu() -> None:
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    each = [metric.sentence_score(text, TEXTS[:i] + TEXTS[i + 1 :]).score for i, text in enumerate(TEXTS)]
    assert diversity.self_bleu([tokens_of(text) for text in TEXTS]) == pytest.approx(sum(each) / len(each))


def test_self_bleu_of_equal_texts_is_a_hundred_and_of_strangers_little() -> None:
    assert diversity.self_bleu([("a", "b", "c", "d", "e")] * 3) == pytest.approx(100)
    assert diversity.self_bleu([("a", "b", "c"), ("d", "e", "f"), ("g", "h", "i")]) == 0

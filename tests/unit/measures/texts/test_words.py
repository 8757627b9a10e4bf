"""Words, with the short way of ASCII texts beside the long one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synthgen.language.tokens import tokens
from synthgen.language.words import words as words_of
from synthgen.measures.texts.words import ngrams, tokens_of


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_ascii_texts_have_the_tokens_of_all_others(text: str) -> None:
    folded = text.casefold()
    assert list(tokens_of(text)) == [folded[start:end] for start, end in tokens(folded)]


def test_words_of_several_scripts() -> None:
    assert words_of("Don't pay 3.14 - NOW!") == ["don't", "pay", "3.14", "now"]
    assert words_of("Straße, 10:30 Uhr") == ["strasse", "10:30", "uhr"]
    assert words_of("我在里昂。") == ["我", "在", "里", "昂"]


def test_runs_of_words() -> None:
    assert list(ngrams(["a", "b", "c"], 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(["a"], 2)) == []

"""Words as texts are compared by them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.language.tokens import tokens
from synthgen.language.words import mentions, normalised, words


def test_case_blanks_and_composed_letters_make_no_difference() -> None:
    assert normalised("  Réserve\u202fUNE\r\ntable ") == normalised("re\u0301serve une table") == "réserve une table"
    assert normalised("STRASSE") == normalised("Straße")


def test_words_in_scripts_of_all_kinds() -> None:
    assert words("Don't pay $3.14, OK? -- at 10:30!") == ["don't", "pay", "3.14", "ok", "at", "10:30"]
    assert words("请订一张桌子。") == list("请订一张桌子")
    assert words("Müde, 👍🏽 नमस्ते") == ["müde", "नमस्ते"]
    assert words("?!") == words("") == []


@given(st.text(alphabet="ab1_.,:'- \tX\x1f#", max_size=12))
def test_texts_in_ascii_have_the_same_words_as_by_tokens(text: str) -> None:
    small = normalised(text)
    assert words(text) == [small[a:b] for a, b in tokens(small) if small[a].isalnum() or small[a] == "_"]


@pytest.mark.parametrize(
    ("text", "value", "there"),
    [
        ("Book a table in New  York!", "new york", True),
        ("Book a table in New, York", "New York", True),
        ("Newark is near York", "York", True),
        ("Yorkshire", "York", False),
        ("York New", "New York", False),
        ("at 10:30 sharp", "10:30", True),
        ("at 10:30 sharp", "10", False),
        ("我想去北京玩", "北京", True),
        ("great 👍", "👍", True),
        ("great", "👍", False),
        ("anything", "", False),
    ],
)
def test_a_value_is_mentioned_by_whole_words(text: str, value: str, there: bool) -> None:
    assert mentions(text, value) is there

"""The scorer that compares lengths."""

from __future__ import annotations

import pytest

import helpers
from synthgen.fields import Text, Translation
from synthgen.scorers.length_ratio import LengthRatio

PAIR = {"condition.source": Text(), "pair": Translation(("en", "zh"))}


def test_longer_by_shorter() -> None:
    part = LengthRatio(LengthRatio.Config())
    assert part.bind(PAIR) == []
    pairs = [
        {"en": "to go there ", "zh": "去那里"},
        {"en": "a", "zh": ""},
        {"en": "", "zh": ""},
        {"en": "I", "zh": "我要去"},
    ]
    found = part.annotate({"pair": pairs}, [0] * 4)
    assert found["length_ratio_characters"] == pytest.approx([11 / 3, 1, 1, 3])
    assert found["length_ratio_words"] == [1, 1, 1, 3]


def test_two_texts_and_no_others() -> None:
    schema = {"question": Text(), "context": Text(), "title": Text()}
    assert helpers.bind_messages(LengthRatio(LengthRatio.Config()), schema) == [
        "texts: compares two texts, not 3 (question, context, title)"
    ]
    part = LengthRatio(LengthRatio.Config(texts=["question", "context"], name="size"))
    assert part.bind(schema) == []
    found = part.annotate({"question": ["Who?"], "context": ["It was me."]}, [0])
    assert found == {"size_characters": [2.5], "size_words": [3.0]}

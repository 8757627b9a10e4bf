"""The scorers of what a condition asks for: its values, and answers."""

from __future__ import annotations

import helpers
from synthgen.fields import Answers, Label, Text, Translation
from synthgen.scorers.answered import Answered
from synthgen.scorers.asked_values import AskedValues

SCHEMA = {
    "condition.label": Label(("a", "b")),
    "condition.slot: city": Text(),
    "condition.slot: time": Text(),
    "condition.origin": Text(),
    "text": Text(),
}


def test_the_share_of_the_values_of_slots() -> None:
    part = AskedValues(AskedValues.Config())
    assert part.bind(SCHEMA) == []
    columns = {
        "condition.slot: city": ["New York", "Rome", "Rome", ""],
        "condition.slot: time": ["10:30", "noon", "noon", " "],
        "text": ["to new york at 10:30", "Rome at one", "Romeo", "hello"],
    }
    assert part.annotate(columns, [0] * 4) == {"asked_values": [1, 0.5, 0, 1]}


def test_values_by_name_in_a_text_by_name() -> None:
    schema = {"condition.subject": Text(), "pair": Translation(("en", "de"))}
    part = AskedValues(AskedValues.Config(values=["subject"], text="pair.de", name="said"))
    assert part.bind(schema) == []
    columns = {"condition.subject": ["Oslo"], "pair": [{"en": "Oslo", "de": "In Rom"}]}
    assert part.annotate(columns, [0]) == {"said": [0]}


def test_what_it_cannot_use() -> None:
    assert helpers.bind_messages(AskedValues(AskedValues.Config(values=["sity", "label"])), SCHEMA) == [
        "values: unknown text of the condition `sity`; accepted: slot: city, slot: time, origin",
        "values: unknown text of the condition `label`; accepted: slot: city, slot: time, origin",
    ]
    assert helpers.bind_messages(AskedValues(AskedValues.Config()), {"condition.source": Text(), "text": Text()}) == [
        "the condition asks for no values of slots; set `values` to some of its texts: it has source"
    ]


def test_answered() -> None:
    part = Answered(Answered.Config(name="has_answer"))
    assert part.bind({"context": Text(), "answers": Answers("context")}) == []
    answers = [{"text": ["Rome"], "answer_start": [3]}, {"text": [], "answer_start": []}]
    assert part.annotate({"answers": answers}, [0, 0]) == {"has_answer": [1, 0]}
    assert helpers.bind_messages(part, {"answers": Text()}) == [
        "answers: unknown field of answers `answers`; accepted: none"
    ]

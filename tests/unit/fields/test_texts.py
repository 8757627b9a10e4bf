"""Fields of texts: what is accepted, that every character comes back, and what stands beside another field."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from synthgen import fields
from synthgen.errors import DataError
from synthgen.fields import Acts, Answers, Chat, Image, Label, Number, Plan, Series, Spans, Text, Translation
from synthgen.parts.fields import from_description
from text_samples import FIELDS, SCRIPTS, sample

CHAT = Chat()
PAIR = Translation(("en", "de"))
SPANS = Spans("text", ("city", "time"))
ANSWERS = Answers("text")
ACTS = Acts("chat", ("inform", "greet"), ("city",))
PLAN = Plan(("user", "assistant"), ("greet", "inform"), ("", "city"), (1, 3))
INFORM = {"act": "inform", "slot": "city", "value": "Lyon"}


def span(start: Any, end: Any, label: Any = 0) -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize("name", FIELDS)
def test_every_value_reads_back_from_json_and_from_a_table(name: str) -> None:
    kind = FIELDS[name]
    values = [sample(i)[name] for i in range(len(SCRIPTS))]
    for value in values:
        kind.check(name, value)
        stored = kind.encode(value)
        read = json.loads(json.dumps(stored, sort_keys=True))
        assert kind.decode(read) == value
        assert kind.encode(kind.decode(read)) == stored
        assert repr(kind.encode(kind.decode(read))) == repr(stored), "the order of keys is part of the stored form"
    stored = [kind.encode(value) for value in values]
    column = kind.to_cells(stored, [str(i) for i in range(len(values))])
    assert column.type == kind.arrow()
    assert list(map(repr, kind.from_cells(column))) == list(map(repr, stored))
    assert len(kind.to_cells([], [])) == 0


@pytest.mark.parametrize("kind", [*FIELDS.values(), Text(), SPANS, PLAN])
def test_a_description_gives_the_field_back(kind: fields.Field) -> None:
    assert from_description(json.loads(json.dumps(kind.describe()))) == kind


def test_plans_read_back_and_are_shown_as_dialogues() -> None:
    value = [
        {"role": "user", "acts": [INFORM, {"act": "greet", "slot": "", "value": ""}]},
        {"role": "assistant", "acts": []},
    ]
    PLAN.check("plan", value)
    stored = PLAN.encode(value)
    assert PLAN.decode(json.loads(json.dumps(stored, sort_keys=True))) == value
    column = PLAN.to_cells([stored], ["a"])
    assert column.type == PLAN.arrow() and PLAN.from_cells(column) == [stored]
    assert PLAN.show(value) == [
        {"role": "user", "content": "inform(city = Lyon), greet"},
        {"role": "assistant", "content": ""},
    ]
    assert PLAN.text(lambda name: f"`{name}`") == (
        "what each turn of a dialogue shall do: `role` (`user`, `assistant`) and `acts`"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "must be a list of turns with the keys role, acts, one or more"),
        ([{"role": "user"}], "must be a list of turns"),
        ([{"role": "system", "acts": []}], "turn 0 has the role 'system'; accepted: user, assistant"),
        ([{"role": "user", "acts": ["inform"]}], "acts of turn 0 must be a list of dicts with act, slot, value"),
        ([{"role": "user", "acts": [{**INFORM, "slot": ""}]}], "turn 0 has an act that no plan has, `inform`"),
        ([{"role": "user", "acts": [{**INFORM, "value": 3}]}], "the value of an act of turn 0 must be a text"),
    ],
)
def test_wrong_plans_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(DataError, match=re.escape(reason)):
        PLAN.check("plan", value)


def test_a_text_among_other_values_is_described_as_ever() -> None:
    """The digest of datasets hangs on descriptions."""
    assert Text().describe() == {"type": "text"}


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Text(), None, "must be a text"),
        (Text(), "half \ud83d", "surrogate pair at character 5"),
        (PAIR, {"en": "a"}, "each of en, de"),
        (PAIR, {"en": "a", "de": "b", "fr": "c"}, "each of en, de"),
        (PAIR, {"en": "a", "de": None}, "`de` must be a text"),
        (CHAT, [], "one or more"),
        (CHAT, "hello", "list of messages"),
        (CHAT, [{"role": "user"}], "role, content"),
        (CHAT, [{"role": "human", "content": "hi"}], "message 0 .*'human'; accepted: system, user, assistant"),
        (CHAT, [{"role": "user", "content": 1}], "content of message 0 must be a text"),
        (SPANS, "city", "list of dicts"),
        (SPANS, [{"start": 0, "end": 1}], "start, end, label"),
        (SPANS, [span(0, 1, 2)], "class id 2; 0 to 1"),
        (SPANS, [span(0.0, 1)], "whole numbers"),
        (SPANS, [span(0, 1, True)], "whole numbers"),
        (SPANS, [span(1, 1)], "end after its start"),
        (SPANS, [span(-1, 1)], "end after its start"),
        (SPANS, [span(0, 3), span(2, 4)], "overlap"),
        (SPANS, [span(3, 4), span(0, 2)], "sorted"),
        (ANSWERS, {"text": ["a"]}, "text, answer_start"),
        (ANSWERS, {"text": ["a"], "answer_start": []}, "one length"),
        (ANSWERS, {"text": "a", "answer_start": [0]}, "one length"),
        (ANSWERS, {"text": [""], "answer_start": [0]}, "a character or more"),
        (ANSWERS, {"text": ["a"], "answer_start": [-1]}, "0 or more"),
        (ACTS, [INFORM], "for each message"),
        (ACTS, [[INFORM | {"act": "sing"}]], "act 'sing'; accepted: inform, greet"),
        (ACTS, [[], [INFORM | {"slot": "day"}]], "message 1 has the slot 'day'; accepted: city"),
        (ACTS, [[INFORM | {"value": 3}]], "value of an act"),
    ],
)
def test_wrong_values_are_refused_by_name_and_reason(kind: fields.Field, value: Any, reason: str) -> None:
    with pytest.raises(DataError, match=f"field `it`: .*{reason}"):
        kind.check("it", value)


@pytest.mark.parametrize(
    ("kind", "value", "other", "reason"),
    [
        (SPANS, [span(0, 2), span(2, 6)], "Lyon!", "ends at 6, and `text` has 5 characters"),
        (SPANS, [], 3, "`text`, which is no text"),
        (ANSWERS, {"text": ["lyon"], "answer_start": [1]}, "à Lyon", "'lyon' at 1, where `text` has ' Lyo'"),
        (ACTS, [[]], [{"role": "user", "content": "a"}] * 2, "of 1 messages, and `chat` has 2"),
        (ACTS, [[]], "a", "`chat`, which is none"),
    ],
)
def test_values_must_fit_the_field_that_they_are_about(kind: fields.Field, value: Any, other: Any, reason: str) -> None:
    of = kind.refers_to
    assert of
    kind.check("it", value)
    with pytest.raises(DataError, match=f"field `it`: .*{reason}"):
        fields.check_columns({"it": [value]}, {"it": kind}, 1, {of: [other]})
    with pytest.raises(DataError, match=f"about the field `{of}`, which samples do not have"):
        fields.check_columns({"it": [value]}, {"it": kind}, 1)


def test_offsets_count_characters_of_all_scripts() -> None:
    for i in range(len(SCRIPTS)):
        columns = {name: [value] for name, value in sample(i).items()}
        fields.check_columns(columns, FIELDS, 1)
    flag = "👩‍👩‍👧 in Lyon"
    answer = {"text": ["Lyon"], "answer_start": [flag.index("Lyon")]}
    fields.check_columns({"text": [flag], "it": [answer]}, {"text": Text(), "it": ANSWERS}, 1)


def test_the_task_of_a_dataset_follows_from_its_fields() -> None:
    label = Label(("a", "b"))
    assert label.task({"text": Text(), "label": label}) == "text-classification"
    assert label.task({"label": label, "score": Number()}) == ""
    assert label.task({"image": Image(2, 2, 1), "prompt": Text(), "label": label}) == "image-classification"
    assert label.task({"series": Series(2, ("x",), ("1",)), "entity": Text(), "label": label}) == ""
    tasks = [FIELDS[name].task(FIELDS) for name in ("slots", "pair", "chat", "answers")]
    assert tasks == ["token-classification", "translation", "text-generation", "question-answering"]


def test_classes_of_spans_and_acts_are_counted() -> None:
    assert SPANS.objects(SPANS.encode([span(0, 1, 1), span(1, 2)])) == ["time", "city"]
    assert ACTS.objects([[], [INFORM, INFORM | {"act": "greet"}]]) == ["inform", "greet"]

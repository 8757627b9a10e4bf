"""The texts inside of fields, by the names that settings use."""

from __future__ import annotations

from synthgen.fields import Chat, Label, Text, Translation
from synthgen.parts.field_texts import chosen, generated, one

SCHEMA = {
    "condition.source": Text(),
    "condition.slot: city": Text(),
    "translation": Translation(("en", "de")),
    "messages": Chat(),
    "label": Label(("a", "b")),
}
COLUMNS = {
    "condition.source": ["Hi"],
    "translation": [{"en": "Hi", "de": "Hallo"}],
    "messages": [[{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]],
}


def test_what_is_generated() -> None:
    assert [text.name for text in generated(SCHEMA)] == ["translation.en", "translation.de", "messages"]


def test_texts_by_name() -> None:
    names = ["condition.source", "translation", "messages", "messages.user", "condition.source"]
    texts, problems = chosen(SCHEMA, names, "texts")
    assert problems == []
    assert [text.column(COLUMNS) for text in texts] == [["Hi"], ["Hi"], ["Hallo"], ["A\nB"], ["A"]]


def test_what_is_wrong() -> None:
    _, (problem,) = chosen(SCHEMA, ["translation.fr"], "texts")
    assert problem.message.startswith("unknown text `translation.fr`; did you mean `translation.")
    assert (problem.names, problem.place) == (("translation",), ("texts",))
    assert chosen({"label": Label(("a",))}, [], "texts")[1][0].message.startswith("needs a field of texts")
    text, (problem,) = one(SCHEMA, "", "text")
    assert text is None
    assert problem.message == "which text? There are translation.en, translation.de, messages; set `text`"
    text, problems = one(SCHEMA, "translation.de", "text")
    assert text and text.name == "translation.de" and problems == []

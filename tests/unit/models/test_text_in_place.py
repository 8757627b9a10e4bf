"""Values in place: a text in pieces and back, whatever it holds, and where a value stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.models.text.kinds import in_place
from synthgen.models.text.kinds.in_place import Value


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[Value]]:
    text = draw(st.text(" ab.é\n", max_size=12))
    edges = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return text, [Value(start, end, "city") for start, end in pairs if text[start:end].strip()]


@given(texts())
def test_a_text_comes_back_from_its_pieces(case: tuple[str, list[Value]]) -> None:
    text, values = case
    record = in_place.segments("text", text, values)
    assert [segment.role for segment in record] == ["text", *["city", "text"] * len(values)]
    found, places = in_place.text_of(record)
    assert found == text
    assert [text[place.start : place.end].strip() for place in places] == [
        text[value.start : value.end].strip() for value in values
    ]


def test_words_begin_with_the_blank_before_them() -> None:
    text = "fly from Bern(BE) to Rome"
    values = [Value(9, 13, "from"), Value(14, 16, "state"), Value(21, 25, "to")]
    assert [segment.content for segment in in_place.segments("text", text, values)] == [
        *(" fly from", " Bern", "(", "BE", ") to", " Rome", "")
    ]


def test_what_is_generated_around_values_holds_them() -> None:
    record = in_place.around("text", [("city", "New York"), ("day", "Friday")])
    assert [segment.role for segment in record] == ["text", "city", "text", "day", "text"]
    filled = iter([" Is there rain in", " on", "?"])
    made = [segment if segment.content else type(segment)(segment.role, next(filled)) for segment in record]
    text, values = in_place.text_of(made)
    assert text == "Is there rain in New York on Friday?"
    assert [(text[value.start : value.end], value.role) for value in values] == [
        ("New York", "city"),
        ("Friday", "day"),
    ]


def test_a_value_that_was_generated_empty_stands_nowhere() -> None:
    from synthgen.models.text.segments import Segment

    text, values = in_place.text_of([Segment("text", " hello"), Segment("city", ""), Segment("text", " you")])
    assert (text, values) == ("hello you", [])


@pytest.mark.parametrize(
    ("value", "place"),
    [("Bern", (9, 13)), ("bern", (9, 13)), ("Ber", None), ("", None), ("to Bern", (14, 21)), ("Ulm", None)],
)
def test_values_are_found_as_whole_words_whatever_their_case(value: str, place: tuple[int, int] | None) -> None:
    assert in_place.find("fly from Bern to Bern!", value) == place


def test_a_place_is_not_found_twice() -> None:
    first = in_place.find("from Bern to Bern", "Bern")
    assert first == (5, 9)
    second = in_place.find("from Bern to Bern", "Bern", [Value(*first, "from")])
    assert second == (13, 17)
    assert in_place.find("from Bern to Bern", "Bern", [Value(*first, "from"), Value(*second, "to")]) is None


def test_letters_whose_small_form_is_longer_keep_their_places() -> None:
    assert in_place.find("İİ in Bern", "Bern") == (6, 10)
    assert in_place.find("İzmir now", "İzmir") == (0, 5)


def test_only_what_stands_in_a_question_loses_the_blank_before_it() -> None:
    from synthgen.models.text.kinds.facts import Facts
    from synthgen.models.text.kinds.kind import Known
    from synthgen.models.text.segments import Segment

    known = Known("a model", "facts", ("relation", "answer", "question", "subject"), {"relation": ("mayor",)})
    given = {"relation": "mayor", "subject": " Ulm", "answer": " Ada"}
    record = Facts().record(given, lambda given, closed=(): (), known)
    filled = iter([" Who runs", "?"])
    made = tuple(s if s.content is not None else Segment(s.role, next(filled)) for s in record)
    assert Facts().values(made, known) == {**given, "question": "Who runs  Ulm?"}

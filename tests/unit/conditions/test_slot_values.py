"""`use: slot-values`: how often each class and each value comes, and what cannot be asked for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from synthgen.conditions.decks import Deck, Share
from synthgen.conditions.slot_values import SlotValues
from synthgen.errors import DataError
from synthgen.fields import Text

SETTINGS: dict[str, Any] = {
    "quotas": {"book": 30, "play": 60},
    "slots": {"book": {"city": ["Lyon", "Bern", "Ulm"], "size": [2, 3]}, "play": {"artist": {"Abba": 2, "Kino": 1}}},
}


def part(**settings: Any) -> SlotValues:
    return SlotValues(SlotValues.Config.model_validate({**SETTINGS, **settings}))


def test_classes_and_values_come_exactly_as_often_as_asked() -> None:
    found = part()
    assert found.samples == 90 and found.class_counts(90) == [30, 60]
    rows = [found.condition(i) for i in range(90)]
    assert all(family is None for _, family in rows)
    assert set(found.fields) == {"label", "slot: city", "slot: size", "slot: artist"}
    assert all(isinstance(field, Text) for name, field in found.fields.items() if name != "label")
    booked = [row for row, _ in rows if row["label"] == 0]
    played = [row for row, _ in rows if row["label"] == 1]
    assert Counter(row["slot: city"] for row in booked) == {"Lyon": 10, "Bern": 10, "Ulm": 10}
    assert Counter(row["slot: size"] for row in booked) == {"2": 15, "3": 15}
    assert Counter(row["slot: artist"] for row in booked) == {"": 30}
    assert Counter(row["slot: artist"] for row in played) == {"Abba": 40, "Kino": 20}
    assert len({(row["slot: city"], row["slot: size"]) for row in booked}) == 6


def test_a_larger_dataset_begins_with_the_smaller_one() -> None:
    small, large = part(), part(quotas={"book": 300, "play": 600})
    assert [small.condition(i) for i in range(90)] == [large.condition(i) for i in range(90)]
    assert small.identity() == large.identity()
    other = part(seed=1)
    assert [small.condition(i) for i in range(90)] != [other.condition(i) for i in range(90)]
    assert small.identity() != other.identity()


def test_slots_of_all_classes_can_be_replaced_in_one() -> None:
    found = part(slots={"*": {"city": ["Lyon"]}, "play": {"city": ["Rome"], "artist": ["Abba"]}})
    rows = [found.condition(i)[0] for i in range(9)]
    assert {(row["label"], row["slot: city"], row["slot: artist"]) for row in rows} == {
        (0, "Lyon", ""),
        (1, "Rome", "Abba"),
    }


def test_an_optional_slot_is_in_a_share_of_the_samples_with_its_values_in_balance() -> None:
    found = part(optional={"city": 0.3}, quotas={"book": 1000, "play": 1})
    rows = [found.condition(i)[0] for i in range(1001)]
    cities = Counter(row["slot: city"] for row in rows if row["label"] == 0)
    assert cities == {"": 700, "Lyon": 100, "Bern": 100, "Ulm": 100}


def test_values_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cities.txt"
    path.write_text("\ufeffLyon\n\n São Paulo \nLyon\n", encoding="utf-8")
    found = part(quotas={"book": 30}, slots={"book": {"city": str(path)}}, licence="cc0-1.0")
    assert Counter(found.condition(i)[0]["slot: city"] for i in range(30)) == {"Lyon": 20, "São Paulo": 10}
    assert [(source.kind, source.name, source.licence) for source in found.sources] == [
        ("data", "cities.txt", "cc0-1.0")
    ]
    before = found.identity()
    path.write_text("Lyon\n")
    assert part(quotas={"book": 30}, slots={"book": {"city": str(path)}}).identity() != before


def test_all_that_is_wrong_is_listed(tmp_path: Path) -> None:
    slots = {"bok": {"city": ["Lyon"]}, "book": {"city": [], "time": ["ten", " "], "date": str(tmp_path / "dates.txt")}}
    with pytest.raises(DataError) as error:
        part(slots=slots, optional={"place": 0.5})
    assert [text.replace(str(tmp_path), "") for text in error.value.messages] == [
        "slots: unknown class `bok`; did you mean `book`? Accepted: book, play, *",
        "slots: book: city: has no values",
        "slots: book: time: has an empty value",
        "slots: book: date: /dates.txt: no such file; a text file with a value on each line is needed, or a list",
        "optional: unknown slot `place`; accepted: city, date, time",
    ]
    for wrong in ({"quotas": {}}, {"quotas": {"a": 0}}, {"slots": {}}, {"optional": {"city": 1.5}}):
        with pytest.raises(ValidationError):
            part(**wrong)


def test_a_deck_has_every_card_in_every_turn() -> None:
    deck = Deck([4, 2, 0], 0, "a")
    assert len(deck) == 3
    for turn in range(5):
        assert sorted(deck.at(3 * turn + i) for i in range(3)) == [0, 0, 1]
    assert len({tuple(deck.turn(i)) for i in range(20)}) > 1


def test_ranks_among_a_share_are_numbered_without_gaps() -> None:
    for value, turn in ((0.25, 4), (0.5, 2), (0.07, 100)):
        share = Share(value, 0, "a")
        there = [i for i in range(400) if share.rank(i) is not None]
        assert [share.rank(i) for i in there] == list(range(round(400 * value)))
        assert set(Counter(i // turn for i in there).values()) == {round(turn * value)}

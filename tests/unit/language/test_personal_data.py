"""Personal data in texts: what counts and what does not."""

from __future__ import annotations

import pytest

from synthgen.language.personal_data import KINDS, count

NONE = dict.fromkeys(KINDS, 0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to ann.b+c@example.co.uk, or bob@example.com.", {"emails": 2}),
        ("me@home and @nobody at 3 p.m.", {}),
        ("IBAN DE89 3704 0044 0532 0130 00 please", {"ibans": 1}),
        ("gb29nwbk60161331926819, BE68 5390 0754 7034.", {"ibans": 2}),
        ("DE89 3704 0044 0532 0130 02", {}),
        ("my card 4111 1111 1111 1111 is lost", {"cards": 1}),
        ("cards 5555-5555-5555-4444 and 378282246310005", {"cards": 2}),
        ("number 4111 1111 1111 1112", {}),
        ("call +49 30 901820 today", {"phones": 1}),
        ("call 030 901820 today", {}),
        ("it is 10:30 on 2024-05-01, order 1234567", {}),
        ("", {}),
    ],
)
def test_counts(text: str, found: dict[str, int]) -> None:
    assert count(text) == NONE | found


def test_numbers_of_a_country_without_its_code() -> None:
    text = "030 901820 or +49 30 901820 or (415) 555-2671"
    assert count(text, ["DE"])["phones"] == 2
    assert count(text, ["US", "DE"])["phones"] == 3

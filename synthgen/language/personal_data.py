"""Personal data in texts: e-mail addresses, numbers of bank accounts, of payment cards and of telephones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

KINDS = ("emails", "ibans", "cards", "phones")
"""In the order in which they are looked for: what is one is not counted as another."""

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = re.compile(
    rf"(?<![a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-])[a-zA-Z0-9!#$%&*+/=?^_`{{|}}~-][a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]{{0,63}}"
    rf"@{_LABEL}(?:\.{_LABEL})+"
)
"""Source: WHATWG, HTML, "valid e-mail address", with a dot in the domain."""
_IBAN = re.compile(r"(?<![^\W_])[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}")
_CARD = re.compile(r"(?<![\w+])[2-6][0-9]{3}(?:[ -]?[0-9]){9,15}(?!\w)")
"""Source: ISO/IEC 7812-1, of which payment cards have the first digits 2 to 6."""


def count(text: str, regions: Sequence[str] = ()) -> dict[str, int]:
    """How many of each of `KINDS` a text has: those whose check digits, or ranges of numbers, are right.

    Args:
        regions: countries, as `DE`, whose telephone numbers are found without the code of the country.
    """
    found = {}
    for kind, spans in (("emails", _emails), ("ibans", _ibans), ("cards", _cards)):
        places = list(spans(text))
        found[kind] = len(places)
        for start, end in places:
            text = text[:start] + "\n" * (end - start) + text[end:]
    return {**found, "phones": _n_phones(text, regions)}


def _emails(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _EMAIL.finditer(text))


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    from stdnum import iban

    start = 0
    while match := _IBAN.search(text, start):
        ends = [end for end in range(match.end(), match.start() + 14, -1) if _may_end(text, end)]
        end = next((end for end in ends if iban.is_valid(text[match.start() : end], check_country=False)), None)
        if end is not None:
            yield match.start(), end
        start = end or match.start() + 1


def _may_end(text: str, end: int) -> bool:
    """Whether a number can end there: behind a letter or digit, before none."""
    return text[end - 1].isalnum() and not text[end : end + 1].isalnum()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    from stdnum import luhn

    for match in _CARD.finditer(text):
        if luhn.is_valid(re.sub("[ -]", "", match.group())):
            yield match.span()


def _n_phones(text: str, regions: Sequence[str]) -> int:
    import phonenumbers

    places: set[tuple[int, int]] = set()
    for region in (None, *regions):
        for match in phonenumbers.PhoneNumberMatcher(text, region):
            if not any(match.start < end and start < match.end for start, end in places):
                places.add((match.start, match.end))
    return len(places)

"""Words: what texts are compared by, whatever their case, their blanks and their punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from synthgen.language.tokens import tokens

_ASCII = re.compile(r"[0-9a-z_]+(?:(?:(?<=[0-9])[.,:'](?=[0-9])|(?<=[a-z])'(?=[a-z]))[0-9a-z_]+)*")
"""The tokens of small ASCII letters that are words, as `tokens` finds them."""


def normalised(text: str) -> str:
    """A text in NFC, without the difference of capitals, with one space where white space is, and none at its ends."""
    if text.isascii():
        return " ".join(text.lower().split())
    return " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).split())


def words(text: str) -> list[str]:
    """The words of a text in order, normalised; in scripts without spaces between words each character is one.

    Tokens without a letter or digit, such as punctuation and emoji, are left out.
    """
    text = normalised(text)
    if text.isascii():
        return _ASCII.findall(text)
    found = (text[start:end] for start, end in tokens(text))
    return [token for token in found if _is_word(token[0])]


def mentions(text: str, value: str) -> bool:
    """Whether the words of `value` stand in `text`, one behind the other; of a value without words, its characters.

    An empty value is mentioned nowhere.
    """
    wanted = words(value)
    if not wanted:
        sign = normalised(value)
        return bool(sign) and sign in normalised(text)
    return _stands_in(words(text), wanted)


def _stands_in(found: Sequence[str], wanted: Sequence[str]) -> bool:
    n = len(wanted)
    return any(found[i : i + n] == wanted for i in range(len(found) - n + 1))


def _is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Pc"

"""Tokens: where words and signs of a text are, in every script, by the categories of Unicode alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

JOINER = "\u200d"
_BETWEEN_LETTERS, _BETWEEN_DIGITS = frozenset("'\u2019\u00b7\u05f4\u2027"), frozenset(".,:'\u2019")
"""Signs that join what stands on both sides of them: `don't`, `3.14`, `10:30`."""

_ALONE = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # radicals
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x3100, 0x312F),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Code points of scripts that put no spaces between words: each character is a token."""


def tokens(text: str) -> Iterator[tuple[int, int]]:
    """Start and end (exclusive) of every token of a text, in order; what is between them is white space.

    A token is a run of letters, digits, marks and underscores, with an apostrophe or a middle dot between letters and
    a full stop, a comma or a colon between digits; a character of Chinese, Japanese, Thai, Lao, Khmer or Burmese with
    its marks; or any other sign, such as a full stop or an emoji with all that is joined to it. Control characters
    count as white space.

    Source: after Unicode Standard Annex 29, word boundaries, without its dictionaries.
    """
    start = 0
    while start < len(text):
        if _is_space(text[start]):
            start += 1
            continue
        end = _end(text, start)
        yield start, end
        start = end


def _end(text: str, start: int) -> int:
    """Where the token ends that begins at `start`."""
    end = _with_marks(text, start + 1)
    if not _is_word(text[start]):
        return _end_of_sign(text, start, end)
    if _stands_alone(text[start]):
        return end
    while end < len(text):
        if _is_word(text[end]) and not _stands_alone(text[end]):
            end = _with_marks(text, end + 1)
        elif end + 1 < len(text) and _joins(text[end - 1], text[end], text[end + 1]):
            end += 1
        else:
            break
    return end


def _end_of_sign(text: str, start: int, end: int) -> int:
    """An emoji goes on behind a joiner, with a colour of skin, and a flag has two characters."""
    if _is_flag(text[start]) and end < len(text) and _is_flag(text[end]):
        return _with_marks(text, end + 1)
    while end < len(text) and text[end - 1] == JOINER and not _is_space(text[end]) and not _is_word(text[end]):
        end = _with_marks(text, end + 1)
    return end


def _with_marks(text: str, end: int) -> int:
    """`end` behind the marks that belong to the character before it."""
    while end < len(text) and _extends(text[end]):
        end += 1
    return end


def _joins(before: str, sign: str, after: str) -> bool:
    if _stands_alone(before) or _stands_alone(after):
        return False
    if sign in _BETWEEN_DIGITS and before.isdecimal() and after.isdecimal():
        return True
    letters = unicodedata.category(before)[0] in "LM" and unicodedata.category(after)[0] == "L"
    return sign in _BETWEEN_LETTERS and letters


def _is_space(character: str) -> bool:
    return character.isspace() or character == "\u200b" or unicodedata.category(character) == "Cc"


def _is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LMN" or category == "Pc"


def _extends(character: str) -> bool:
    """Marks, joiners and other signs without a width, colours of skin and the letters of flags in tags."""
    category = unicodedata.category(character)
    is_format = category == "Cf" and character != "\u200b"
    return category[0] == "M" or is_format or 0x1F3FB <= ord(character) <= 0x1F3FF


def _is_flag(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _stands_alone(character: str) -> bool:
    code = ord(character)
    return code >= 0x0E00 and any(first <= code <= last for first, last in _ALONE)

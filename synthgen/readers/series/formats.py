"""How numbers are written in text: decimal marks, separators of thousands, signs, and what stands for none."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMBER = r"(?i)^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf|infinity|nan)$"
UNIT = r"[+-]?\d[\d.,]*(?:\s+(?=\w)|(?=[^\W\d_]{2})|\s*(?=°))([^\W\d_]{1,8}|°[CF]?)"
LEAST_WITH_UNIT = 3
SYMBOLS = ("$", "€", "£", "¥", "%")
MARKS: Sequence[tuple[str, str | None]] = (
    (".", None), (",", None), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"),
)  # fmt: skip
"""Decimal marks and separators of thousands that people use."""


@dataclass(frozen=True, slots=True)
class Formats:
    """How a table's text is written; the defaults are plain numbers and ISO timestamps.

    `missing`: texts that stand for a missing number, beside `NOTHING`.
    """

    decimal: str = "."
    thousands: str | None = None
    symbols: Sequence[str] = ()
    date_format: str | None = None
    missing: Sequence[str] = ()

    @property
    def plain(self) -> bool:
        return self.decimal == "." and not self.thousands and not self.symbols


PLAIN, POINT = Formats(), ("decimal", ".")
NOTHING = ("", "NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "-nan", "null", "NULL", "None")
"""Cells of text that stand for nothing, whatever is set."""

USUAL_MARKERS = frozenset(
    ("n/a", "n.a.", "na", "-", "--", "---", "\u2013", "\u2014", ".", "..", "...", "?", "*", "none", "nil", "missing",
     "unknown", "nodata", "no data", "#na", "#div/0!", "#value!", "#ref!", "#num!", "#name?", "bad", "error", "err")
)  # fmt: skip
"""Texts, in small letters, that people write in columns of numbers where there is none."""


def as_marker(value: Any) -> Any:
    """A text that is a finite number as that number, others without blanks around them."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return float(text) if re.search(NUMBER, text) and np.isfinite(float(text)) else text


def usual_markers(texts: Sequence[str]) -> list[str]:
    """Those of some texts that usually stand for a missing number."""
    return [text for text in texts if text.lower() in USUAL_MARKERS]


def plain_numbers(text: Any, formats: Formats) -> Any:
    """An array of texts with its numbers as `NUMBER` has them; what is not written as `formats` say is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, "[\u00a0\u202f]", " "))
    for symbol in map(re.escape, formats.symbols):
        text = pc.replace_substring_regex(text, rf"^([+-]?)\s*{symbol}\s*", r"\1")
        text = pc.replace_substring_regex(text, rf"\s*{symbol}$", "")
    if formats.thousands:
        mark, between = re.escape(formats.decimal), re.escape(formats.thousands)
        grouped = pc.match_substring_regex(text, rf"^[+-]?\d{{1,3}}({between}\d{{3}})+({mark}\d*)?$")
        text = pc.if_else(grouped, pc.replace_substring(text, formats.thousands, ""), text)
    if formats.decimal != ".":
        pointed = pc.match_substring(text, ".")
        text = pc.if_else(pointed, pa.scalar("?", text.type), pc.replace_substring(text, formats.decimal, "."))
    return text


def number_settings(texts: Sequence[str], units: bool = True) -> list[dict[str, Any]]:
    """All settings under which every text is a number; none if they are numbers as they are, or no numbers.

    Where points may separate thousands, no setting, `{}`, is one of them.

    Args:
        units: letters behind all numbers may be left out.
    """
    found = all_number_settings(texts, units)
    return [] if {} in found and not may_be_thousands(texts) else found


def all_number_settings(texts: Sequence[str], units: bool = True) -> list[dict[str, Any]]:
    """The same, with `{}` wherever texts are numbers as they are."""
    if not texts or not any(char.isdigit() for char in texts[0]):
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array(texts, pa.string())
    symbols = tuple(symbol for symbol in SYMBOLS if any(symbol in text for text in texts))
    symbols = symbols or (_unit(texts) if units else ())
    bare = [_without(symbols, text).strip() for text in texts]
    found = []
    for decimal, thousands in MARKS:
        used = [thousands] if thousands == "." else [mark for mark in (decimal, thousands) if mark and mark != "."]
        if all(any(mark in text for text in bare) for mark in used):
            numbers = plain_numbers(array, Formats(decimal, thousands, symbols))
            if pc.all(pc.match_substring_regex(numbers, NUMBER)).as_py():
                made = {"decimal": decimal, "thousands": thousands, "symbols": list(symbols)}
                found.append({name: value for name, value in made.items() if value and (name, value) != POINT})
    return found


def _without(symbols: Sequence[str], text: str) -> str:
    return re.sub("|".join(map(re.escape, symbols)) or "$^", "", text)


def _unit(texts: Sequence[str]) -> tuple[str, ...]:
    """The letters behind the number in every text, as in `20.3 kPa`, if at least three texts have them.

    One letter without a blank, as in `12A`, is no unit: rooms and versions are called so.
    """
    found = {parts[1] if (parts := re.fullmatch(UNIT, text)) else "" for text in texts}
    return (*found,) if len(texts) >= LEAST_WITH_UNIT and len(found) == 1 and "" not in found else ()


def may_be_thousands(texts: Sequence[str]) -> bool:
    """Whether texts are numbers as they are, and may be with points between thousands, too.

    Three digits are behind every point, and no more than three in the numbers that have none.
    """
    pointed = [text for text in texts if "." in text]
    grouped = all(re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", text) for text in pointed)
    return (
        0 < len(pointed) < len(texts)
        and grouped
        and all(len(text.lstrip("+-")) <= 3 for text in texts if "." not in text)
    )


def say_settings(found: Sequence[Mapping[str, Any]]) -> str:
    """`set \\`decimal: ","\\``, or a choice; empty if there is nothing to set."""
    said = [" and ".join(f"`{name}: {_yaml(value)}`" for name, value in settings.items()) for settings in found]
    return "" if not said else f"set {', or '.join(said)}" + (", whichever is meant" if len(said) > 1 else "")


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

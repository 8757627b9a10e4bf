"""How numbers and dates are written in text: decimal marks, separators of thousands, signs, formats of dates."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import numpy as np

NUMBER = r"(?i)^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$|^[+-]?(inf|infinity|nan)$"
EPOCH_US: Mapping[str, float] = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0, "epoch_ns": 1e-3}
"""Microseconds in the units of numbers that count from 1970."""

AS_NUMBER = "number"
SYMBOLS = ("$", "€", "£", "¥", "%")
MARKS: Sequence[tuple[str, str | None]] = (
    (".", None), (",", None), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"),
)  # fmt: skip
"""Decimal marks and separators of thousands that people use."""

DAYS = (
    "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y",
    "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d",
)  # fmt: skip
HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", " %H:%M:%S.%f")
COMPACT_HOURS = ("%H%M", "%H%M%S", " %H%M", " %H%M%S")


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


def number_settings(texts: Sequence[str]) -> list[dict[str, Any]]:
    """All settings under which every text is a number; none if they are numbers as they are, or no numbers."""
    if not texts or not any(char.isdigit() for char in texts[0]):
        return []
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array(texts, pa.string())
    symbols = tuple(symbol for symbol in SYMBOLS if any(symbol in text for text in texts))
    found = []
    for decimal, thousands in MARKS:
        used = [mark for mark in (decimal if decimal != "." else None, thousands) if mark]
        if all(any(mark in text for text in texts) for mark in used):
            numbers = plain_numbers(array, Formats(decimal, thousands, symbols))
            if pc.all(pc.match_substring_regex(numbers, NUMBER)).as_py():
                made = {"decimal": decimal, "thousands": thousands, "symbols": list(symbols)}
                found.append({name: value for name, value in made.items() if value and (name, value) != POINT})
    return [] if {} in found else found


def date_formats(texts: Sequence[str]) -> list[str]:
    """All formats under which every text is a time, of those that people use."""
    if not texts or not any(char.isdigit() for char in texts[0]):
        return []
    hours = {day: HOURS + (COMPACT_HOURS if day == "%Y%m%d" else ()) for day in DAYS}
    return [day + hour for day in DAYS for hour in hours[day] if all(map(_fits(day + hour), texts))]


def _fits(form: str) -> Any:
    def fits(text: str) -> bool:
        stamp = _stamp(text, form)
        return stamp is not None and (form[:6] != "%Y%m%d" or len(text) == len(stamp[0].strftime(form)))

    return fits


def _stamp(text: str, form: str) -> tuple[datetime, bool] | None:
    """The time, in UTC, and whether it has a zone; None if the text is not of this form."""
    try:
        found = datetime.strptime(text.strip(), form)
        zoned = found.tzinfo is not None
        return (found.astimezone(UTC) if zoned else found.replace(tzinfo=UTC)), zoned
    except (ValueError, OverflowError):
        return None


def stamps_of(texts: Sequence[str | None], form: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(int64 microseconds since 1970, bool `bad` for what is no such time, bool `zoned`) of each text."""
    found = [_stamp(text, form) if text else None for text in texts]
    start = datetime(1970, 1, 1, tzinfo=UTC)
    deltas = [stamp[0] - start if stamp else None for stamp in found]
    micros = [0 if d is None else (d.days * 86_400 + d.seconds) * 1_000_000 + d.microseconds for d in deltas]
    return (
        np.array(micros, dtype=np.int64),
        np.array([stamp is None for stamp in found], dtype=bool),
        np.array([bool(stamp and stamp[1]) for stamp in found], dtype=bool),
    )


STEP = r"(\d+\.?\d*|\.\d+) ?(s|min|h|d)"
"""A span of time with its unit, such as `10min`."""


def check_step(step: float | str) -> float | str:
    """Raises ValueError unless it is a span of time: a number above 0, or one with a unit."""
    fits = re.fullmatch(STEP, step) and step.strip("0. sminhd") if isinstance(step, str) else step > 0
    if not fits:
        raise ValueError(f"{step!r} is no span of time; 1h, 10min, 30s, 1d or a number of time units is accepted")
    return step


def check_date_format(form: str) -> None:
    """Raises ValueError unless times can be read with it."""
    if form in EPOCH_US or form == AS_NUMBER:
        return
    moment = datetime(2024, 11, 23, 16, 35, 47, tzinfo=UTC)
    try:
        again = datetime.strptime(moment.strftime(form), form)
    except (ValueError, re.error, UnicodeError) as error:
        raise ValueError(f"`date_format` {form!r}: {error}; {ACCEPTED}") from None
    if (again.year, again.month, again.day) != (2024, 11, 23):
        raise ValueError(f"`date_format` {form!r}: has no year, month and day; {ACCEPTED}")


def check_timezone(name: str) -> None:
    """Raises ValueError unless it is the name of a time zone."""
    zones = available_timezones()
    if name not in zones:
        near = difflib.get_close_matches(name, zones, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"`timezone` {name!r}: names of the IANA database, as Europe/Madrid or UTC, are accepted{meant}"
        )


ACCEPTED = (
    'accepted are formats of Python\'s strptime, as "%d/%m/%Y" or "%m/%d/%Y %I:%M %p", '
    f"{', '.join(EPOCH_US)} for counts from 1970, and {AS_NUMBER}"
)


def say_settings(found: Sequence[Mapping[str, Any]]) -> str:
    """`set \\`decimal: ","\\``, or a choice; empty if there is nothing to set."""
    said = [" and ".join(f"`{name}: {_yaml(value)}`" for name, value in settings.items()) for settings in found]
    return "" if not said else f"set {', or '.join(said)}" + (", whichever is meant" if len(said) > 1 else "")


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def dates_as_settings(texts: Sequence[str]) -> list[dict[str, Any]]:
    """`date_formats` as settings."""
    return [{"date_format": form} for form in date_formats(texts)]

"""How dates, times of day and spans of time are written in text."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import numpy as np

EPOCH_US: Mapping[str, float] = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0, "epoch_ns": 1e-3}
"""Microseconds in the units of numbers that count from 1970."""

AS_NUMBER = "number"

DAYS = (
    "%Y%m%d", "%Y%m", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%d/%m/%y",
    "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%m-%d-%y", "%y/%m/%d", "%y.%m.%d", "%y-%m-%d", "%d %b %Y", "%d-%b-%Y",
    "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%Y-%m-%d",
)  # fmt: skip
HOURS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", " %H:%M:%S.%f")
COMPACT_HOURS = ("%H%M", "%H%M%S", " %H%M", " %H%M%S")
DATE_FORMATS = tuple(
    day + hour for day in DAYS for hour in {"%Y%m": ("",), "%Y%m%d": HOURS + COMPACT_HOURS}.get(day, HOURS)
)
COMPACT, COMPACT_YEARS = "%Y%m", range(1800, 2200)
"""How formats of digits alone begin, and the years in which other numbers are not taken for such dates."""

ONE_NUMBER = re.compile(r"^\D{0,2}\d*[.,]?\d*\D{0,2}$|^\D*$")
"""Texts that are no dates: of one number with a sign before or after it, or of none."""

N_TRIED = 100
"""Texts, evenly spaced, by which the format of a column that is not all dates is found."""

DAY, MONTH = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", r"^(1[89]|2[01])\d\d-(0[1-9]|1[0-2])$"
DATE = DAY + r"([ T]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?)?"
LOCAL, ZONED = f"{DATE}$|{MONTH}", DATE + r" ?(Z|UTC|GMT|[+-]\d\d(:?\d\d)?)$"
DATED = rf"{DAY}($|[ T])|{MONTH}|^\d{{4}}-?Q[1-4]$"
"""How texts begin that are dates, or were meant as such."""

ISO: Sequence[tuple[str, str]] = (
    (r"(\.\d{6})\d+", r"\1"), (MONTH.replace("^", "^(").replace("$", ")$"), r"\1-01"),
    (r" ?(UTC|GMT)$", "Z"), (r" ([Z+-])", r"\1"),
)  # fmt: skip
"""What is written otherwise before texts are read as ISO timestamps: a month is its first day."""


CLOCK = re.compile(r"^([01]?\d|2[0-3])[:.h][0-5]\d([:.][0-5]\d)?(\.\d+)?( ?[ap]m)?$", re.IGNORECASE)
"""Times of day."""


def date_formats(texts: Sequence[str]) -> list[str]:
    """All formats under which every text is a time, of those that people use."""
    if not texts or (ONE_NUMBER.search(texts[0]) and not re.fullmatch(r"\d{6,}", texts[0])):
        return []
    return _steadiest(texts, [form for form in DATE_FORMATS if all(map(_fits(form), texts))])


def nearest_formats(texts: Sequence[str]) -> list[str]:
    """`date_formats`; where some texts are no dates, the formats that fit the most of them, at least half."""
    some = texts[:: max(1, len(texts) // N_TRIED)]
    every = date_formats(texts)
    if every or not texts or 2 * sum(bool(ONE_NUMBER.search(text)) for text in some) > len(some):
        return every
    fitting = {form: [*filter(_fits(form), some)] for form in DATE_FORMATS}
    most = max(fitting.values(), key=len)
    if 2 * len(most) < len(some):
        return []
    return _steadiest(most, [form for form, found in fitting.items() if found == most])


def _steadiest(texts: Sequence[str], forms: Sequence[str]) -> list[str]:
    """Of formats that put a year of two digits first, and others, those whose times run one way in smaller steps."""

    def unsteady(form: str) -> tuple[bool, float]:
        steps = np.diff(stamps_of(texts, form)[0])
        return not ((steps > 0).all() or (steps < 0).all()), float(np.median(np.abs(steps))) if len(steps) else 0.0

    groups = [[form for form in forms if form.startswith("%y") == first] for first in (False, True)]
    if not all(groups):
        return [*forms]
    best = [min(map(unsteady, group)) for group in groups]
    return [form for group, least in zip(groups, best, strict=True) if least == min(best) for form in group]


def _fits(form: str) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        stamp = _stamp(text, form)
        if stamp is None or not form.startswith(COMPACT):
            return stamp is not None
        return len(text) == len(stamp[0].strftime(form)) and stamp[0].year in COMPACT_YEARS

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
    if (again.year, again.month) != (2024, 11):
        raise ValueError(f"`date_format` {form!r}: has no year and month; {ACCEPTED}")


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


def looks_like_iso(texts: Sequence[str]) -> bool:
    """Whether most of some texts are dates in ISO form, or begin like such."""
    return bool(texts) and 2 * sum(bool(re.search(DATED, text)) for text in texts) >= len(texts)


def dates_as_settings(texts: Sequence[str]) -> list[dict[str, Any]]:
    """`date_formats` as settings."""
    return [{"date_format": form} for form in date_formats(texts)]

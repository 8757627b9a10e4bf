"""What each column of a table of series is used as, and why the others are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from synthgen.readers.series.cells import (
    is_marker,
    is_number_column,
    is_text,
    names,
    number_hint,
    numbers,
    some_texts,
)
from synthgen.readers.series.choices import TIME
from synthgen.readers.series.formats import say_settings
from synthgen.readers.series.headers import is_unnamed
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import epoch_settings, looks_like_time
from synthgen.readers.series.types import SeriesData

ENTITY = re.compile(r"id$|entity|station|sensor|device|machine|unit|site|subject|patient|store|item", re.IGNORECASE)
"""Columns of whole numbers that are called so may say whose row it is; others of numbers are channels."""

ROLES = (
    "time",
    "entity",
    "label",
    "variable",
    "value",
    "channels",
    "covariates",
    "static",
    "classes of steps",
    "steps",
    "left out",
)
N_NAMED, N_CHARACTERS = 12, 40
MOST_STATES, SHORTEST_STAY = 30, 4
"""Texts that a column of states has at most, and rows that they stay at least, on average."""


def columns_of(table: Table, data: SeriesData, channels: Sequence[str] = ()) -> dict[str, str]:
    """The roles of all columns of a table, in words: `{"time": "date", "channels": "flow, level", ...}`.

    `channels` are those that were found in the form `table`, where that is known; it saves looking at their cells.
    """
    found: dict[str, list[str]] = {role: [] for role in ROLES}
    for name in table.names:
        role = _role(table, name, data, channels)
        found[role].append(f"{name} ({_why(table, name, data)})" if role == "left out" else name)
    found["time"] = [_time(table, name, data) for name in found["time"]]
    return {
        role: ", ".join(names[:N_NAMED]) + (f" and {len(names) - N_NAMED} more" if names[N_NAMED:] else "")
        for role, names in found.items()
        if names
    }


def _role(table: Table, name: str, data: SeriesData, channels: Sequence[str]) -> str:
    named: dict[str | None, str] = {
        data.time_column: "time",
        data.entity: "entity",
        data.variable: "variable",
        data.value: "value",
    }
    if not data.static_table:
        named |= {data.label: "label"} | dict.fromkeys(data.static, "static")
    if data.kind == "table":
        named |= dict.fromkeys(data.covariates, "covariates")
        named[data.step_label] = "classes of steps"
        named |= dict.fromkeys([*(data.channels or []), *channels], "channels")
    if name in named or is_unnamed(name):
        return named.get(name, "left out")
    if data.kind == "wide":
        return "steps"
    return "channels" if data.kind == "table" and not data.channels and is_number_column(table, name) else "left out"


def _why(table: Table, name: str, data: SeriesData) -> str:
    texts = some_texts(table, name)
    such = f", such as `{texts[0][:N_CHARACTERS]}`" if texts else ""
    if data.kind == "melted":
        return "has no role in the form melted"
    if not texts:
        return "empty"
    if looks_like_time(table, name):
        return f"dates{such}"
    if hint := number_hint(table, name, units=True):
        return f"numbers{such}; {hint}"
    constant = constant_value(table, name, data)
    if constant is not None:
        return f"constant, {constant:.15g} in every row"
    kind = "numbers" if is_number_column(table, name) else "text"
    kind = "lists or structures" if pa.types.is_nested(table.data[name].type) else kind
    return f"{kind}{such}" + (", not among `channels`" if data.channels and kind == "numbers" else "")


def constant_value(table: Table, name: str, data: SeriesData) -> float | None:
    """The number that every row of a column of numbers has, unless it is missing; None if there are several or none."""
    if not is_number_column(table, name):
        return None
    values, _ = numbers(table, name)
    known = values[np.isfinite(values) & ~is_marker(table, name, values, data.missing_numbers)]
    return float(known[0]) if len(known) and (known == known[0]).all() else None


def choices_to_check(table: Table, data: SeriesData, channels: Sequence[str]) -> list[str]:
    """Sentences on columns whose names say something else than what they are used as."""
    if data.kind != "table":
        return []
    notes = [
        f"{name} is called like a time and is a channel, because its numbers neither rise nor fall from row to row; "
        f"name it in `time`, or leave it out of `channels`, if that is wrong"
        for name in channels
        if not data.time and TIME.search(name)
    ]
    known = {data.entity, data.time_column, data.label, data.step_label, *data.covariates, *data.static}
    for name in table.names if not data.entity else ():
        if name not in known and ENTITY.search(name) and _may_be_entity(table, name):
            used = "is a channel" if name in channels else "is left out"
            n = len(names(table, name).names)
            notes.append(f"{name} {used}; if it says whose row it is (it has {n} values), set `entity: {name}`")
    left_out = [name for name in table.names if _role(table, name, data, channels) == "left out"]
    for name in left_out if not data.step_label else ():
        if n := _n_states(table, name, data):
            notes.append(
                f"{name} is left out; if it says what goes on in each row (it has {n} values, each for some rows), "
                f"`use: step-classifier` with `step_label: {name}` learns to see it in other series"
            )
    return notes


def _n_states(table: Table, name: str, data: SeriesData) -> int:
    """How many texts a column has if they stay for some rows and change within series; else 0."""
    if not is_text(table.data[name].type) or is_number_column(table, name) or looks_like_time(table, name):
        return 0
    found, whose = names(table, name), names(table, data.entity).codes if data.entity else table.file_codes()
    n = len(found.names)
    if not 2 <= n <= MOST_STATES:
        return 0
    order = np.argsort(whose, kind="stable")
    changes = (np.diff(found.codes[order]) != 0) & (np.diff(whose[order]) == 0)
    return n if 0 < changes.sum() <= len(table) / SHORTEST_STAY else 0


def _may_be_entity(table: Table, name: str) -> bool:
    """Whether a column has some values, each in many rows: texts, or whole numbers."""
    if pa.types.is_nested(table.data[name].type):
        return False
    if is_number_column(table, name):
        values, _ = numbers(table, name)
        if not np.all(values == np.round(values)):
            return False
    return 1 < len(names(table, name).names) <= len(table) / 10


def _time(table: Table, name: str, data: SeriesData) -> str:
    """A time's column, with the setting for numbers that look like counts from 1970."""
    settings = epoch_settings(table, name) if data.date_format is None else []
    counted = f" (numbers; if they count from 1970, {say_settings(settings)})" if settings else ""
    return f"{name}{counted}" + (", decreasing" if data.newest_first else "")

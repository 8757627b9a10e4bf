"""What each column of a table of series is used as, and why the others are left out."""

from __future__ import annotations

from collections.abc import Sequence

from synthgen.readers.series.cells import is_number_column, is_numeric_type, number_hint, some_texts
from synthgen.readers.series.formats import say_settings
from synthgen.readers.series.table import Table
from synthgen.readers.series.times import epoch_settings, looks_like_time
from synthgen.readers.series.types import SeriesData

ROLES = ("time", "entity", "label", "variable", "value", "channels", "covariates", "static", "steps", "left out")
N_NAMED, N_CHARACTERS = 12, 40


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
        data.time: "time",
        data.entity: "entity",
        data.variable: "variable",
        data.value: "value",
    }
    if not data.static_table:
        named |= {data.label: "label"} | dict.fromkeys(data.static, "static")
    if data.kind == "table":
        named |= dict.fromkeys(data.covariates, "covariates")
        named |= dict.fromkeys([*(data.channels or []), *channels], "channels")
    if name in named:
        return named[name]
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
    if hint := number_hint(table, name):
        return f"numbers{such}; {hint}"
    kind = "numbers" if is_numeric_type(table.data[name].type) or is_number_column(table, name) else "text"
    return f"{kind}{such}" + (", not among `channels`" if data.channels and kind == "numbers" else "")


def _time(table: Table, name: str, data: SeriesData) -> str:
    """A time's column, with the setting for numbers that look like counts from 1970."""
    settings = epoch_settings(table, name) if data.date_format is None else []
    counted = f" (numbers; if they count from 1970, {say_settings(settings)})" if settings else ""
    return f"{name}{counted}" + (", decreasing" if data.newest_first else "")

"""Columns that do not change: in the whole table, so that there is nothing to learn, or within every entity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from synthgen.readers.series.cells import is_number_column, is_text, names, numbers
from synthgen.readers.series.headers import is_unnamed
from synthgen.readers.series.static import MAX_VALUES
from synthgen.readers.series.table import Table
from synthgen.readers.series.types import SeriesData

MOST_VALUES = 24
"""Static numbers that a proposal has at most; a column of text is as many as it has values."""


def changing(table: Table, settings: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Such settings of `data` with the channels that change and the static columns; and notes on what was decided."""
    data = SeriesData.model_validate({"path": "", "length": 2, **settings})
    if data.kind == "wide":
        return settings, []
    if data.kind == "melted":
        values = _by_variable(table, settings)
    else:
        taken = set(map(str, settings.values()))
        free = [name for name in table.names if name not in taken and not is_unnamed(name)]
        values = {name: numbers(table, name)[0] for name in free if is_number_column(table, name)}
    known = {name: some[np.isfinite(some)] for name, some in values.items()}
    flat = {name: some for name, some in known.items() if not len(some) or (some == some[0]).all()}
    static = _within_entities(table, data, set(flat))
    kept = [name for name in values if name not in flat and name not in static]
    if not kept or (len(kept) == len(values) and not static):
        return settings, []
    notes = [
        f"{name} is left out: it "
        + (f"is constant, {some[0]:.15g} in every row, and there is nothing to learn" if len(some) else "has no values")
        for name, some in flat.items()
    ]
    notes += [f"{name} is static: it is the same in all rows of each {data.entity}" for name in static]
    return {**settings, **({"static": static} if static else {}), "channels": kept}, notes


def _by_variable(table: Table, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Values of each variable of a table in the form melted."""
    variables, (values, _) = names(table, settings["variable"]), numbers(table, settings["value"])
    return {name: values[variables.codes == i] for i, name in enumerate(variables.names)}


def _within_entities(table: Table, data: SeriesData, flat: set[str]) -> list[str]:
    """Columns that every row has, the same in all of an entity's, with fewer values than there are entities.

    A text that no two entities share is another name of theirs. Numbers may be such: places and sizes say more.
    """
    if data.kind != "table" or not data.entity:
        return []
    owners = names(table, data.entity)
    n_entities, n_values, found = len(owners.names), 0, []
    if n_entities * 2 > len(table) or (owners.codes < 0).any():
        return []
    for name in table.names:
        if name in flat or name in (data.entity, data.time_column) or is_unnamed(name):
            continue
        numeric = is_number_column(table, name)
        if not numeric and not is_text(table.data[name].type):
            continue
        texts = names(table, name)
        if (texts.codes < 0).any() or not (numeric or 1 < len(texts.names) < min(n_entities, MAX_VALUES)):
            continue
        first = np.zeros(n_entities, dtype=np.int64)
        first[owners.codes[::-1]] = texts.codes[::-1]
        more = 1 if numeric else len(texts.names)
        if (texts.codes == first[owners.codes]).all() and n_values + more <= MOST_VALUES:
            found.append(name)
            n_values += more
    return found

"""Columns that are called like the steps of a series: in the form wide, each row is one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.readers.series.cells import is_number_column, is_text, names, numbers
from synthgen.readers.series.headers import is_moment, is_unnamed
from synthgen.readers.series.roles import ENTITY
from synthgen.readers.series.table import Table
from synthgen.readers.series.types import SeriesData

COUNTED = re.compile(r"(.*?)(\d+)")
LEAST_MOMENTS, LEAST_COUNTED = 3, 8
"""Columns that are called after times, and columns that are counted, from which on they may be steps."""

SMOOTHER = 0.5
"""Of `ratio`: below it, columns are steps."""


def moments_of(table: Table) -> list[str]:
    """Columns of numbers that are called after times, as `2024-01-31`; none if they are too few to be steps."""
    found = [name for name in table.names if is_moment(name) and is_number_column(table, name)]
    return found if len(found) >= LEAST_MOMENTS else []


def counted_of(table: Table) -> list[str]:
    """Columns of numbers that are counted evenly, as `t0`, `t1`, `t2`; none if they are too few to be steps."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for name in table.names:
        if (parts := COUNTED.fullmatch(name)) and not is_unnamed(name):
            groups.setdefault(parts[1], []).append((int(parts[2]), name))
    some = max(groups.values(), key=len, default=[])
    counts = np.diff([number for number, _ in some])
    even = len(some) >= LEAST_COUNTED and some[0][0] in (0, 1) and bool((counts == counts[0]).all()) and counts[0] > 0
    return [name for _, name in some] if even and all(is_number_column(table, name) for _, name in some) else []


def ratio(table: Table, columns: Sequence[str]) -> float:
    """How much values change from column to column, over how much they do from row to row; 1 if that is not known.

    Well below 1 columns are steps, as neighbours in time are alike; well above it rows are.
    """
    values = np.stack([numbers(table, name)[0] for name in columns], axis=1)
    across, down = (np.abs(np.diff(values, axis=axis)) for axis in (1, 0))
    if not np.isfinite(across).any() or not np.isfinite(down).any() or not np.nanmean(down):
        return 1.0
    return float(np.nanmean(across) / np.nanmean(down))


def wide_reading(table: Table) -> dict[str, Any] | None:
    """Settings of `data` if each row seems to be one series; None if not.

    The others of its columns say whose series it is, if no two rows share a value, or are static.
    """
    columns = moments_of(table)
    if not columns and not ((columns := counted_of(table)) and ratio(table, columns) < SMOOTHER):
        return None
    rest = [name for name in table.names if name not in columns and not is_unnamed(name)]
    unique = [name for name in rest if len(names(table, name).names) == len(table)]
    own = [name for name in unique if is_text(table.data[name].type) or ENTITY.search(name)][:1]
    static = [name for name in rest if name not in own]
    return {"form": "wide", **({"entity": own[0]} if own else {}), **({"static": static} if static else {})}


def check_steps(table: Table, data: SeriesData) -> list[str]:
    """What to say of a table that is read as one row a time, if its columns may be steps, as sentences.

    Raises:
        DataError: they are called after times.
    """
    if data.form != "auto" or data.channels:
        return []
    if moments := moments_of(table):
        raise DataError(
            f"{table.place}: the columns {moments[0]}, {moments[1]} ... are called after times: if each row is one "
            "series, set `form: wide`; if each is a channel and each row a time, set `form: table`"
        )
    counted = counted_of(table)
    if not counted or ratio(table, counted) >= SMOOTHER:
        return []
    return [
        f"{counted[0]} to {counted[-1]} are channels, and each row is a time, though values are more alike from column "
        "to column than from row to row; if each row is one series, set `form: wide`"
    ]

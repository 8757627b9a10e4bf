"""Columns of a table by their roles in a time series: names, owners, numbers, and checks of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthgen.base.units import plural
from synthgen.parts.registry import unknown
from synthgen.readers.problems import Problems
from synthgen.readers.series import cells
from synthgen.readers.series.cells import Names
from synthgen.readers.series.grid import Grid
from synthgen.readers.series.precision import narrowed
from synthgen.readers.series.table import Table
from synthgen.readers.series.types import SeriesData

MAX_STEP_CLASSES = 64
"""Classes of steps; a column with more is none of classes."""


def check_names(table: Table, data: SeriesData, problems: Problems) -> None:
    """Raises DataError if a column is named that the files do not have, or one column in two roles."""
    roles = {name: getattr(data, name) for name in ("entity", "label", "variable", "value")}
    roles["time"] = data.time_column
    if data.static_table:
        roles["label"] = None
    columns = [(role, name) for role, name in roles.items() if name]
    columns += [("static", name) for name in data.static if not data.static_table]
    if data.kind == "table":
        columns += [("covariates", name) for name in data.covariates]
        columns += [("step_label", data.step_label)] if data.step_label else []
        columns += [("channels", name) for name in data.channels or []]
    taken: dict[str, str] = {}
    for role, name in columns:
        if name not in table.names:
            problems.add(f"{table.place}: {role}: {unknown(name, table.names, 'column')}")
        elif name in taken:
            problems.add(f"{table.place}: {name}: is named in `{taken[name]}` and in `{role}`; a column has one role")
        taken[name] = role
    problems.check()


def owners_of(table: Table, data: SeriesData, problems: Problems) -> Names:
    """The entity of each row: its column, else the file's name."""
    if not data.entity:
        return Names(table.file_codes(), tuple(file.stem for file in table.files))
    entity, found = data.entity, cells.names(table, data.entity)
    missing = np.flatnonzero(found.codes < 0)
    needed = "every row needs its entity"
    cells.tell(table, missing, lambda row: f"{cells.lack(table, entity, row)}; {needed}", None, problems)
    return found


def column(table: Table, name: str, missing: Sequence[float], owners: Names, problems: Problems) -> np.ndarray:
    """(rows,) of a column of numbers, `narrowed`, NaN where missing or one of `missing`.

    What is no finite number goes to `problems`.
    """
    values, bad = cells.numbers(table, name)
    cells.tell_bad_numbers(table, name, bad, owners, problems)
    values = np.where(cells.is_marker(table, name, values, missing), np.nan, values)
    huge = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
    cells.tell(
        table,
        huge,
        lambda row: (
            f"{name}: `{cells.cell(table, name, row)}` is infinite, or too large for float32; finite numbers, or "
            "nothing where missing, are accepted"
        ),
        owners,
        problems,
    )
    values[huge] = np.nan
    return narrowed(values)


def stack(columns: Sequence[np.ndarray], n_rows: int) -> np.ndarray:
    """(n_rows, len(columns)), float64 if one of the columns is, else float32; of no columns, too."""
    return np.stack(columns, axis=1) if columns else np.zeros((n_rows, 0), dtype=np.float32)


def check_constant(table: Table, channels: dict[str, np.ndarray], problems: Problems) -> None:
    """A channel that never changes has no scale, and nothing to learn."""
    lowest = {name: np.fmin.reduce(v) if len(v) else np.nan for name, v in channels.items()}
    wrong = {name: low for name, low in lowest.items() if np.isnan(low) or not low < np.fmax.reduce(channels[name])}
    rest = ", ".join(name for name in channels if name not in wrong)
    for name, low in wrong.items():
        what = "has no values" if np.isnan(low) else f"is constant ({low:.15g} in every row)"
        accepted = f"leave it out, as `channels: [{rest}]` does" if rest else "name others in `channels`"
        problems.add(f"{table.place}: {name}: {what}; {accepted}")


def step_labels(table: Table, name: str, problems: Problems, markers: Sequence[float] = ()) -> dict[str, np.ndarray]:
    """A column of classes as one column a class, in order: float32 (rows,), 1 where a row is of it, NaN if unknown.

    Args:
        markers: numbers that stand for a missing value.
    """
    found = cells.names(table, name)
    unknown_codes = [
        i for i, text in enumerate(found.names) if text in table.formats.missing or _number(text) in markers
    ]
    codes = np.where(np.isin(found.codes, unknown_codes), -1, found.codes)
    classes = cells.sort_names([found.names[code] for code in np.unique(codes[codes >= 0])])
    if len(classes) < 2 or len(classes) > MAX_STEP_CLASSES:
        problems.add(
            f"{table.place}: {name}: has {plural(len(classes), 'different value')} ({', '.join(classes[:3])} ...); "
            f"classes of steps are 2 to {MAX_STEP_CLASSES}"
        )
        return {}
    lacking = np.where(codes < 0, np.float32(np.nan), np.float32(0))
    return {one: np.where(codes == found.names.index(one), np.float32(1), lacking) for one in classes}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def likeliest(columns: np.ndarray) -> np.ndarray:
    """uint8 (rows,): of columns of classes (rows, K), the number of the largest, from 1 on; 0 where all are NaN."""
    known = ~np.isnan(columns).all(1)
    return np.where(known, np.nan_to_num(columns).argmax(1) + 1, 0).astype(np.uint8)


def check_covariates(grid: Grid, data: SeriesData, problems: Problems) -> None:
    """Covariates have a value at every row of the grid; one line for an entity that lacks some."""
    lacking = np.isnan(grid.covariates)
    for k, name in enumerate(data.covariates):
        total = np.concatenate([[0], np.cumsum(lacking[:, k])])
        counts = total[grid.bounds[1:]] - total[grid.bounds[:-1]]
        first = np.searchsorted(total, total[grid.bounds[:-1]], side="right") - 1

        def describe(
            shown: np.ndarray, name: str = name, counts: np.ndarray = counts, at: np.ndarray = first
        ) -> list[str]:
            return [
                f"{data.path}: ({grid.owners[i]}): {name}: has no value at {counts[i]:,} of {grid.lengths[i]:,} times, "
                f"first at {grid.moment(i, int(at[i]))}; a covariate must be known at every time"
                for i in shown.tolist()
            ]

        problems.add_rows(np.flatnonzero(counts), describe)

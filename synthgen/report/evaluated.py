"""Results of `synthgen evaluate` as tables: whatever was measured, without knowing each measure by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_LISTED = 12


@dataclass(frozen=True, slots=True)
class Table:
    """A title, a heading (empty for name and value) and rows of equal length."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(found: Mapping[str, Any], title: str = "") -> Iterator[Table]:
    """Single values in a table of names; what has a row for each of several sets in a table of rows and columns."""
    plain = [(key, text(value)) for key, value in found.items() if single(value) and value is not None]
    if plain:
        yield Table(title, (), plain)
    for key, value in found.items():
        if single(value):
            continue
        place = f"{title}: {key}" if title else key
        if all(
            isinstance(row, Mapping) and not single(row) and all(map(single, row.values())) for row in value.values()
        ):
            columns = list(dict.fromkeys(name for row in value.values() for name in row))
            rows = [[name, *(text(row.get(column)) for column in columns)] for name, row in value.items()]
            yield Table(place, ("", *columns), rows)
        else:
            yield from tables(value, place)


def single(value: Any) -> bool:
    """Whether a value fits into one cell: no table, or one of repeats with their mean."""
    return not isinstance(value, Mapping) or "mean" in value or not value


def text(value: Any) -> str:
    """A value as it stands in a cell: four digits, the spread behind the mean."""
    if value is None or value == {}:
        return "-"
    if isinstance(value, Mapping):
        spread = value.get("deviation", value.get("interval"))
        return text(value.get("mean")) + (f" ± {spread:.2g}" if isinstance(spread, int | float) else "")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(text, value[:MAX_LISTED])) + (" ..." if len(value) > MAX_LISTED else "")
    return str(value)

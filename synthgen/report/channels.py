"""The channels of an evaluated dataset of series as a table of a page, and which of very many have charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.measures.series import values

N_CHARTED = 40
"""Channels that have charts, of those that were not asked for by name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One channel: its name, its number if it has charts, and its cells, each with whether it is far off."""

    name: str
    charted: int | None
    cells: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Channels:
    """A heading, a row for each channel, the worst first, and what marks in them mean."""

    head: Sequence[str]
    rows: Sequence[Row]
    meaning: str


def table(found: Mapping[str, Any], charted: Mapping[str, int]) -> Channels:
    """What an evaluation found of the values of each channel.

    Args:
        charted: numbers of the channels that have charts, by name.
    """
    head, *rows = values.table(found)
    return Channels(
        head,
        [Row(name, charted.get(name), [(cell, cell.endswith(values.MARK)) for cell in cells]) for name, *cells in rows],
        values.meaning(found),
    )


def choose(numbers: Sequence[int], names: Sequence[str], found: Mapping[str, Any] | None) -> list[int]:
    """Which of these channels have charts: all, or of more than 40 the worst ones, or the first if that is not known.

    Args:
        names: of all channels of the dataset; found: what an evaluation found of their values.
    """
    if len(numbers) <= N_CHARTED or found is None:
        return list(numbers)[:N_CHARTED]
    places = {name: place for place, name in enumerate(values.worst_first(found))}
    return sorted(sorted(numbers, key=lambda i: places.get(names[i], len(places)))[:N_CHARTED])

"""Entities that are shorter than a window: they are left out, and that is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synthgen.readers.problems import Problems
from synthgen.readers.series.types import Recordings, SeriesData

N_NAMED = 6
BULK = 0.9
"""Share of all rows that are in entities as long as a window of `init`, or longer."""


def check_lengths(owners: tuple[str, ...], lengths: np.ndarray, data: SeriesData, problems: Problems) -> None:
    """It is a problem if all entities are shorter than a window."""
    if (lengths >= fewest(data)).any():
        return
    accepted = (
        "two at least are needed; leave it out"
        if data.pad
        else f"a window has {data.length}; leave it out, or use a smaller `length`, or keep it padded with `pad: true`"
    )
    problems.add_rows(
        np.arange(len(lengths)),
        lambda rows: [
            f"{data.path}: ({owners[i]}): has {lengths[i]} {'step' if lengths[i] == 1 else 'steps'}; {accepted}"
            for i in rows
        ],
    )


def fewest(data: SeriesData) -> int:
    """Rows that an entity has at least, to be in a window."""
    return 2 if data.pad else data.length


def long_enough(recordings: Recordings, data: SeriesData) -> Recordings:
    """Those that a window fits into, with a note that names the others, and classes that only those have.

    All of them where windows lie around `events`, and if a window fits into none.
    """
    least = fewest(data)
    keep = [item for item in recordings.items if len(item) >= least]
    if data.events or len(keep) in (0, len(recordings)):
        return recordings
    short = [item for item in recordings.items if len(item) < least]
    used = sorted({item.label for item in keep if item.label is not None})
    lost = [name for label, name in enumerate(recordings.classes) if label not in used]
    items = (replace(item, label=None if item.label is None else used.index(item.label)) for item in keep)
    return replace(
        recordings,
        items=tuple(items),
        classes=tuple(recordings.classes[label] for label in used),
        notes=(*recordings.notes, _note(recordings, {item.entity: len(item) for item in short}, lost, data)),
    )


def bulk_length(lengths: list[int]) -> int:
    """The longest window that fits into entities of these lengths with nine tenths of all rows."""
    longest_first = np.sort(lengths)[::-1]
    return int(longest_first[np.searchsorted(np.cumsum(longest_first), BULK * longest_first.sum())])


def _note(recordings: Recordings, short: dict[str, int], lost: list[str], data: SeriesData) -> str:
    share = 100 * sum(short.values()) / sum(map(len, recordings.items))
    named = [f"{name} ({n} {'row' if n == 1 else 'rows'})" for name, n in list(short.items())[:N_NAMED]]
    more = f" and {len(short) - N_NAMED:,} more" if len(short) > N_NAMED else ""
    one = len(short) == 1
    than = "the two rows that are needed" if data.pad else f"`length: {data.length}`"
    without = f"; no entity of class {', '.join(lost)} is left, so that class is not there" if lost else ""
    advice = "" if data.pad else f"; `pad: true` keeps {'it' if one else 'them'}"
    return (
        f"{len(short):,} of {len(recordings):,} entities {'is' if one else 'are'} shorter than {than} and "
        f"{'is' if one else 'are'} left out, with {share:.2g} % of all rows: {', '.join(named)}{more}{without}{advice}"
    )

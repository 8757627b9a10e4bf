"""Notes on cells that may mean something else than they say: markers of missing values, thousands, units, words."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pyarrow.compute as pc

from synthgen.base.units import plural
from synthgen.readers.series.cells import is_text, some_texts
from synthgen.readers.series.formats import NOTHING, SYMBOLS, may_be_thousands, say_settings
from synthgen.readers.series.table import Table

LIMITS = {"32767", "-32768", "65535", "2147483647", "-2147483648"}
"""The ends of whole numbers of 16 and 32 bits: what instruments write where they have no value, beside nines."""

LEAST = 99
"""The least number of nines that stands for nothing; -99 and 99.9 do, and 9.99 is a price."""

ENOUGH_OTHERS = 3
"""Different values beside a number, at least, for it to be far from all others."""


def number_doubts(table: Table, columns: Mapping[str, np.ndarray], names: Collection[str] = ()) -> list[str]:
    """Sentences on columns of numbers.

    Args:
        columns: values, NaN where missing, by what they are called.
        names: columns of the table that they are in, if they are called otherwise; one note is enough for them.
    """
    notes = [note for name in columns if not names for note in _written(table, name)]
    notes += itertools.islice((note for name in names for note in _written(table, name)), 1)
    for name, values in columns.items():
        for marker, n, low, high in _markers(values):
            notes.append(
                f"{name} is {marker} in {plural(n, 'row')}, far from all other values ({low:.6g} to {high:.6g}); if "
                f"that stands for a missing value, set `missing: [{marker}]`"
            )
    return notes


def _written(table: Table, name: str) -> list[str]:
    """Points that may separate thousands, and amounts of which only some have a sign."""
    if not is_text(table.data[name].type):
        return []
    notes, texts = [], some_texts(table, name)
    if table.formats.decimal == "." and may_be_thousands(texts):
        pointed = next(text for text in texts if "." in text)
        notes.append(
            f"{name}: `{pointed}` is read as {float(pointed):.15g}; if the point separates thousands, "
            f"{say_settings([{'decimal': ',', 'thousands': '.'}])}"
        )
    for symbol in (symbol for symbol in table.formats.symbols if symbol in SYMBOLS):
        without = [text for text in texts if symbol not in text]
        if 0 < len(without) < len(texts):
            notes.append(f"{name}: `{without[0]}` has no {symbol}, unlike other cells, and is read as the same unit")
    return notes


def _markers(values: np.ndarray) -> list[tuple[str, int, float, float]]:
    """Numbers that usually stand for a missing value, occur more than once, and are farther from all others than these
    are from each other: with their counts, and the least and the largest of the others."""
    found = []
    known = values[np.isfinite(values)]
    for end in (np.min, np.max):
        while len(known) and _is_marker(marker := end(known)):
            others = known[known != marker]
            gap = np.abs(others - marker).min() if len(others) else 0
            if len(known) - len(others) < 2 or gap <= np.ptp(others) or not np.ptp(others):
                break
            if len(np.unique(others)) < ENOUGH_OTHERS:
                break
            text = np.format_float_positional(marker, trim="-")
            found.append((text, len(known) - len(others), float(others.min()), float(others.max())))
            known = others
    return found


def _is_marker(value: np.floating) -> bool:
    text = np.format_float_positional(value, trim="-")
    return text in LIMITS or (bool(abs(value) >= LEAST) and set(text.lstrip("-")) <= {"9", "."})


def word_doubts(table: Table, names: Iterable[str | None]) -> list[str]:
    """Sentences on columns of names in which words such as `NA` and `None` are names, unless they are in `missing`."""
    notes = []
    for name in (name for name in names if name and is_text(table.data[name].type)):
        words = [word for word in NOTHING if word and word not in table.formats.missing]
        counted = {one["values"]: one["counts"] for one in pc.value_counts(table.data[name]).to_pylist()}
        for word in (word for word in words if word in counted):
            notes.append(
                f"{name}: `{word}` is a name like any other, in {plural(counted[word], 'row')}; if it stands for "
                f"nothing, {say_settings([{'missing': [word]}])}"
            )
    return notes

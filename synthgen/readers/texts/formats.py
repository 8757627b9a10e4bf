"""Files of every format that is read, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from synthgen.readers.texts.places import Place
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import TextData


def load(place: Place, data: TextData) -> Table:
    """The records of one file, by its ending.

    Raises:
        DataError: the file is not what its ending says; all that is wrong with it.
    """
    from synthgen.readers.texts import conll, delimited, json_rows, parquet, plain, tmx

    loaders: Mapping[str, Callable[[], Table]] = {
        **dict.fromkeys((".csv", ".tsv", ".tab"), lambda: delimited.load(place.path, data)),
        **dict.fromkeys((".jsonl", ".ndjson"), lambda: json_rows.load_lines(place.path, data)),
        **dict.fromkeys((".conll", ".bio", ".iob"), lambda: conll.load(place.path, data)),
        ".json": lambda: json_rows.load_array(place.path, data),
        ".parquet": lambda: parquet.load(place.path),
        ".tmx": lambda: tmx.load(place.path, data),
        ".txt": lambda: plain.load(place.path, data, place.label),
    }
    return _translations(loaders[place.path.suffix.lower()]())


def _translations(table: Table) -> Table:
    """With a column a language, where a column `translation` holds objects of texts by language."""
    if "translation" not in table.columns or not isinstance(table.columns["translation"][0], dict):
        return table
    cells = [cell if isinstance(cell, dict) else {} for cell in table.columns["translation"]]
    languages = dict.fromkeys(str(name) for cell in cells for name in cell)
    columns = {name: table.columns[name] for name in table.columns if name != "translation"}
    columns |= {name: [cell.get(name) for cell in cells] for name in languages}
    return replace(table, columns=columns, kind="pairs")

"""Files of every format that is read, as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
    return loaders[place.path.suffix.lower()]()

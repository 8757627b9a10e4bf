"""Parquet: columns of texts, lists and structures as Python values, those alone that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.readers.text_table import load_parquet
from synthgen.readers.texts.table import Table


class _Columns(Mapping[str, Sequence[Any]]):
    """Columns of a `pyarrow.Table`; each is turned into Python values when it is asked for."""

    def __init__(self, path: Path, table: Any) -> None:
        self._path, self._table = path, table
        self._classes = class_names(table.schema.metadata)
        self._found: dict[str, Sequence[Any]] = {}

    def __getitem__(self, name: str) -> Sequence[Any]:
        import pyarrow as pa

        if name not in self._found:
            if name not in self._table.column_names:
                raise KeyError(name)
            try:
                self._found[name] = self._table.column(name).to_pylist()
            except (ValueError, OverflowError, pa.ArrowException) as error:
                raise DataError(f"{self._path}: {name}: has a value that cannot be read: {error}") from None
            if name in self._classes:
                self._found[name] = [_named(cell, self._classes[name]) for cell in self._found[name]]
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)


def class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """Names by class id of the columns that hold ids, as Hugging Face's `datasets` writes them into a file."""
    try:
        found = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = dict(found["info"]["features"]).items()
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    names = {name: each.get("names") for name, each in features if isinstance(each, dict)}
    return {
        name: some
        for name, some in names.items()
        if isinstance(some, list) and some and all(isinstance(one, str) for one in some)
    }


def _named(cell: Any, names: Sequence[str]) -> Any:
    """The class of an id; None for one that is not named, as -1 where a class is not known."""
    if type(cell) is not int:
        return cell
    return names[cell] if 0 <= cell < len(names) else None


def load(path: Path) -> Table:
    """The rows of a Parquet file; ids of classes that the file names are those names.

    Raises:
        DataError: it cannot be read as one, has no rows, or a name of a column twice.
    """
    table = load_parquet(path)
    if not table.num_rows:
        raise DataError(f"{path}: has no rows")
    return Table(path, _Columns(path, table), range(1, table.num_rows + 1))

"""Labelled images of a Parquet file: the rows of a split, their classes, and the bytes of their images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import load_parquet, rows_of

SPLIT = "split"
"""The column that says which split a row is of."""


def has_splits(path: Path) -> bool:
    """Whether a Parquet file has a column of splits; raises DataError if it is none."""
    return SPLIT in load_parquet(path).column_names


def rows_of_split(path: Path, table: Any, split: str) -> np.ndarray:
    """The rows of a split, bool (rows,): by the column `split`, and without one all of them, for training.

    Raises:
        DataError: the column has a word that is no split, or no row is of this one.
    """
    if SPLIT not in table.column_names:
        if split != "train":
            raise DataError(
                f"{path}: has no split `{split}`: that needs a column `{SPLIT}`; or name such images on their own"
            )
        return np.ones(table.num_rows, dtype=bool)
    words = table[SPLIT].to_pylist()
    rows, problems = rows_of(path, table.select([SPLIT])), Problems()
    problems.add_lines(
        [f"{rows.where(i)}: {text}" for i, word in enumerate(words) if (text := listing.split_problem(word))]
    )
    problems.check()
    found = np.array([listing.split_of(word) == split for word in words], dtype=bool)
    if not found.any():
        raise DataError(f"{path}: no row is of the split `{split}`; its column `{SPLIT}` has {_some(words)}")
    return found


def labels_of(path: Path, table: Any, chosen: np.ndarray, classes: Sequence[str] | None) -> tuple[tuple[str, ...], Any]:
    """Class names, and ids int64 of the `chosen` rows: labels are ids into names that are given, or names themselves.

    Raises:
        DataError: labels are missing, or no classes; all of them, with their rows.
    """
    given = classes or _names_in_metadata(path, table.schema.metadata or {})
    rows, problems = rows_of(path, table.select(["label"])), Problems()
    rows.require("label")
    texts = rows.names("label", problems)
    problems.check()
    places = np.flatnonzero(chosen).tolist()
    names = tuple(given or sorted({texts[row] for row in places}))
    by_name = {name: i for i, name in enumerate(names)}
    is_id = [given is not None and type(rows.rows[row]["label"]) is int for row in places]
    ids = [
        int(texts[row]) if number else by_name.get(texts[row], -1) for row, number in zip(places, is_id, strict=True)
    ]
    problems.add_lines(
        [
            f"{rows.where(row)}: label: {texts[row]} is no class; ids from 0 to {len(names) - 1} and the names "
            f"{', '.join(names[:10])}{' ...' if names[10:] else ''} are accepted"
            for row, label in zip(places, ids, strict=True)
            if not 0 <= label < len(names)
        ]
    )
    problems.check()
    return names, np.array(ids, dtype=np.int64)


def _some(words: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(map(str, words)))


def _names_in_metadata(path: Path, metadata: dict[bytes, bytes]) -> list[str] | None:
    """The names of the feature `label` in the metadata of Hugging Face's datasets, None without any."""
    try:
        found = json.loads(metadata.get(b"huggingface", b"{}"))
        names = found.get("info", {}).get("features", {}).get("label", {}).get("names")
    except (ValueError, AttributeError, RecursionError):
        raise DataError(
            f"{path}: its metadata of `datasets` is damaged; write the file again, or set `classes`"
        ) from None
    if names is not None and not (names and isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"{path}: the names of its feature `label` are no list of texts; set `classes`")
    return names

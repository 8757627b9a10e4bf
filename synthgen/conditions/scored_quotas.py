"""Quotas from scores: more samples of the classes that a model of the user's is bad at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Discriminator, Tag
from pydantic import Field as Setting

from synthgen.base.fetched import local_path
from synthgen.base.settings import Settings
from synthgen.base.units import counts, plural
from synthgen.errors import DataError
from synthgen.models import folders
from synthgen.parts.protocols import Source
from synthgen.readers.problems import Problems
from synthgen.readers.text_table import TextTable, load_table

SUFFIXES = (".parquet", ".csv", ".tsv", ".jsonl")


class ByScores(Settings):
    """Samples of each class in proportion to the mean of its scores, such as losses of real validation samples.

    Classes that the file does not name get no samples; a note says which ones it names.
    """

    by: str = Setting(description="A .parquet, .csv, .tsv or .jsonl file with a row for each sample that was scored.")
    samples: int = Setting(ge=1, description="Samples of all classes together; every class has at least one.")
    label: str = Setting(default="label", description="The column with the names of the classes.")
    score: str = Setting(default="loss", description="The column with the scores: numbers from 0 on.")
    licence: str = Setting(default="unknown", description="Licence of the file, for the card.")


def _kind(quotas: Any) -> str:
    by = quotas.get("by") if isinstance(quotas, dict) else None
    return "scores" if isinstance(quotas, ByScores) or isinstance(by, str) else "counts"


Counts = Annotated[dict[str, Annotated[int, Setting(ge=1)]], Setting(min_length=1)]
QuotaSetting = Annotated[Annotated[Counts, Tag("counts")] | Annotated[ByScores, Tag("scores")], Discriminator(_kind)]
"""Samples of each class, or a file of scores. A class may be called `by` as well: its quota is no text."""


def counts_of(quotas: Mapping[str, int] | ByScores) -> dict[str, int]:
    """Samples of each class: as they were written, or by the scores in a file; classes are then in the order of names.

    Raises:
        DataError: the file cannot be read, or is wrong; all of its problems.
    """
    if not isinstance(quotas, ByScores):
        return dict(quotas)
    path = local_path(quotas.by)
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        raise DataError(f"quotas.by: {quotas.by}: no such file; a {', '.join(SUFFIXES)} file with scores is needed")
    table = load_table(path)
    table.require(quotas.label, quotas.score)
    problems = Problems()
    names = table.names(quotas.label, problems)
    scores = [_score(table, row, quotas.score, problems) for row in range(len(table))]
    problems.check()
    of_class: dict[str, list[float]] = {name: [] for name in sorted(set(names))}
    for name, score in zip(names, scores, strict=True):
        of_class[name].append(score)
    means = np.array([np.mean(values) for values in of_class.values()])
    if not means.sum() > 0:
        raise DataError(f"{quotas.by}: {quotas.score}: all scores are 0, so that they prefer no class")
    if quotas.samples < len(means):
        raise DataError(f"quotas.samples: is {quotas.samples}, and {quotas.by} has {len(means)} classes; each has one")
    return dict(zip(of_class, _rounded(means / means.sum(), quotas.samples), strict=True))


def sources_of(quotas: Mapping[str, int] | ByScores) -> list[Source]:
    """The file that quotas came from, if they did."""
    if not isinstance(quotas, ByScores):
        return []
    name, of_class = Path(quotas.by).name, counts_of(quotas)
    classes = f"{plural(len(of_class), 'class', 'classes')} with scores: {counts(of_class)}"
    details = {"notes": (f"quotas are of the {classes}; other classes get no samples",)}
    return [Source("data", name, folders.file_sha256(local_path(quotas.by)), quotas.licence, details)]


def _score(table: TextTable, row: int, column: str, problems: Problems) -> float:
    value: Any = table.rows[row].get(column)
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        problems.add(f"{table.where(row)}: {column}: must be a number from 0 on (got {value!r})")
        return 0.0
    return number


def _rounded(shares: np.ndarray, n: int) -> list[int]:
    """Whole numbers from 1 on that add up to `n`: one each, and the rest by largest remainders."""
    exact = shares * (n - len(shares))
    found = np.floor(exact).astype(int)
    most = np.argsort(-(exact - found), kind="stable")[: n - len(shares) - int(found.sum())]
    found[most] += 1
    return [1 + int(count) for count in found]

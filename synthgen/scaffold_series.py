"""Scaffolding for a table of series: what its columns seem to be, and the recipe that trains, draws and evaluates."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthgen.errors import DataError
from synthgen.names import printable
from synthgen.realdata import series_cells
from synthgen.realdata.series_table import Table, open_table
from synthgen.realdata.series_types import Recordings, SeriesData

SUFFIXES = (".csv", ".tsv", ".parquet")
TIME = re.compile(r"time|date|^(t|ts|day|hour)$", re.IGNORECASE)
ENTITY = re.compile(r"id$|entity|station|sensor|device|machine|unit|site|subject|patient|store|item", re.IGNORECASE)
"""Columns of whole numbers that are called so may say whose row it is; others of numbers are channels."""

MOST = 100
"""Readings that are tried: each reads the table."""

N_LOOKED_AT = 1000
LENGTH, SHORTEST, WINDOWS = 24, 4, 10
"""Steps of a window, if a recording is at least ten times as long; else a tenth of it, and four at least."""

RECIPE = """\
# Series like those of {path}, in one command: `synthgen run {name}.yaml`
# It trains a model of the table (once), draws {n} series with it, and compares them with the real ones.

kind: dataset
version: 1
name: {name}
seed: 0

data:
{data}
  validation: 0.1          # share that is held out for validation losses
  licence: unknown         # of your data; model and dataset inherit it

train:                     # another setting or other data make another model
  use: series
  preset: tiny             # tiny, small or base: larger networks learn more and take longer
  steps: 10000             # some ten minutes on one core; Ctrl-C keeps what is done, and the same command goes on
  scaling: standard        # quantile for channels with heavy tails

condition:
  use: classes
  quotas: {{series: {n}}}   # how many; with a column of classes (`label:` in `data`), their names

sampler:
  use: series
  model: trained           # the one that `train` makes
  steps: 20                # denoising steps

shard_size: 250
batch_size: 125

labelers:
  - use: class-label       # the class that was asked for, as `label`

output:
  writers: [parquet]

evaluate:                  # after the run: can a network tell drawn series from real ones, and are any copied?
  seeds: 1                 # repeats; 3 or more give intervals
"""


@dataclass(frozen=True)
class TableFindings:
    """A table that reads as series.

    Attributes:
        settings: of `data`, without `length`: the first reading of the columns under which the table is valid.
        left_out: columns that have no role, each with a value of it.
    """

    path: str
    settings: dict[str, Any]
    recordings: Recordings
    length: int
    left_out: dict[str, str]

    @property
    def n_rows(self) -> int:
        return sum(len(item) for item in self.recordings.items)

    @property
    def channels(self) -> list[str]:
        return [channel.name for channel in self.recordings.channels]


def look(path: str) -> TableFindings:
    """Tries what the columns may mean: a time (in either direction), an entity, or neither.

    Raises:
        DataError: the table is valid under none of these readings; says why under the likeliest.
    """
    from synthgen.realdata import series

    table = open_table(path)
    first: DataError | None = None
    for settings in itertools.islice(_readings(table.names, _entities(table)), MOST):
        data = SeriesData.model_validate({"path": path, "length": 2, **settings})
        try:
            found = series.read(data)
        except DataError as error:
            first = first or error
            continue
        shortest = min(len(item) for item in found.items)
        used = {channel.name for channel in found.channels} | set(map(str, settings.values()))
        left_out = {name: _example(table, name) for name in table.names if name not in used}
        return TableFindings(path, settings, found, min(LENGTH, max(SHORTEST, shortest // WINDOWS)), left_out)
    assert first is not None
    raise first


def _entities(table: Table) -> list[str]:
    """Columns that may say whose row it is: of text, or of numbers if they are called so."""
    return [name for name in table.names if ENTITY.search(name) or not series_cells.is_number_column(table, name)]


def _example(table: Table, name: str) -> str:
    return next((str(value) for value in table.data[name].slice(0, N_LOOKED_AT).to_pylist() if value is not None), "")


def _readings(names: list[str], entities: list[str]) -> Iterator[dict[str, Any]]:
    """What may be tried, the likeliest first: columns that are called like times, none, any other as the time."""
    called = [name for name in names if TIME.search(name)]
    for time in called:
        yield from _with_time(time, entities)
    yield {}
    for time in names:
        if time not in called:
            yield from _with_time(time, entities)


def _with_time(time: str, entities: list[str]) -> Iterator[dict[str, Any]]:
    yield {"time": time}
    yield {"time": time, "newest_first": True}
    for entity in entities:
        if entity != time:
            yield {"entity": entity, "time": time}


def recipe(name: str, found: TableFindings, n_samples: int = 1000) -> dict[str, str]:
    """The file to write, by its name."""
    notes = {
        "time": "numbers or ISO timestamps",
        "newest_first": "the rows are in decreasing time",
        "entity": "whose row it is",
        "channels": "columns that are drawn; leave out those that are not series",
        "length": "steps of a window",
    }
    settings = {"path": found.path, **found.settings, "channels": found.channels, "length": found.length}
    lines = [f"  {key}: {_yaml(value)}" for key, value in settings.items()]
    told = [f"{line:<26} # {notes[key]}" if key in notes else line for key, line in zip(settings, lines, strict=True)]
    return {
        f"{name}.yaml": RECIPE.format(
            path=printable(Path(found.path).name), name=name, n=n_samples, data="\n".join(told)
        )
    }


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

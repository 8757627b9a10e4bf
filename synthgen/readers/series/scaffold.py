"""Scaffolding for a table of series: what its columns seem to be, and a recipe that trains, generates and evaluates."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.names import printable
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.images import opening
from synthgen.readers.scaffolding import Findings, Recipes, Scaffold
from synthgen.readers.series import summary
from synthgen.readers.series.cells import is_text, looks_numeric, numbers, some_texts
from synthgen.readers.series.constants import changing
from synthgen.readers.series.dates import date_formats
from synthgen.readers.series.formats import (
    MARKS,
    Formats,
    all_number_settings,
    may_be_thousands,
    number_settings,
    say_settings,
    usual_markers,
)
from synthgen.readers.series.readings import check_entities, readings
from synthgen.readers.series.short import bulk_length, long_enough
from synthgen.readers.series.table import Table, open_table
from synthgen.readers.series.types import Recordings, SeriesData

SUFFIXES = (".csv", ".tsv", ".parquet")

MOST = 100
"""Readings that are tried: each reads the table."""

LENGTH, SHORTEST, WINDOWS = 24, 4, 10
"""Steps of a window, if the recording of the median row is at least ten times as long; else a tenth of it, and four at
least. No window is longer than the recordings that hold nine tenths of the rows; shorter ones are left out."""

LONGEST = 512
"""Steps of a window, at most, where each row is one series: shorter ones are windows as they are."""

RECIPE = """\
# Series like those of {path}, in one command: `synthgen run {name}.yaml`
# It trains a model of the table (once), generates {n} series with it, and compares them with the real ones.

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
  preset: auto             # tiny, mini, small or base; auto grows with channels and steps
  steps: 10000             # ten to twenty minutes on one core; Ctrl-C keeps what is done, and the same command goes on
  scaling: mixed           # or standard, or quantile for heavy tails

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

evaluate:                  # after the run: can a network tell generated series from real ones, and are any copied?
  seeds: 1                 # repeats; 3 or more give intervals
"""


@dataclass(frozen=True)
class TableFindings:
    """A table that reads as series.

    Attributes:
        settings: of `data`, without `length`: the first reading of the columns under which the table is valid.
        facts: how it is read, in words, with the notes of what was decided.
    """

    path: str
    settings: dict[str, Any]
    recordings: Recordings
    length: int
    facts: DataFacts

    @property
    def channels(self) -> list[str]:
        return [channel.name for channel in self.recordings.channels]


def look(path: str, decimal: str | None = None, date_format: str | None = None) -> TableFindings:
    """Tries what the columns may mean: a time (in either direction), an entity, or neither.

    Args:
        decimal, date_format: settings of `data` that the texts leave open; by default what they can only mean.

    Raises:
        DataError: the table is valid under none of these readings; says why under the likeliest. Or its numbers or
            dates can be read in two ways.
    """
    from synthgen.readers.series import reader

    table = open_table(path)
    markers = _missing_texts(table)
    table = dataclasses.replace(table, formats=Formats(missing=tuple(markers)))
    written = _number_settings(table, decimal)
    table = dataclasses.replace(table, formats=Formats(**written, missing=tuple(markers)))
    written |= {"missing": markers} if markers else {}
    first: DataError | None = None
    for reading in itertools.islice(readings(table, date_format), MOST):
        settings, decided = changing(table, reading)
        data = SeriesData.model_validate({"path": path, "length": 2, **written, **settings})
        try:
            found = reader.read(data)
        except DataError as error:
            first = first or error
            continue
        lengths = [len(item) for item in found.items]
        most = max(SHORTEST, int(np.median(np.repeat(lengths, lengths))) // WINDOWS)
        length = min(LENGTH, most, max(SHORTEST, bulk_length(lengths)))
        if data.kind == "wide":
            length = min(LONGEST, max(SHORTEST, bulk_length(lengths)))
        data = data.model_copy(update={"length": length})
        found = long_enough(found, data)
        facts = _facts(found, data.model_copy(update={"validation": 0.1}))
        facts = dataclasses.replace(facts, notes=(*_notes(written, settings), *decided, *facts.notes))
        return TableFindings(path, {**written, **settings}, found, data.length, facts)
    check_entities(table)
    assert first is not None
    raise first


def _number_settings(table: Table, decimal: str | None) -> dict[str, Any]:
    """The settings of `data` under which columns of formatted numbers are numbers; none if they are plain.

    Raises:
        DataError: there are several, or columns are written in different ways.
    """
    texts = {name: some_texts(table, name) for name in table.names if is_text(table.data[name].type)}
    found = {name: all_number_settings(some) for name, some in texts.items() if not date_formats(some)}
    if all({} in settings and not may_be_thousands(texts[name]) for name, settings in found.items() if settings):
        return {}
    pointed = {name for name, some in texts.items() if any("." in text for text in some)}
    wanted = {name: settings for name, settings in found.items() if any(settings) or (settings and name in pointed)}

    def fits(mark: str, thousands: str | None) -> bool:
        return all(
            any(one.get("decimal", ".") == mark and one.get("thousands") in (None, thousands) for one in settings)
            for settings in wanted.values()
        )

    possible = [pair for pair in MARKS if decimal in (None, pair[0]) and fits(*pair)]
    possible = [(mark, thousands) for mark, thousands in possible if not thousands or (mark, None) not in possible]
    if not possible:
        ways = {name: say_settings(list(filter(None, settings))) for name, settings in wanted.items()}
        said = "; ".join(f"{name}: {way or 'no setting'}" for name, way in ways.items())
        raise DataError(f"{table.place}: columns of numbers are written in different ways: {said}")
    if len(possible) > 1:
        name = max(wanted, key=lambda name: len(wanted[name]))
        text = next((text for text in texts[name] if not text.isdigit()), texts[name][0])
        raise DataError(
            f"{table.place}: {name}: `{text}` can be read in two ways; say which with `--decimal ,` or `--decimal .`"
        )
    ((mark, thousands),) = possible
    symbols = sorted({symbol for settings in wanted.values() for one in settings for symbol in one.get("symbols", ())})
    return {
        **({"decimal": mark} if mark != "." else {}),
        **({"thousands": thousands} if thousands else {}),
        **({"symbols": symbols} if symbols else {}),
    }


def _facts(found: Recordings, data: SeriesData) -> DataFacts:
    """How the table is read and cut by the recipe that is written."""
    from synthgen.readers.series import reader

    parts: dict[str, reader.Split] = {"training": "train", "validation": "validation"}
    try:
        windows = {what: reader.windows(found, data, part) for what, part in parts.items()}
    except DataError as error:
        facts = summary.describe(found, data, {})
        return dataclasses.replace(facts, notes=(*facts.notes, str(error)))
    return summary.describe(found, data, windows)


def _missing_texts(table: Table) -> list[str]:
    """Texts that usually stand for a missing number, of columns that are of numbers without them."""
    found: dict[str, None] = {}
    for name in table.names:
        texts = some_texts(table, name) if is_text(table.data[name].type) else []
        markers = usual_markers(texts)
        rest = [text for text in texts if text not in markers]
        without = dataclasses.replace(table, formats=Formats(missing=tuple(markers)))
        if markers and rest and (looks_numeric(*numbers(without, name)) or number_settings(rest)):
            found |= dict.fromkeys(markers)
    return list(found)


def _notes(written: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What was decided, in sentences."""
    notes = []
    if settings.get("form") == "wide":
        notes.append("each row is one series, and columns are its steps; if each row is a time, set `form: table`")
    if written:
        notes.append(f"numbers are read with {', '.join(f'`{k}: {_yaml(v)}`' for k, v in written.items())}")
    if "date_format" in settings:
        notes.append(f"times are read with `date_format: {_yaml(settings['date_format'])}`")
    if "step" in settings:
        notes.append(
            f"some values of {settings['time']} occur more than once; `step: {settings['step']}` averages the rows "
            "of each step. If the rows belong to several entities, name their column in `entity` and leave `step` out"
        )
    return tuple(notes)


def recipe(name: str, found: TableFindings, n_samples: int = 1000) -> Recipes:
    """The file to write, by its name."""
    notes = {
        "form": "each row is one series",
        "time": "numbers or ISO timestamps",
        "newest_first": "the rows are in decreasing time",
        "sort_by_time": "the rows are in no order",
        "missing": "what stands for a missing value",
        "entity": "whose row it is",
        "decimal": "the decimal mark of numbers",
        "thousands": "what separates thousands",
        "symbols": "signs beside numbers that are ignored",
        "date_format": "how times are written",
        "step": "rows of the same step are averaged",
        "static": "columns that are the same in all rows of an entity",
        "channels": "columns that are generated; leave out those that are not series",
        "length": "steps of a window",
    }
    settings = {"path": found.path, **found.settings, "channels": found.channels, "length": found.length}
    lines = [f"  {key}: {_yaml(value)}" for key, value in settings.items()]
    explained = [
        f"{line:<26} # {notes[key]}" if key in notes else line for key, line in zip(settings, lines, strict=True)
    ]
    return {
        f"{name}.yaml": RECIPE.format(
            path=printable(Path(found.path).name), name=name, n=n_samples, data="\n".join(explained)
        )
    }


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def scaffold_of(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
    """Series, if the path is a table, or a folder of tables that has neither images nor subfolders."""
    if not (place.suffix.lower() in SUFFIXES if place.is_file() else _holds_tables(place)):
        return None

    def read() -> Findings:
        found = look(str(place), options.get("decimal"), options.get("date_format"))
        columns = [
            ("" if i else "columns", printable(f"{role}: {names}"))
            for i, (role, names) in enumerate(found.facts.columns.items())
        ]
        rows = [*columns, *((name, printable(text)) for name, text in found.facts.rows.items())]
        return Findings(rows, [*map(printable, found.facts.notes)], lambda name: recipe(name, found))

    return Scaffold(0, "tables", read)


def _holds_tables(folder: Path) -> bool:
    suffixes = {path.suffix.lower() for path in listing.files(folder, nested=False)}
    return bool(suffixes & set(SUFFIXES)) and not suffixes & opening.SUFFIXES and not listing.folders(folder)

"""Scaffolding for a table of series: what its columns seem to be, and a recipe that trains, generates and evaluates."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.names import printable
from synthgen.base.units import UNITS_US
from synthgen.errors import DataError
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.images import opening
from synthgen.readers.problems import Problems
from synthgen.readers.scaffolding import Findings, Recipes, Scaffold
from synthgen.readers.series import summary
from synthgen.readers.series.cells import is_number_column, is_text, looks_numeric, numbers, some_texts
from synthgen.readers.series.choices import MOST_REPEATS, TIME, likely_times
from synthgen.readers.series.constants import changing
from synthgen.readers.series.formats import MARKS, Formats, date_formats, number_settings, say_settings, usual_markers
from synthgen.readers.series.roles import ENTITY
from synthgen.readers.series.short import bulk_length, long_enough
from synthgen.readers.series.table import Table, open_table
from synthgen.readers.series.times import epoch_settings, looks_like_iso, times_of
from synthgen.readers.series.types import Recordings, SeriesData

SUFFIXES = (".csv", ".tsv", ".parquet")
VARIABLE = re.compile(r"^(variable|metric|parameter|measure|signal|channel|feature)(_?name)?$", re.IGNORECASE)
VALUE = re.compile(r"^(value|reading|measurement)$", re.IGNORECASE)
"""Columns of tables in the form melted: the name of what was measured, and its value."""

MOST = 100
"""Readings that are tried: each reads the table."""

LENGTH, SHORTEST, WINDOWS = 24, 4, 10
"""Steps of a window, if the recording of the median row is at least ten times as long; else a tenth of it, and four at
least. No window is longer than the recordings that hold nine tenths of the rows; shorter ones are left out."""

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
    for reading in itertools.islice(_readings(table, date_format), MOST):
        settings, decided = changing(table, reading)
        data = SeriesData.model_validate({"path": path, "length": 2, **written, **settings})
        try:
            found = reader.read(data)
        except DataError as error:
            first = first or error
            continue
        lengths = [len(item) for item in found.items]
        most = max(SHORTEST, int(np.median(np.repeat(lengths, lengths))) // WINDOWS)
        data = data.model_copy(update={"length": min(LENGTH, most, max(SHORTEST, bulk_length(lengths)))})
        found = long_enough(found, data)
        facts = _facts(found, data.model_copy(update={"validation": 0.1}))
        facts = dataclasses.replace(facts, notes=(*_notes(written, settings), *decided, *facts.notes))
        return TableFindings(path, {**written, **settings}, found, data.length, facts)
    assert first is not None
    raise first


def _number_settings(table: Table, decimal: str | None) -> dict[str, Any]:
    """The settings of `data` under which columns of formatted numbers are numbers; none if they are plain.

    Raises:
        DataError: there are several, or columns are written in different ways.
    """
    texts = {name: some_texts(table, name) for name in table.names if is_text(table.data[name].type)}
    found = {name: number_settings(some) for name, some in texts.items() if not date_formats(some)}
    wanted = {name: settings for name, settings in found.items() if settings}
    if not wanted:
        return {}

    def fits(mark: str, thousands: str | None) -> bool:
        return all(
            any(one.get("decimal", ".") == mark and one.get("thousands") in (None, thousands) for one in settings)
            for settings in wanted.values()
        )

    possible = [pair for pair in MARKS if decimal in (None, pair[0]) and fits(*pair)]
    possible = [(mark, thousands) for mark, thousands in possible if not thousands or (mark, None) not in possible]
    if not possible:
        said = "; ".join(f"{name}: {say_settings(settings)}" for name, settings in wanted.items())
        raise DataError(f"{table.place}: columns of numbers are written in different ways: {said}")
    if len(possible) > 1:
        name, some = next((name, texts[name]) for name in wanted)
        raise DataError(
            f"{table.place}: {name}: `{some[0]}` can be read in two ways; say which with `--decimal ,` or `--decimal .`"
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


def _entities(table: Table) -> list[str]:
    """Columns that may say whose row it is: of text, or of numbers if they are called so."""
    return [name for name in table.names if ENTITY.search(name) or not is_number_column(table, name)]


def _readings(table: Table, date_format: str | None) -> Iterator[dict[str, Any]]:
    """What may be tried, the likeliest first: columns that are called like times, none, any other as the time."""
    called = [name for name in table.names if TIME.search(name)]
    likely = [time for entity in (None, *_entities(table)) for time in likely_times(table, called, entity)]
    called = [*dict.fromkeys(likely), *(name for name in called if not is_number_column(table, name))]
    for time in dict.fromkeys(called):
        yield from _with_time(table, time, date_format)
    yield {}
    for time in table.names:
        if time not in called:
            yield from _with_time(table, time, date_format)


def _with_time(table: Table, time: str, date_format: str | None) -> Iterator[dict[str, Any]]:
    base = {"time": time} | _date_format(table, time, date_format)
    variable, value = (next(filter(form.search, table.names), None) for form in (VARIABLE, VALUE))
    if variable and value:
        base |= {"variable": variable, "value": value}
    yield base
    yield {**base, "newest_first": True}
    entities = [entity for entity in _entities(table) if entity not in (time, variable)]
    yield from ({"entity": entity, **base} for entity in entities)
    if not variable or not value:
        yield from _sorted(table, base, entities)
    yield from _on_a_grid(table, base)


def _sorted(table: Table, base: dict[str, Any], entities: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Readings of rows in no order; first by columns that are called like entities: times of several may differ."""
    called = [entity for entity in entities if ENTITY.search(entity)]
    yield from ({"entity": entity, **base, "sort_by_time": True} for entity in called)
    yield {**base, "sort_by_time": True}
    yield from ({"entity": entity, **base, "sort_by_time": True} for entity in entities if entity not in called)


def _date_format(table: Table, time: str, given: str | None) -> dict[str, str]:
    """The setting that a column of times needs.

    Raises:
        DataError: its dates can be read in two ways.
    """
    if given:
        return {"date_format": given}
    texts = some_texts(table, time)
    forms = [] if any(looks_like_iso(text) for text in texts[:1]) else date_formats(texts)
    if len(forms) > 1:
        ways = " or ".join(f"--date-format {shlex.quote(form)}" for form in forms)
        raise DataError(f"{table.place}: {time}: `{texts[0]}` can be read in {len(forms)} ways; say which with {ways}")
    counted = epoch_settings(table, time) if not forms else []
    return {"date_format": forms[0]} if forms else counted[0] if counted else {}


def _on_a_grid(table: Table, base: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The reading of a table in which some times occur more than once: `step` averages the rows of a cell."""
    formats = dataclasses.replace(table.formats, date_format=base.get("date_format"))
    times = times_of(dataclasses.replace(table, formats=formats), base["time"], None, Problems())
    known, counts = np.unique(times.values[~times.bad], return_counts=True)
    repeats = int((counts - 1).sum())
    if times.bad.any() or len(known) < 2 or not repeats or repeats > MOST_REPEATS * len(times.values):
        return
    step = float(f"{np.median(np.diff(known)):.6g}")
    if not times.stamped:
        yield {**base, "step": step}
        return
    unit = next((unit for unit in ("d", "h", "min") if step >= UNITS_US[unit]), "s")
    yield {**base, "step": f"{round(step / UNITS_US[unit], 6):.15g}{unit}"}


def _notes(written: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What was decided, in sentences."""
    notes = []
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
    told = [f"{line:<26} # {notes[key]}" if key in notes else line for key, line in zip(settings, lines, strict=True)]
    return {
        f"{name}.yaml": RECIPE.format(
            path=printable(Path(found.path).name), name=name, n=n_samples, data="\n".join(told)
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
    inside = list(folder.iterdir())
    suffixes = {path.suffix.lower() for path in inside if path.is_file()}
    images = suffixes & opening.SUFFIXES or any(path.is_dir() for path in inside)
    return bool(suffixes & set(SUFFIXES)) and not images

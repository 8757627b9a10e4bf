"""Scaffolding for files of texts: what their records seem to be, and a recipe that trains and generates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthgen.base.names import printable
from synthgen.errors import DataError
from synthgen.readers import listing
from synthgen.readers.images import opening
from synthgen.readers.scaffolding import Findings, OpenQuestionsError, Question, Recipes, Scaffold
from synthgen.readers.texts import formats, reader, summary
from synthgen.readers.texts.places import ENDINGS, TABLES, places_of
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.roles import NEEDED, meaning_of
from synthgen.readers.texts.table import Table
from synthgen.readers.texts.types import Kind, TextData

MAY_BE_SERIES = (".csv", ".tsv", ".tab", ".parquet")
LOOKED_AT, SHARE_OF_WORDS = 1000, 0.9
"""Cells of a column that say whether it holds texts: more than this share are no numbers."""

N_SAMPLES = 1000
SHORTEST, LONGEST, STEP = 64, 512, 64
CHARACTERS_OF_A_TOKEN = 3
"""Tokens of a record that are learned at most: enough for 95 % of the records, at so many characters a token."""

WITHOUT_CLASSES = "text"

RECIPE = """\
# Texts like those of {path}, in one command: `synthgen run {name}.yaml`
# It trains a model of the texts (once), and generates {n} of them.

kind: dataset
version: 1
name: {name}
seed: 0

data:
{data}
  licence: unknown         # of your data; model and dataset inherit it

train:                     # another setting or other data make another model
  use: text
  preset: mini             # tiny, mini, small or base
  length: {length:<16} # tokens of a record at most; longer ones are left out, and counted
  steps: 6000              # Ctrl-C keeps what is done, and the same command goes on

condition:
  use: classes
  quotas: {quotas}

sampler:
  use: text
  model: trained           # the one that `train` makes
  steps: 32                # in which masks are taken away

shard_size: 250
batch_size: 125
{labelers}
output:
  writers: [jsonl, parquet]
"""


LABELERS = """
labelers:
  - use: class-label       # the class that was asked for, as `label`
"""


def scaffold_of(place: Path, options: Mapping[str, Any]) -> Scaffold | None:
    """Texts, if there are files of formats of texts and no images, in subfolders too, and tables hold words in columns
    that are called as those of texts."""
    files = [place] if place.is_file() else listing.files(place)
    endings = {path.suffix.lower() for path in files}
    if not endings & set(ENDINGS) or endings & opening.SUFFIXES:
        return None
    kind: Kind | None = options.get("kind")
    if kind is None and endings & set(MAY_BE_SERIES) and not _holds_words(place):
        return None
    return Scaffold(-1, "tables" if endings & set(MAY_BE_SERIES) else "texts", lambda: _look(place, kind))


def _holds_words(place: Path) -> bool:
    """Whether columns of a table are called as those of texts, or none has a name, and their cells are words."""
    try:
        data = TextData(texts=str(place))
        table = formats.load(places_of(data)[0], data)
    except DataError:
        return False
    try:
        roles = meaning_of(table, data).roles
        names = [name for role, name in roles.items() if role not in ("id", "split", "group", "label")]
    except DataError:
        names = [] if table.named and not _possible(table, data) else list(table.columns)
    return bool(names) and all(_are_words(table.columns[name][:LOOKED_AT]) for name in names)


def _are_words(cells: Sequence[Any]) -> bool:
    """Whether nearly all cells are something else than numbers."""
    known = [cell for cell in cells if cell not in (None, "")]
    return sum(not _is_number(cell) for cell in known) > SHARE_OF_WORDS * len(known)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _look(place: Path, kind: Kind | None) -> Findings:
    data = TextData(texts=str(place), kind=kind)
    first = places_of(data)[0]
    if kind is None and first.path.suffix.lower() in TABLES:
        _ask(formats.load(first, data), data)
    texts = reader.read(data)
    facts = summary.facts_of(texts)
    columns = [
        ("" if i else "columns", printable(f"{role}: {name}")) for i, (role, name) in enumerate(facts.columns.items())
    ]
    rows = [*columns, *((name, printable(text)) for name, text in facts.rows.items())]
    return Findings(rows, [*map(printable, facts.notes)], lambda name: _recipes(name, data, texts))


def _ask(table: Table, data: TextData) -> None:
    """Raises OpenQuestionsError if a table could hold records of several kinds."""
    try:
        meaning_of(table, data)
    except DataError as error:
        possible = _possible(table, data)
        if len(possible) < 2:
            raise
        said = " or ".join(f"--kind {kind}" for kind in possible)
        question = Question("kind", "What are its records?", {kind: kind for kind in possible}, possible[0], said)
        raise OpenQuestionsError([question], error.messages[0].partition(";")[0] + "; say which with") from None


def _possible(table: Table, data: TextData) -> list[Kind]:
    """The kinds that a table's records could be of."""
    found: list[Kind] = []
    for kind in NEEDED:
        try:
            meaning_of(table, data.model_copy(update={"kind": kind}))
        except DataError:
            continue
        found.append(kind)
    return found


def _recipes(name: str, data: TextData, texts: Texts) -> Recipes:
    """The file to write, by its name."""
    settings: dict[str, Any] = {"texts": data.texts, "kind": texts.kind, "columns": dict(texts.roles)}
    notes = {"kind": "what the records are", "columns": "what they are called"}
    if Path(texts.files[0]).suffix.lower() not in (*MAY_BE_SERIES, ".jsonl", ".ndjson", ".json"):
        del settings["columns"]
    has_own = {place.split for place in places_of(data)}
    if "validation" not in has_own:
        settings["validation"] = 0.1
        notes["validation"] = "share that is held out for validation losses"
    if "test" not in has_own:
        settings["test"] = 0.1
        notes["test"] = "share that is held out for tests"
    lines = [(key, f"  {key}: {json.dumps(value, ensure_ascii=False)}") for key, value in settings.items()]
    shown = [f"{line:<26} # {notes[key]}" if key in notes else line for key, line in lines]
    quotas = _quotas(texts)
    text = RECIPE.format(
        path=printable(Path(data.texts).name),
        name=name,
        n=sum(quotas.values()),
        data="\n".join(shown),
        length=_length(texts),
        quotas=json.dumps(quotas, ensure_ascii=False),
        labelers=LABELERS if texts.labels is not None else "",
    )
    return {f"{name}.yaml": text}


def _quotas(texts: Texts) -> dict[str, int]:
    """Equally many of each class that there is something to learn of."""
    classes: Sequence[str] = (WITHOUT_CLASSES,)
    if texts.labels is not None:
        known = texts.take("train").labels
        assert known is not None
        classes = [texts.classes[i] for i in np.unique(known).tolist()]
    return dict.fromkeys(classes, -(-N_SAMPLES // len(classes)))


def _length(texts: Texts) -> int:
    """Tokens of a record that 95 % of them have at most, as far as their characters say it."""
    sizes = np.zeros(len(texts))
    for values in texts.texts.values():
        sizes += [len(text) for text in values]
    if texts.dialogues is not None:
        sizes += [sum(len(message.content) for message in one) for one in texts.dialogues]
    wanted = float(np.percentile(sizes, 95)) / CHARACTERS_OF_A_TOKEN
    return int(np.clip(-(-wanted // STEP) * STEP, SHORTEST, LONGEST))

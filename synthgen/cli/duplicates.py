"""`synthgen duplicates DIR`: samples of a dataset that repeat others, and a selection without them."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import click

from synthgen.base import terminal
from synthgen.cli import formatting, options
from synthgen.cli.comparing import MAX_BITS, MIN_SIMILARITY, Way, way_of
from synthgen.dataset import ledger, selections
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.selections import Selection
from synthgen.dataset.view import View

NAME = "unique"
MAX_NAMED = 5


@click.command("duplicates")
@options.folder_argument
@options.known_parts_option
@click.option(
    "--max-bits",
    type=click.IntRange(0, 16),
    show_default=str(MAX_BITS),
    help="In how many of the 64 bits of their perceptual hashes two images may differ and still be the same one.",
)
@click.option(
    "--min-similarity",
    type=click.FloatRange(0, 1, min_open=True),
    show_default=str(MIN_SIMILARITY),
    help="What share of their runs of four characters two texts have in common to be the same one.",
)
@click.option(
    "--field",
    metavar="NAME",
    help="What is compared; by default the first field of images or, without images, all texts of a sample together.",
)
@click.option("--allow-incomplete", is_flag=True, help="Also look through a dataset that is short or still written.")
@options.json_option
def command(
    folder: str,
    max_bits: int | None,
    min_similarity: float | None,
    field: str | None,
    allow_incomplete: bool,
    as_json: bool,
) -> None:
    """Find images or texts of the dataset in DIR that repeat others, over all splits.

    Of each group of near-identical samples the first is kept; the others are named in
    DIR/selections/unique.json, and synthgen.load(DIR, selection="unique") leaves them out. No
    data file is changed. Chains of samples that are near each other make one group. Capitals and
    blanks make no difference between texts.
    """
    started = time.perf_counter()
    book = ledger.read(folder)
    if not allow_incomplete:
        book.require_complete()
    way = way_of(book, field, max_bits, min_similarity)
    if sys.stderr.isatty() and not as_json:
        total = sum(file.n_samples for file in View(book, None, (), None).files)
        with terminal.bar(total, "reading") as bar:
            keys, shards, values = read_values(book, way, bar.update)
    else:
        keys, shards, values = read_values(book, way, lambda n: None)
    selection, groups = find(keys, shards, values, way)
    path = selections.write(book, selection, len(keys))
    facts = {
        "samples": len(keys),
        "kept": len(keys) - len(selection),
        "left_out": len(selection),
        "groups": len(groups),
        "largest": groups[:MAX_NAMED],
        way.limit: way.value,
        "selection": str(path),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        _say(folder, facts, way, time.perf_counter() - started)


def read_values(book: Ledger, way: Way, tick: Callable[[int], Any]) -> tuple[list[str], list[int], list[Any]]:
    """Keys, shard numbers and what is compared of all samples in order; one image is in memory."""
    view, keys, shards, values = View(book, None, (), None), [], [], []
    kinds = {name: view.schema[name] for name in way.fields}
    for file in view.files:
        for record in view.stored(file):
            keys.append(record["key"])
            shards.append(file.shard)
            values.append(way.value_of([kind.decode(record[name]) for name, kind in kinds.items()]))
            tick(1)
    return keys, shards, values


def find(keys: list[str], shards: list[int], values: list[Any], way: Way) -> tuple[Selection, list[list[str]]]:
    """The selection without repeated samples, and the keys of each group of several, largest groups first."""
    numbers = way.groups(values)
    members: dict[int, list[int]] = defaultdict(list)
    for row in sorted(range(len(keys)), key=keys.__getitem__):
        members[int(numbers[row])].append(row)
    left_out: dict[int, dict[str, str]] = defaultdict(dict)
    repeated = [rows for rows in members.values() if len(rows) > 1]
    for first, *others in repeated:
        for row in others:
            left_out[shards[row]][keys[row]] = keys[first]
    named = sorted(([keys[row] for row in rows] for rows in repeated), key=lambda group: (-len(group), group[0]))
    return Selection(NAME, {shard: dict(sorted(gone.items())) for shard, gone in left_out.items()}, way.how), named


def _say(folder: str, facts: dict[str, Any], way: Way, seconds: float) -> None:
    click.echo(f"compared  {facts['samples']} {way.things} in {formatting.duration(seconds)}")
    if not facts["groups"]:
        click.echo(f"copies    none {way.within}")
    else:
        text = f"{facts['left_out']} in {facts['groups']} groups, {way.within}"
        click.echo(f"copies    {text}")
        for group in facts["largest"]:
            shown = ", ".join(group[:MAX_NAMED])
            click.echo(f"          {len(group)} alike: {shown}{formatting.more(group, MAX_NAMED)}")
    click.echo(f"kept      {facts['kept']}, listed in {facts['selection']}")
    click.echo(f'load      synthgen.load("{folder}", selection="{NAME}")')

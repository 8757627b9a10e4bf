"""`synthgen duplicates DIR`: images of a dataset that repeat others, and a selection without them."""

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
from synthgen.dataset import ledger, selections
from synthgen.dataset.ledger import Ledger
from synthgen.dataset.selections import Selection
from synthgen.dataset.view import View
from synthgen.errors import UsageError
from synthgen.fields.shown import Picture
from synthgen.parts.registry import unknown

NAME = "unique"
MAX_NAMED = 5


@click.command("duplicates")
@options.folder_argument
@options.known_parts_option
@click.option(
    "--max-bits",
    type=click.IntRange(0, 16),
    default=2,
    show_default=True,
    help="In how many of the 64 bits of their perceptual hashes two images may differ and still be the same one.",
)
@click.option("--field", metavar="NAME", help="The images that are compared; by default the first field of images.")
@click.option("--allow-incomplete", is_flag=True, help="Also look through a dataset that is short or still written.")
@options.json_option
def command(folder: str, max_bits: int, field: str | None, allow_incomplete: bool, as_json: bool) -> None:
    """Find images of the dataset in DIR that repeat others, over all splits.

    Of each group of near-identical images the first is kept; the others are named in
    DIR/selections/unique.json, and synthgen.load(DIR, selection="unique") leaves them out. No
    data file is changed. Chains of images that are near each other make one group.
    """
    started = time.perf_counter()
    book = ledger.read(folder)
    if not allow_incomplete:
        book.require_complete()
    name = _picture_field(book, field)
    if sys.stderr.isatty() and not as_json:
        total = sum(file.n_samples for file in View(book, None, (), None).files)
        with terminal.bar(total, "hashing") as bar:
            keys, shards, hashes = read_hashes(book, name, bar.update)
    else:
        keys, shards, hashes = read_hashes(book, name, lambda n: None)
    selection, groups = find(keys, shards, hashes, max_bits, name)
    path = selections.write(book, selection, len(keys))
    facts = {
        "samples": len(keys),
        "kept": len(keys) - len(selection),
        "left_out": len(selection),
        "groups": len(groups),
        "largest": groups[:MAX_NAMED],
        "max_bits": max_bits,
        "selection": str(path),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        _say(folder, facts, time.perf_counter() - started)


def read_hashes(book: Ledger, field: str, tick: Callable[[int], Any]) -> tuple[list[str], list[int], Any]:
    """Keys, shard numbers and perceptual hashes, uint64 (N,), of all samples in order; one image is in memory."""
    import numpy as np

    from synthgen.vision.perceptual_hash import perceptual_hash

    view, keys, shards, hashes = View(book, None, (), None), [], [], []
    kind = view.schema[field]
    for file in view.files:
        for record in view.stored(file):
            keys.append(record["key"])
            shards.append(file.shard)
            hashes.append(perceptual_hash(kind.show(kind.decode(record[field]))))
            tick(1)
    return keys, shards, np.array(hashes, dtype=np.uint64)


def find(
    keys: list[str], shards: list[int], hashes: Any, max_bits: int, field: str
) -> tuple[Selection, list[list[str]]]:
    """The selection without repeated images, and the keys of each group of several, largest groups first."""
    from synthgen.vision.perceptual_hash import groups

    numbers = groups(hashes, max_bits)
    members: dict[int, list[int]] = defaultdict(list)
    for row in sorted(range(len(keys)), key=keys.__getitem__):
        members[int(numbers[row])].append(row)
    left_out: dict[int, dict[str, str]] = defaultdict(dict)
    repeated = [rows for rows in members.values() if len(rows) > 1]
    for first, *others in repeated:
        for row in others:
            left_out[shards[row]][keys[row]] = keys[first]
    how = {"by": "perceptual hash", "field": field, "max_bits": max_bits}
    named = sorted(([keys[row] for row in rows] for rows in repeated), key=lambda group: (-len(group), group[0]))
    return Selection(NAME, {shard: dict(sorted(gone.items())) for shard, gone in left_out.items()}, how), named


def _picture_field(book: Ledger, asked: str | None) -> str:
    pictures = [name for name, kind in book.fields.items() if kind.shown == Picture()]
    if asked is not None and asked not in pictures:
        raise UsageError(f"--field: {unknown(asked, pictures, 'field of pictures')}")
    if not pictures:
        raise UsageError(f"{book.place}: holds no images, so there is nothing to compare")
    return asked or pictures[0]


def _say(folder: str, facts: dict[str, Any], seconds: float) -> None:
    click.echo(f"compared  {facts['samples']} images in {formatting.duration(seconds)}")
    if not facts["groups"]:
        click.echo(f"copies    none within {facts['max_bits']} bits")
    else:
        text = f"{facts['left_out']} in {facts['groups']} groups, within {facts['max_bits']} bits"
        click.echo(f"copies    {text}")
        for group in facts["largest"]:
            shown = ", ".join(group[:MAX_NAMED])
            click.echo(f"          {len(group)} alike: {shown}{formatting.more(group, MAX_NAMED)}")
    click.echo(f"kept      {facts['kept']}, listed in {facts['selection']}")
    click.echo(f'load      synthgen.load("{folder}", selection="{NAME}")')

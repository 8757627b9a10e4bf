"""The command that goes on with a dataset where it lies now, which may be a copy, or seen from another folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from synthgen.base.places import absolute, is_address, place_of
from synthgen.cli import formatting
from synthgen.dataset.layout import RECIPE
from synthgen.dataset.ledger import Ledger


def command(book: Ledger, *more: str) -> str:
    """A shell line that renders what the folder of `book` lacks, into that folder, from where the user is.

    It is the line of the last run with this folder as `-o`, given in the folder of that run, because
    recipes name models and data from there. Where its recipe is gone, the folder's own takes its place. What was
    submitted as a job is submitted again.

    Args:
        more: options to add.
    """
    given = book.place
    root = place_of(given)
    try:
        line = shlex.split(str(book.asked.get("command", "")))
    except ValueError:  # a quote is never closed: somebody changed the log
        line = []
    if line[:1] == ["cd"]:  # a job's, which says itself where it is given
        return shlex.join([*line, *more]).replace(" '&&' ", " && ", 1)
    start = line.index("run", line.index("synthgen")) + 1 if "synthgen" in line and "run" in line else len(line)
    asked = _read(line[start:])
    place = Path(str(book.asked.get("folder", "."))).resolve()
    if asked.get("recipe") and (place / asked["recipe"]).is_file():
        here = place == Path.cwd()
        kept = [*line[:start], *_without_out(line[start:]), "-o", given if here else absolute(root)]
        same = asked["out"] is not None and absolute(_from(place, asked["out"])) == absolute(root)
        found = shlex.join([*(line if same and here else kept), *more])
        return found if here else f"cd {shlex.quote(str(place))} && {found}"
    plugins = [word for file in asked.get("plugin_files") or () for word in ("--plugin", str(place / file))]
    own = book.store.storage.size(RECIPE) >= 0
    recipe = str(root / RECIPE) if own and isinstance(root, Path) else "RECIPE"
    if book.growing:  # whose recipe.yaml is still that of the smaller dataset
        more = ("--samples", str(book.planned), *more)
    return formatting.prefix() + shlex.join(["synthgen", "run", recipe, *plugins, "-o", given, *more])


def _from(folder: Path, out: str) -> str | Path:
    """The place that `-o` named in a folder."""
    return out.rstrip("/") if is_address(out) else folder / out


def _read(arguments: list[str]) -> dict[str, Any]:
    """What `synthgen run` was given, by the names of its parameters; empty if nothing is known."""
    import click

    from synthgen.cli import group

    command = group.get_command(click.Context(group), "run")
    if not arguments or command is None:
        return {}
    with command.make_context("run", list(arguments), resilient_parsing=True) as context:
        return dict(context.params)


def _without_out(arguments: list[str]) -> list[str]:
    """The arguments without `-o DIR`, however it was written."""
    kept: list[str] = []
    words_left = iter(arguments)
    for word in words_left:
        if word in ("-o", "--out"):
            next(words_left, None)
        elif not word.startswith(("--out=", "-o")):
            kept.append(word)
    return kept

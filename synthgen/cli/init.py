"""`synthgen init`: recipes for your own images, series or texts, or what else readers know."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any, get_args

import click
import yaml

from synthgen.base import names
from synthgen.base.cache import with_addresses
from synthgen.base.disk import write_output
from synthgen.base.fetched import local_path
from synthgen.cli import formatting, options
from synthgen.errors import UsageError
from synthgen.parts.registry import Plugins
from synthgen.readers.masks import kinds
from synthgen.readers.scaffolding import Findings, OpenQuestionsError, Recipes, Scaffold
from synthgen.readers.texts.types import Kind
from synthgen.recipe.recipe import NAME


@click.command("init")
@click.argument("target", metavar="DIR|FILE", type=options.Place(exists=True))
@click.option("-o", "--out", metavar="DIR", default=".", help="Where to write the recipes; by default here.")
@click.option("--name", metavar="NAME", help="Name of the dataset; by default that of DIR or FILE.")
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark of a table whose numbers leave it open.")
@click.option("--date-format", metavar="FORMAT", help="How times of a table are written, such as %d/%m/%Y.")
@click.option("--force", is_flag=True, help="Overwrite recipes that exist.")
@click.option(
    "--masks",
    type=click.Choice(list(kinds.WORDS)),
    help="What the numbers in masks mean, where the masks leave it open: objects, class ids whose regions are objects "
    "(classes) or not (semantic, as of streets), or one kind of object.",
)
@click.option(
    "--zero",
    type=click.Choice(["background", "class", "unknown"]),
    help="What the number 0 means where numbers are class ids.",
)
@click.option(
    "--unknown",
    metavar="N",
    type=click.IntRange(0, 65535),
    multiple=True,
    help="A number that means unknown where numbers are class ids, beside 255; can be given several times.",
)
@click.option(
    "--classes", metavar="NAMES", help="Names of the classes in the order of their ids, such as sky,road,car."
)
@click.option(
    "--kind",
    type=click.Choice(get_args(Kind)),
    help="What the records of a file of texts are, where its columns leave it open.",
)
@click.option("--skip-broken", is_flag=True, help="Leave images out that cannot be read, and count them.")
@options.plugin_option
def command(
    target: str,
    out: str,
    name: str | None,
    decimal: str | None,
    date_format: str | None,
    force: bool,
    masks: str | None,
    zero: str | None,
    unknown: tuple[int, ...],
    classes: str | None,
    kind: str | None,
    skip_broken: bool,
    plugin_files: tuple[str, ...],
) -> None:
    """Look at the images in DIR, or the series or texts in FILE, and write recipes that fit them.

    DIR holds one folder of images for each class, or images with masks (images/ and masks/, or
    1.png beside 1_mask.png), or images with boxes (COCO, YOLO, Pascal VOC). Writes one recipe for
    a model of the images, one for a dataset generated with it and, if there are enough images, one for
    a network that scores samples. From a folder to a dataset:

    \b
        synthgen init photos
        synthgen train photos-model.yaml
        synthgen run photos.yaml

    For a table of series (.csv, .tsv or .parquet), or a file of texts (those, .jsonl, .json, .tmx, .conll or
    .txt), it is one recipe, which trains and generates in one go:

    \b
        synthgen init sales.csv
        synthgen run sales.yaml
    """
    given: dict[str, Any] = {
        "decimal": decimal,
        "date_format": date_format,
        "mask_kind": masks,
        "kind": kind,
        "skip_broken": skip_broken or None,
    }
    given |= {"zero": zero, "unknown": unknown, "classes": _words(classes)}
    place = local_path(target)
    name = _name(place, name)
    found, notes = _look(target, place, {key: value for key, value in given.items() if value}, Plugins(plugin_files))
    click.echo(with_addresses(formatting.table(found.rows)))
    for text in (*found.notes, *notes):
        click.echo(with_addresses(f"note: {text}"))
    recipes = {file: with_addresses(text) for file, text in found.recipes(name).items()}
    written = _write(Path(out), recipes, force)
    click.echo("\nwrote " + ", ".join(map(str, written)))
    _say_next(Path(out), name, recipes)


def _look(target: str, place: Path, given: dict[str, Any], plugins: Plugins) -> tuple[Findings, list[str]]:
    """What the first reader finds, once what it leaves open is answered on the terminal; and notes on other readers.

    Raises:
        OpenQuestionsError: something is open, and there is no terminal.
    """
    while True:
        chosen, others = _scaffold(target, place, given, plugins)
        unused = [other.what for other in others if other.what not in ("", chosen.what)]
        notes = [f"its {what} are not used, because it has {chosen.what}" for what in unused]
        try:
            return chosen.look(), notes
        except OpenQuestionsError as error:
            if not (sys.stdin.isatty() and sys.stdout.isatty()):
                raise
            question = error.questions[0]
            said = click.prompt(question.text, type=click.Choice(list(question.answers)), default=question.default)
            given = given | {question.option: question.answers[said]}


def _words(text: str | None) -> list[str]:
    """Names between commas.

    Raises:
        UsageError: one is empty or stands there twice.
    """
    words = [word.strip() for word in text.split(",")] if text is not None else []
    if not all(words) or len(set(words)) < len(words):
        raise UsageError(f"--classes {text}: must be names between commas, each once (such as sky,road,car)")
    return words


def _scaffold(target: str, place: Path, given: dict[str, Any], plugins: Plugins) -> tuple[Scaffold, list[Scaffold]]:
    """What the first reader sees in the target, which is at `place` here, and what others see in it too."""
    readers: list[Any] = [plugins.find("readers", name) for name in plugins.names("readers")]
    looks = [reader.scaffold(place, given) for reader in readers if hasattr(reader, "scaffold")]
    found = sorted((scaffold for scaffold in looks if scaffold), key=lambda scaffold: scaffold.order)
    if not found:
        raise UsageError(
            f"{target}: must be a folder of images, a table (.csv, .tsv, .parquet), or a file of texts "
            "(.jsonl, .json, .tmx, .conll, .txt)"
        )
    return found[0], found[1:]


def _say_next(folder: Path, name: str, recipes: Recipes) -> None:
    """The commands that lead from the recipes to the dataset."""
    paths = {part: shlex.quote(str(folder / f"{name}{part}.yaml")) for part in ("-model", "-filter", "")}
    prefix = formatting.prefix()
    click.echo("next:")
    trained = f"{name}-model.yaml" in recipes
    words = [f"plan {paths['-model']}   # how long it takes here", f"train {paths['-model']}", f"run {paths['']}"]
    for line in words if trained else [f"plan {paths['']}", f"run {paths['']}"]:
        click.echo(f"  {prefix}synthgen {line}")
    if f"{name}-filter.yaml" in recipes:
        click.echo(f"before the run, if its samples shall be checked (the comments in {paths['']} say how):")
        click.echo(f"  {prefix}synthgen train {paths['-filter']}")
        trainer = yaml.safe_load(recipes[f"{name}-filter.yaml"])["trainer"]
        if trainer["use"] == "feature-classifier":
            click.echo("after that, labels for the images without, which may help more than generated ones:")
            unlabelled = shlex.quote(str(trainer["data"]["unlabelled"]))
            click.echo(f"  {prefix}synthgen label {unlabelled} --model models/{name}-filter")


def _name(place: Path, name: str | None) -> str:
    """The given name, or one made from that of the target."""
    if name is None:
        name = names.slug((place.with_suffix("") if place.is_file() else place).resolve().name, "dataset")
    if not re.match(NAME, name):
        raise UsageError(f"--name {name}: must be lower-case letters, digits, - _ and . (such as my-photos)")
    return name


def _write(folder: Path, recipes: Recipes, force: bool) -> list[Path]:
    paths = {folder / file: text for file, text in recipes.items()}
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        exist = f"{', '.join(existing)} {'exists' if len(existing) == 1 else 'exist'} already"
        raise UsageError(f"{exist}; overwrite with --force, or choose another --name or -o")
    for path, text in paths.items():
        write_output(path, text.encode(), make_folder=True)
    return list(paths)

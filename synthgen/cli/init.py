"""`synthgen init`: recipes for a folder of your own images, or for a table of your own series."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from synthgen.base import names
from synthgen.base.disk import write_output
from synthgen.cli import formatting
from synthgen.errors import UsageError
from synthgen.readers.images.opening import SUFFIXES
from synthgen.readers.masks import kinds
from synthgen.recipe.recipe import NAME
from synthgen.scaffold import boxes as scaffold_boxes
from synthgen.scaffold import classes, series, templates
from synthgen.scaffold import masks as scaffold_masks
from synthgen.scaffold.boxes import BoxFindings
from synthgen.scaffold.classes import Findings, Fit
from synthgen.scaffold.masks import MaskFindings

MOST_NAMES = 12


@click.command("init")
@click.argument("target", metavar="DIR|TABLE", type=click.Path(exists=True))
@click.option("-o", "--out", metavar="DIR", default=".", help="Where to write the recipes; by default here.")
@click.option("--name", metavar="NAME", help="Name of the dataset; by default that of DIR or TABLE.")
@click.option("--decimal", type=click.Choice([".", ","]), help="Decimal mark of a TABLE whose numbers leave it open.")
@click.option("--date-format", metavar="FORMAT", help="How times of a TABLE are written, such as %d/%m/%Y.")
@click.option("--force", is_flag=True, help="Overwrite recipes that exist.")
@click.option(
    "--masks",
    type=click.Choice(list(kinds.WORDS)),
    help="What the numbers in masks mean, where the masks leave it open: objects, class ids, or one kind of object.",
)
@click.option("--skip-broken", is_flag=True, help="Leave pictures out that cannot be read, and count them.")
def command(
    target: str,
    out: str,
    name: str | None,
    decimal: str | None,
    date_format: str | None,
    force: bool,
    masks: str | None,
    skip_broken: bool,
) -> None:
    """Look at the images in DIR, or the series in TABLE, and write recipes that fit them.

    DIR holds one folder of images for each class, or images with masks (images/ and masks/, or
    1.png beside 1_mask.png), or images with boxes (COCO, YOLO, Pascal VOC). Writes one recipe for
    a model of the images, one for a dataset drawn with it and, if there are enough images, one for
    a network that scores samples. From a folder to a dataset:

    \b
        synthgen init photos
        synthgen train photos-model.yaml
        synthgen run photos.yaml

    For a TABLE (.csv, .tsv or .parquet) it is one recipe, which trains, draws and evaluates in one go:

    \b
        synthgen init sales.csv
        synthgen run sales.yaml
    """
    if Path(target).is_file() and Path(target).suffix.lower() not in series.SUFFIXES:
        raise UsageError(f"{target}: must be a folder of images, or a table ({', '.join(series.SUFFIXES)})")
    if Path(target).is_file() or _holds_tables(Path(target)):
        _init_table(target, out, name, force, series.look(target, decimal, date_format))
    else:
        _init_folder(target, out, name, force, _data_settings(masks, skip_broken))


def _holds_tables(folder: Path) -> bool:
    """Whether a folder holds tables of series, and neither folders nor pictures."""
    inside = list(folder.iterdir()) if folder.is_dir() else []
    suffixes = {path.suffix.lower() for path in inside if path.is_file()}
    pictures = suffixes & SUFFIXES or any(path.is_dir() for path in inside)
    return bool(suffixes & set(series.SUFFIXES)) and not pictures


def _init_table(path: str, out: str, name: str | None, force: bool, found: series.TableFindings) -> None:
    name = _name(str(Path(path).with_suffix("")), name)
    rows = [
        ("rows", f"{found.n_rows} of {formatting.plural(len(found.recordings), 'recording')}"),
        *formatting.column_rows(found.columns),
        ("chosen", f"windows of {found.length} steps"),
    ]
    click.echo(formatting.table(rows))
    for text in found.notes:
        click.echo(f"note: {text}")
    written = _write(Path(out), series.recipe(name, found), force)
    click.echo("\nwrote " + ", ".join(map(str, written)))
    recipe = shlex.quote(str(written[0]))
    click.echo(f"next:\n  {formatting.prefix()}synthgen plan {recipe}\n  {formatting.prefix()}synthgen run {recipe}")


def _data_settings(masks: str | None, skip_broken: bool) -> dict[str, Any]:
    """The settings of `data` that the command names."""
    return {**({"mask_kind": masks} if masks else {}), **({"skip_broken": True} if skip_broken else {})}


def _init_folder(folder: str, out: str, name: str | None, force: bool, settings: Mapping[str, Any]) -> None:
    name = _name(folder, name)
    places = scaffold_masks.find(folder)
    boxes = scaffold_boxes.find(folder) if "mask_kind" not in settings else None
    if places is None and "mask_kind" in settings:
        raise UsageError(f"--masks: {folder} has no masks; they belong into {folder}/masks, beside {folder}/images")
    if places is not None:
        with_masks = scaffold_masks.look(folder, {**places, **settings})
        _say_mask_findings(with_masks)
        if boxes:
            click.echo(f"note: its boxes ({boxes.name}: {boxes.settings['boxes']}) are not used, because it has masks")
        texts = scaffold_masks.recipes(name, with_masks)
    elif boxes is not None:
        with_boxes = scaffold_boxes.look(folder, boxes, settings)
        _say_box_findings(with_boxes)
        texts = scaffold_boxes.recipes(name, with_boxes)
    else:
        found = classes.look(folder)
        fit = classes.fit(found)
        _say_findings(found, fit)
        texts = templates.recipes(name, found, fit)
    written = _write(Path(out), texts, force)
    click.echo("\nwrote " + ", ".join(map(str, written)))
    paths = {part: shlex.quote(str(Path(out) / f"{name}{part}.yaml")) for part in ("-model", "-critic", "")}
    click.echo("next:")
    click.echo(f"  {formatting.prefix()}synthgen train {paths['-model']}")
    click.echo(f"  {formatting.prefix()}synthgen run {paths['']}")
    if f"{name}-critic.yaml" in texts:
        click.echo(f"before the run, if its samples shall be checked (the comments in {paths['']} say how):")
        click.echo(f"  {formatting.prefix()}synthgen train {paths['-critic']}")


def _name(folder: str, name: str | None) -> str:
    """The given name, or one made from the folder's."""
    if name is None:
        name = names.slug(Path(folder).resolve().name, "dataset")
    if not re.match(NAME, name):
        raise UsageError(f"--name {name}: must be lower-case letters, digits, - _ and . (such as my-photos)")
    return name


def _write(folder: Path, recipes: templates.Recipes, force: bool) -> list[Path]:
    paths = {folder / file: text for file, text in recipes.items()}
    existing = [str(path) for path in paths if path.exists()]
    if existing and not force:
        exist = f"{', '.join(existing)} {'exists' if len(existing) == 1 else 'exist'} already"
        raise UsageError(f"{exist}; overwrite with --force, or choose another --name or -o")
    for path, text in paths.items():
        write_output(path, text.encode(), make_folder=True)
    return list(paths)


def _say_box_findings(found: BoxFindings) -> None:
    rows = [
        ("images", f"{len(found.sizes)} with boxes ({found.format}: {found.settings['boxes']})"),
        ("objects", formatting.counts(found.n_boxes)),
        ("sizes", _sizes(found.sizes)),
        ("chosen", f"crops of {found.crop} x {found.crop} pixels"),
    ]
    click.echo(formatting.table(rows))
    for text in scaffold_boxes.warnings(found):
        click.echo(f"note: {text}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def _say_mask_findings(found: MaskFindings) -> None:
    kind = found.settings.get("mask_kind", "classes")
    rows = [
        ("images", f"{len(found.sizes)} with masks, {sum(found.counts)} objects ({max(found.counts)} at most in one)"),
        ("sizes", _sizes(found.sizes)),
        ("masks", f"{kind}: {kinds.WORDS[kind]}"),
        ("because", found.reason),
        ("objects", _some(found.settings["objects"])),
        ("chosen", f"crops of {found.crop} x {found.crop} pixels"),
    ]
    click.echo(formatting.table(rows))
    for text in scaffold_masks.warnings(found):
        click.echo(f"note: {text}")


def _sizes(sizes: list[tuple[int, int]]) -> str:
    most = Counter(sizes).most_common(3)
    shown = ", ".join(f"{width} x {height} ({n})" for (width, height), n in most)
    more = len(set(sizes)) - len(most)
    return shown + (f" and {more} other sizes" if more else "")


def _say_findings(found: Findings, fit: Fit) -> None:
    colours = {1: "grey", 3: "colour"}
    rows = [
        ("images", f"{found.n} in {formatting.plural(len(found.counts), 'class', 'classes')}"),
        ("classes", formatting.counts(found.counts)),
        ("sizes", _sizes(found.sizes)),
        ("colours", ", ".join(f"{colours[c]} {n}" for c, n in sorted(found.colours.items()) if n)),
        ("ignored", formatting.counts(found.ignored)),
        ("chosen", f"{fit.resolution} x {fit.resolution} pixels, {fit.steps} training steps"),
    ]
    click.echo(formatting.table(rows))
    for text in classes.warnings(found, fit):
        click.echo(f"note: {text}")

"""`synthgen preview`: a few samples as one image."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from synthgen import api
from synthgen.base import environment
from synthgen.base.disk import write_output
from synthgen.base.environment import use_one_thread
from synthgen.base.names import printable
from synthgen.base.places import is_address, name_of, place_of
from synthgen.cli import formatting, options
from synthgen.dataset import ledger
from synthgen.errors import UsageError
from synthgen.generate.executors.choose import default_workers
from synthgen.generate.plan import Plan
from synthgen.parts.registry import Plugins
from synthgen.report import preview, sheet, templates
from synthgen.report.preview import Drawn, Groups, legend
from synthgen.report.texts import TextGroups, is_shown_as_texts, terminal_lines

N_PRINTED, MAX_PRINTED = 6, 300
"""Samples of texts that are printed, and characters of each text."""


@click.command("preview")
@click.argument("target", metavar="RECIPE|DIR", type=click.Path())
@click.option(
    "-o", "--out", metavar="FILE", help="The image or, of texts, the HTML page; by default <name>-preview.png or .html."
)
@click.option(
    "--samples", type=click.IntRange(1, 2000), metavar="N", help="How many samples; by default a few per class."
)
@click.option("--seed", default=0, show_default=True, metavar="N", help="Which samples of a dataset are shown.")
@options.channel_option
@options.set_option
@options.plugin_option
@options.smoke_option
@options.device_option
def command(
    target: str,
    out: str | None,
    samples: int | None,
    seed: int,
    channels: tuple[str, ...],
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    smoke: bool,
    device: str,
) -> None:
    """Put a few samples of a recipe, or of a finished dataset, into one image; those that are texts, on one page.

    For a RECIPE, the first try of each slot is generated as `synthgen run` would generate it, and tries
    that a keep rule would reject are framed in red. Nothing but the image is written, except that
    a RECIPE with a section `train` trains its model first if it is not there yet. For the DIR of a
    dataset, samples of all classes are picked at random. Of series, 40 channels have room; --channel names others.
    Of texts, the first ones are printed too.
    """
    started = time.perf_counter()
    if is_address(target) or Path(target).is_dir():
        if overrides or smoke:
            raise UsageError(f"{target}: is a finished dataset; --set and --smoke are for recipes")
        Plugins(plugin_files)
        _preview_dataset(target, out, samples, seed, channels)
    else:
        note = functools.partial(click.echo, err=True)
        train = api.training(device, False, note, formatting.given())
        prepared = api.prepare(target, None, overrides, plugin_files, smoke, train, note)
        _preview_recipe(prepared.plan, out, samples, device, channels)
    click.echo(f"done in {formatting.duration(time.perf_counter() - started)}")


def _preview_dataset(folder: str, out: str | None, n: int | None, seed: int, channels: Sequence[str]) -> None:
    book = ledger.read(folder)
    in_words = is_shown_as_texts(book.fields)
    groups = {} if in_words else preview.from_dataset(book, n, seed, channels)
    texts = preview.texts_from_dataset(book, n, seed) if in_words else {}
    shown = sum(map(len, groups.values())) + sum(map(len, texts.values()))
    total = sum(record.accepted for record in book.commits.values()) or (book.manifest or {}).get("samples", 0)
    subtitle = f"{shown} of {total} samples{_n_classes([*groups, *texts], len(book.classes))}"
    if not book.complete:
        subtitle += f", INCOMPLETE: {formatting.known(book.planned)} were asked for"
        click.echo(f"note      {folder} {book.lack or 'lacks files'}; `synthgen status` says more")
    name = f"{name_of(place_of(book.place))}-preview"
    _save(groups, texts, book.name, subtitle, legend(book.fields, groups), out, name)


def _preview_recipe(plan: Plan, out: str | None, n: int | None, device: str, channels: Sequence[str]) -> None:
    use_one_thread()
    found = environment.choose_device(device)
    drawn = preview.draw_first_tries(plan, preview.choose_slots(plan, n), found, channels)
    n_rejected = sum(drawn.rejected.values())
    subtitle = f"{drawn.n} first tries{_n_classes([*drawn.groups, *drawn.texts], len(plan.class_counts()))}"
    if plan.rules:
        subtitle += f", {n_rejected} rejected (red)"
    colours, name = legend(plan.schema, drawn.groups), f"{plan.recipe.name}-preview"
    _save(drawn.groups, drawn.texts, plan.recipe.name, subtitle, colours, out, name)
    if plan.rules:
        by_rule = f" ({formatting.counts(drawn.rejected)})" if n_rejected else ""
        click.echo(f"kept      {drawn.n - n_rejected} of {drawn.n} first tries{by_rule}")
    _say_times(drawn, plan, found, device)


def _say_times(drawn: Drawn, plan: Plan, found: str, device: str) -> None:
    """What the whole recipe will take, from what these few took."""
    place = "core" if found == "cpu" else environment.device_name(found)
    each, setup = formatting.duration(drawn.seconds_each), formatting.duration(drawn.setup_s)
    click.echo(f"a sample  {each} on one {place}, after {setup} for loading the models")
    head = f"all {plan.n_samples:<4}"
    if not drawn.acceptance:
        click.echo(f"{head}  unknown, because every try was rejected")
        return
    n_workers = default_workers(plan.recipe.resources, device)
    total = plan.n_samples * drawn.seconds_each / drawn.acceptance
    text = formatting.duration(drawn.setup_s + total / n_workers)
    click.echo(f"{head}  about {text} with {n_workers} workers on this machine")


def _n_classes(groups: Sequence[str], n_classes: int) -> str:
    shown = len(groups)
    if not n_classes:
        return ""
    return (
        f", {formatting.plural(shown, 'class', 'classes')}"
        if shown >= n_classes
        else f", {shown} of {n_classes} classes"
    )


def _save(
    groups: Groups, texts: TextGroups, title: str, subtitle: str, colours: sheet.Legend, out: str | None, name: str
) -> None:
    """Writes the image or, of texts, the page, and prints the first of these."""
    if texts:
        _refuse_image(out)
        for line in _printed(texts):
            click.echo(line)
        path = out or f"{name}.html"
        write_output(Path(path), templates.text_page(texts, title, subtitle, colours).encode())
        click.echo(f"page    {path}")
        return
    picture = io.BytesIO()
    sheet.draw_sheet(groups, title, subtitle, colours).save(picture, "PNG", optimize=True)
    path = out or f"{name}.png"
    write_output(Path(path), picture.getvalue())
    click.echo(f"image   {path}")


def _refuse_image(out: str | None) -> None:
    """Raises UsageError if an image is asked for, of what is texts: no font of ours has all scripts, browsers do."""
    if out and Path(out).suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        raise UsageError(f"-o {out}: texts are shown on an HTML page; name a file that ends in .html")


def _printed(groups: TextGroups) -> Iterator[str]:
    """A few samples as lines: the first of every class, then the second ones."""
    ranked = [(rank, entry) for group in groups.values() for rank, entry in enumerate(group)]
    ranked.sort(key=lambda one: one[0])
    for _, entry in ranked[:N_PRINTED]:
        yield printable("; ".join(filter(None, [entry.caption, *entry.note.splitlines()])))
        yield from (f"  {line}" for line in terminal_lines(entry.parts, MAX_PRINTED))
        yield ""

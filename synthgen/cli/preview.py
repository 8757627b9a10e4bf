"""`synthgen preview`: a few samples as one image."""

from __future__ import annotations

import functools
import io
import time
from collections.abc import Sequence
from pathlib import Path

import click

from synthgen import api
from synthgen.base import environment
from synthgen.base.disk import write_output
from synthgen.base.environment import use_one_thread
from synthgen.base.places import is_address, name_of, place_of
from synthgen.cli import formatting, options
from synthgen.dataset import ledger
from synthgen.errors import UsageError
from synthgen.generate.executors.choose import default_workers
from synthgen.generate.plan import Plan
from synthgen.parts.registry import Plugins
from synthgen.report import preview, sheet
from synthgen.report.preview import Drawn, Groups, legend


@click.command("preview")
@click.argument("target", metavar="RECIPE|DIR", type=click.Path())
@click.option("-o", "--out", metavar="FILE", help="The image to write; by default <name>-preview.png.")
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
    """Put a few samples of a recipe, or of a finished dataset, into one image.

    For a RECIPE, the first try of each slot is generated as `synthgen run` would generate it, and tries
    that a keep rule would reject are framed in red. Nothing but the image is written, except that
    a RECIPE with a section `train` trains its model first if it is not there yet. For the DIR of a
    dataset, samples of all classes are picked at random. Of series, 40 channels have room; --channel names others.
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
    groups = preview.from_dataset(book, n, seed, channels)
    shown = sum(len(group) for group in groups.values())
    total = sum(record.accepted for record in book.commits.values()) or (book.manifest or {}).get("samples", 0)
    subtitle = f"{shown} of {total} samples{_n_classes(groups, len(book.classes))}"
    if not book.complete:
        subtitle += f", INCOMPLETE: {formatting.known(book.planned)} were asked for"
        click.echo(f"note      {folder} {book.lack or 'lacks files'}; `synthgen status` says more")
    _save(
        groups, book.name, subtitle, legend(book.fields, groups), out or f"{name_of(place_of(book.place))}-preview.png"
    )


def _preview_recipe(plan: Plan, out: str | None, n: int | None, device: str, channels: Sequence[str]) -> None:
    use_one_thread()
    found = environment.choose_device(device)
    drawn = preview.draw_first_tries(plan, preview.choose_slots(plan, n), found, channels)
    n_rejected = sum(drawn.rejected.values())
    subtitle = f"{drawn.n} first tries{_n_classes(drawn.groups, len(plan.class_counts()))}"
    if plan.rules:
        subtitle += f", {n_rejected} rejected (red)"
    _save(
        drawn.groups,
        plan.recipe.name,
        subtitle,
        legend(plan.schema, drawn.groups),
        out or f"{plan.recipe.name}-preview.png",
    )
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


def _n_classes(groups: Groups, n_classes: int) -> str:
    shown = len(groups)
    if not n_classes:
        return ""
    return (
        f", {formatting.plural(shown, 'class', 'classes')}"
        if shown >= n_classes
        else f", {shown} of {n_classes} classes"
    )


def _save(groups: Groups, title: str, subtitle: str, colours: sheet.Legend, path: str) -> None:
    picture = io.BytesIO()
    sheet.draw_sheet(groups, title, subtitle, colours).save(picture, "PNG", optimize=True)
    write_output(Path(path), picture.getvalue())
    click.echo(f"image   {path}")

"""`synthgen train RECIPE`: a model from a recipe."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from synthgen import api
from synthgen.base.names import printable
from synthgen.cli import formatting, options
from synthgen.errors import Interrupted
from synthgen.models import folders

USES = {
    "ClassConditionalPipeline": "sampler: {{use: class-conditional, model: {folder}}}",
    "ImageClassifier": "scorers: [{{use: agreement, model: {folder}}}]",
    "TextClassifier": "scorers: [{{use: text-class, model: {folder}}}]",
    **dict.fromkeys(
        ("StableDiffusionPipeline", "StableDiffusionXLPipeline"), "sampler: {{use: text-to-image, model: {folder}}}"
    ),
    "LoraAdapter": "in a text-to-image sampler with its base: lora: [{{path: {folder}, weight: 1.0}}]",
    "TextualInversionAdapter": "in a text-to-image sampler with its base: embeddings: [{folder}]",
    "LayoutToImagePipeline": "sampler: {{use: layout-to-image, model: {folder}}}",
    "LayoutPipeline": "sampler: {{use: layout-to-image, model: ..., layout_model: {folder}}}",
    "Detector": "labelers: [{{use: detector, model: {folder}}}]",
    "Segmenter": "labelers: [{{use: segmenter, model: {folder}}}]",
    "SegmentAnything": "labelers: [{{use: segment-anything, model: {folder}}}]",
}
"""How a recipe names a model of each class."""


@click.command("train")
@click.argument("recipe", type=click.Path(dir_okay=False))
@click.option("-o", "--out", metavar="DIR", help="Folder for the model; by default models/<name>.")
@options.set_option
@options.plugin_option
@options.smoke_option
@options.device_option
@options.quiet_option
@click.option("--finish", is_flag=True, help="Make a model of the last checkpoint, without another step.")
@click.option("--skip-broken", is_flag=True, help="Leave images out that cannot be read, and count them in the card.")
def command(
    recipe: str,
    out: str | None,
    overrides: tuple[str, ...],
    plugin_files: tuple[str, ...],
    smoke: bool,
    device: str,
    quiet: bool,
    finish: bool,
    skip_broken: bool,
) -> None:
    """Train the model that RECIPE (kind: model) describes.

    Checkpoints, losses and sample images go to the folder `training` inside the model's.
    Giving the same command again goes on from the last checkpoint. With --finish, a training that
    was stopped ends there: the model has the averaged weights of its last checkpoint, and its card
    says so. Without --finish, it can still be gone on with.
    """
    started = time.perf_counter()
    overrides = (*overrides, *(["trainer.data.skip_broken=true"] if skip_broken else []))
    model = None if quiet else api.read_model(recipe, overrides, plugin_files)
    for line in api.model_facts(model, plugin_files).lines if model else ():
        click.echo(printable(line), err=True)
    try:
        folder = api.train(
            recipe,
            out,
            overrides=overrides,
            plugin_files=plugin_files,
            smoke=smoke,
            device=device,
            quiet=quiet,
            finish=finish,
        )
    except Interrupted as stopped:
        text = f"{stopped} Go on with: {formatting.given()}\nOr make a model of it as it is with the same and --finish"
        raise Interrupted(text, stopped.exit_code) from None
    if not quiet:
        _say(folder, time.perf_counter() - started)


def _say(folder: Path, seconds: float) -> None:
    pictures = sorted((folder / "training").glob("samples-*.png"), key=os.path.getmtime)
    name, board = folders.read_index(folder).get("_class_name", ""), folder / "training" / "tensorboard"
    rows = [
        ("model", f"{folder}/  (start with {folder}/README.md), in {formatting.duration(seconds)}"),
        ("pictures", str(pictures[-1]) if pictures else ""),
        ("losses", f"{formatting.prefix()}tensorboard --logdir {shlex.quote(str(board))}" if board.exists() else ""),
        ("use it", USES[name].format(folder=formatting.yaml_word(str(folder))) if name in USES else ""),
    ]
    click.echo(formatting.table(rows))
    _say_rules(folders.read_card(folder))


def _say_rules(card: Mapping[str, Any]) -> None:
    """The rules that real images pass, if the card has some: a filter model's has."""
    from synthgen.training import real_scores

    found = card.get(real_scores.KEY)
    if found:
        real = real_scores.RealScores.from_json(found)
        click.echo("\n".join(map(printable, [f"# {real.title}", *real.lines])))

"""`synthgen models`: the models that come with synthgen, and those trained here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import click

from synthgen.cli import formatting, options
from synthgen.errors import ModelError, UsageError
from synthgen.models import folders
from synthgen.parts.registry import unknown

KINDS = {
    "ClassConditionalPipeline": "class-conditional sampler",
    "LayoutPipeline": "layout sampler",
    "LayoutToImagePipeline": "layout-to-image sampler",
    "SeriesPipeline": "series sampler",
    "Detector": "detector",
    "ImageClassifier": "classifier",
    "FeatureClassifier": "classifier on features",
    "StepClassifier": "classifier of steps",
    "Segmenter": "segmenter",
    "SegmentAnything": "segment-anything labeler",
}
OWN = "models"


class Models(click.Group):
    """`synthgen models NAME` shows the model of that name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])


@click.group("models", cls=Models, invoke_without_command=True)
@options.json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the models that come with synthgen and those under models/, or do something with one."""
    if context.invoked_subcommand is not None:
        return
    found = [describe(each) for each in [*folders.list_starters(), *_own()]]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    head = ("name", "kind", "classes", "objects", "size px", "files", "licence")
    rows = [
        (
            *(m["name"], m["kind"], str(len(m["classes"])), ", ".join(m["objects"])),
            *(str(m["resolution"] or ""), formatting.size(m["bytes"]), m["licence"]),
        )
        for m in found
    ]
    click.echo(formatting.columns([head, *rows]))
    click.echo("\ncard of one: synthgen models show NAME; more: synthgen train RECIPE")


@command.command("show")
@click.argument("name")
@options.json_option
def show(name: str, as_json: bool) -> None:
    """Show the card of NAME: a starter such as starter/nuclei, or the folder of a model."""
    facts = describe(name)
    click.echo(json.dumps(facts, indent=1) if as_json else _card(name, facts))


@command.command("convert")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("-o", "--out", metavar="DIR", help="A new folder; by default models/<name of the file>.")
@click.option("--licence", default="apache-2.0", show_default=True, help="Licence of the weights, for the card.")
def convert(file: str, out: str | None, licence: str) -> None:
    """Turn an official Segment Anything checkpoint (.pth: vit_b, vit_l, vit_h) into a folder of safetensors.

    Such files are pickles, which can carry code. It is read in a process of its own that sees nothing
    of this environment, and refused if it names anything but tensors.
    """
    target = Path(out) if out else Path(OWN) / Path(file).stem.replace("_", "-")
    if target.exists():
        raise UsageError(f"{target} exists already; name a new folder with -o, or remove it")
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}")
    program = [sys.executable, "-X", "utf8", "-m", "synthgen.models.segment_anything.convert"]
    program += [str(Path(file).resolve()), str(partial.resolve()), licence]
    partial.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        done = subprocess.run(program, env=kept, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"the conversion ended with status {done.returncode}"]
            raise ModelError(lines[-1])
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    click.echo(f"model   {target}  (Segment Anything, {done.stdout.strip()})")
    click.echo(f"use     labelers: [{{use: segment-anything, model: {formatting.yaml_word(str(target))}}}]")


@command.command("guidance")
@click.argument("name")
@click.option("--judge", required=True, metavar="MODEL", help="A classifier of the same classes, best one of its own.")
@click.option(
    "--scales",
    type=options.NUMBERS,
    default="1,1.5,2,3,4",
    show_default=True,
    metavar="X[,X...]",
    help="Guidance that is tried.",
)
@click.option("--samples", type=click.IntRange(min=2), default=50, show_default=True, help="Images of each class.")
@click.option("--steps", type=click.IntRange(min=1), default=18, show_default=True, help="Denoising steps.")
@click.option(
    "--interval",
    type=(float, float),
    default=(0.0, 1.0),
    show_default=True,
    help="The part of the steps, as in recipes.",
)
@click.option(
    "--slack",
    type=click.FloatRange(0, 1),
    default=0.05,
    show_default=True,
    help="How much less often than at its best scale a class may be recognised, for less guidance.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the images.")
@options.device_option
@options.json_option
def guidance(
    name: str,
    judge: str,
    scales: list[float],
    samples: int,
    steps: int,
    interval: tuple[float, float],
    slack: float,
    seed: int,
    device: str,
    as_json: bool,
) -> None:
    """Find how much guidance each class of NAME, a class-conditional model, needs to be recognised.

    Generates images of every class at several scales and asks a classifier what it sees. Prints its answers, and as
    `guidance` of a recipe the least scale for each class that is nearly as good as its best one: more costs variety.
    """
    from synthgen.base.environment import choose_device
    from synthgen.models.images import guidance as scale_choice

    if not 0 <= interval[0] < interval[1] <= 1:
        given = f"{interval[0]:g} {interval[1]:g}"
        raise UsageError(f"--interval: must rise within 0 and 1, such as 0.25 0.75 (got {given})")
    pipeline, classifier = _pair(name, judge, choose_device(device))
    shares = scale_choice.fidelity(pipeline, classifier, scales, samples, seed, steps, interval)
    chosen = scale_choice.least(shares, scales, pipeline.classes, slack)
    if as_json:
        by_class = {
            cls: dict(zip(map(str, scales), shares[:, i].round(4).tolist(), strict=True))
            for i, cls in enumerate(pipeline.classes)
        }
        click.echo(json.dumps({"shares": by_class, "guidance": chosen}, indent=1))
        return
    rows = [(cls, *(f"{share:.0%}" for share in shares[:, i])) for i, cls in enumerate(pipeline.classes)]
    mean = ("mean", *(f"{share:.0%}" for share in shares.mean(1)))
    click.echo(f"share of {samples} images of each class in which {judge} sees it, by guidance:")
    click.echo(formatting.columns([("class", *map(str, scales)), *rows, mean]))
    click.echo(
        f"\nguidance: {{{', '.join(f'{formatting.yaml_word(cls)}: {scale:g}' for cls, scale in chosen.items())}}}"
    )


def _pair(name: str, judge: str, device: str) -> tuple[Any, Any]:
    """A class-conditional pipeline and a classifier of its classes, of images of its size.

    Raises:
        ModelError: they are other models; UsageError: they do not go together.
    """
    import torch

    from synthgen.models import registry

    folder, other = folders.resolve(name), folders.resolve(judge)
    index = folders.check_class(folder, name, "ClassConditionalPipeline", "class-conditional")
    seen_by = folders.check_class(other, judge, ("ImageClassifier", "FeatureClassifier"), "classifier")
    known = folders.names_in_order(seen_by)
    if missing := [cls for cls in folders.names_in_order(index) if cls not in known]:
        raise UsageError(f"--judge: {judge}: {unknown(missing[0], known, 'class')}")
    shapes = [folders.image_shape(folder, index), folders.image_shape(other, seen_by)]
    if shapes[0] != shapes[1]:
        raise UsageError(f"--judge: {judge} sees images of shape {shapes[1]}, and {name} generates {shapes[0]}")
    pipeline = registry.load_pipeline(folder, device, torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    if seen_by["_class_name"] == "FeatureClassifier":
        return pipeline, registry.load_pipeline(other, device, torch.float32)
    return pipeline, registry.load_network(other, device)


def describe(name: str) -> dict[str, Any]:
    """What a model is, from its configuration and card, as JSON values. Loads no weights.

    Raises:
        ModelError: there is no such model.
    """
    folder = folders.resolve(name)
    card, source = folders.read_card(folder), folders.source(name)
    index = folders.read_index(folder)
    kind = str(index.get("_class_name", ""))
    names = card.get("classes") or index.get("id2label", {}).values()
    files = [path for path in folder.rglob("*") if path.is_file() and "training" not in path.relative_to(folder).parts]
    return {
        "name": name,
        "kind": KINDS.get(kind, kind),
        "classes": [str(name) for name in names],
        "objects": [str(name) for name in index.get("objects", [])],
        "resolution": card.get("resolution"),
        "channels": card.get("channels"),
        "bytes": sum(path.stat().st_size for path in files),
        "licence": source.licence,
        "datasets": list(card.get("datasets", [])),
        "sha256": source.sha256,
        "folder": str(folder),
    }


def _own() -> list[str]:
    """Models of the folder `models` here, where `synthgen train` puts them."""
    places = sorted(Path(OWN).iterdir()) if Path(OWN).is_dir() else []
    return [str(p) for p in places if (p / "model_index.json").is_file() or (p / "config.json").is_file()]


def _card(name: str, facts: dict[str, Any]) -> str:
    path = Path(facts["folder"]) / "README.md"
    text = path.read_text(encoding="utf-8").split("---\n", 2)[-1].strip() if path.is_file() else f"{name} has no card"
    head = formatting.table([("folder", facts["folder"]), ("licence", facts["licence"]), ("sha256", facts["sha256"])])
    return f"{text}\n\n{head}"

"""`synthgen models`: the models that come with synthgen, and those trained here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from synthgen.cli import options, words
from synthgen.models import folders

KINDS = {"ClassConditionalPipeline": "class-conditional sampler", "ImageClassifier": "classifier"}
OWN = "models"


@click.command("models")
@click.argument("name", required=False)
@options.json_option
def command(name: str | None, as_json: bool) -> None:
    """List the models that come with synthgen and those under models/; with NAME, show the card of one.

    NAME is a starter such as starter/fashion-mnist, or the folder of a trained model.
    """
    if name is not None:
        facts = describe(name)
        click.echo(json.dumps(facts, indent=1) if as_json else _card(name, facts))
        return
    found = [describe(each) for each in [*folders.list_starters(), *_own()]]
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    head = ("name", "kind", "classes", "size px", "files", "licence")
    rows = [
        (m["name"], m["kind"], str(len(m["classes"])), str(m["resolution"] or ""), words.size(m["bytes"]), m["licence"])
        for m in found
    ]
    click.echo(words.columns([head, *rows]))
    click.echo("\ncard of one: synthgen models NAME; more: synthgen train RECIPE")


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
    head = words.table([("folder", facts["folder"]), ("licence", facts["licence"]), ("sha256", facts["sha256"])])
    return f"{text}\n\n{head}"

"""What `synthgen plan` says of a recipe for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthgen import licences
from synthgen.cli import words
from synthgen.models import folders
from synthgen.protocols import Source
from synthgen.recipe import ModelRecipe


def describe(recipe: ModelRecipe) -> dict[str, Any]:
    """Everything that is said, as JSON values. Nothing is loaded, fetched or made."""
    settings = recipe.trainer.settings
    base, data = settings.get("base"), settings.get("data") or {}
    sources = [Source("model", base, "", settings.get("licence") or _licence(base))] if base else []
    path = str(data.get("path", ""))
    sources += [Source("data", data.get("source") or path, "", data.get("licence", "unknown"))] if path else []
    out = Path("models") / recipe.name
    return {
        "name": recipe.name,
        "trainer": recipe.trainer.use,
        "settings": {name: value for name, value in settings.items() if not isinstance(value, dict | list)},
        "sources": [{"kind": source.kind, "name": source.name, "licence": source.licence} for source in sources],
        "missing_data": path if path and ":" not in path and not Path(path).exists() else None,
        "out": {"folder": str(out), "trained": any((out / name).is_file() for name in folders.INDEXES)},
        "warnings": licences.warnings(sources),
    }


def say(facts: dict[str, Any]) -> str:
    """The same as text."""
    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items() if name != "base")
    out = f"{facts['out']['folder']} " + ("holds a trained model" if facts["out"]["trained"] else "is not trained yet")
    rows = [
        ("model", facts["name"]),
        ("trainer", f"{facts['trainer']} {settings}"),
        *((source["kind"], f"{source['name']}, licence {source['licence']}") for source in facts["sources"]),
        ("output", out),
    ]
    lines = [words.table(rows)]
    if facts["missing_data"]:
        lines.append(f"{facts['missing_data']} does not exist yet: put your data there before `synthgen train`")
    return "\n".join([*lines, *(f"warning: {text}" for text in facts["warnings"])])


def _licence(base: str) -> str:
    folder = folders.STARTERS / base.removeprefix(folders.PREFIX) if base.startswith(folders.PREFIX) else Path(base)
    return str(folders.read_card(folder).get("license", "unknown")) if folder.is_dir() else "see the hub"

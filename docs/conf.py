"""The site of docs/: `uv run sphinx-build -W docs site`. It needs no network, neither to be built nor to be read."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import reference  # noqa: E402

project = "synthgen"
copyright = "the authors of synthgen, Apache-2.0"
extensions = ["myst_parser"]
exclude_patterns = ["images", "examples"]
html_theme = "furo"
html_title = "synthgen"
html_static_path = ["style"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 3
nitpicky = True
GENERATED = reference.pages()
CHANGES = "reference/changelog"
NAVIGATION = {
    "Start": ["install", "recipes"],
    "Kinds of data": [
        "classification",
        "segmentation",
        "class-maps",
        "detection",
        "timeseries",
        "texts",
        "text-checks",
        "own-data",
    ],
    "Using it": [
        "training",
        "foundation",
        "text-foundation",
        "clusters",
        "object-stores",
        "outputs",
        "guarantees",
        "measured",
    ],
    "Interfaces": ["cli", "python", "plug-ins"],
    "Reference": [name for name in GENERATED if name != CHANGES],
    "Inside": ["architecture", CHANGES],
}


def write_generated(app: Sphinx) -> None:
    """Generated pages lie beside the others while the site is built; git ignores them."""
    for name, text in GENERATED.items():
        path = DOCS / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def add_navigation(app: Sphinx, name: str, text: list[str]) -> None:
    """The home page ends with the navigation, which is hidden there and shown at the side of every page."""
    if name == "index":
        for caption, names in NAVIGATION.items():
            text[0] += "\n```{toctree}\n:hidden:\n:caption: " + caption + "\n\n" + "\n".join(names) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_generated)
    app.connect("source-read", add_navigation)

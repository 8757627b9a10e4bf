"""The rooms of the package and who may import whom: what test_layers.py checks and CONTRIBUTING.md lists.

python tests/arch/layers.py --write     puts the list into CONTRIBUTING.md, with the first line of each room
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "synthgen"
PAGE = ROOT / "CONTRIBUTING.md"

LAYERS: dict[str, int] = {
    **dict.fromkeys(["errors", "seeds", "base", "fields"], 0),
    "parts": 1,
    "recipe": 2,
    "dataset": 3,
    "generate": 4,
    "stages": 5,
    **dict.fromkeys(["api", "cli", "report"], 6),
}
"""The rooms of the spine, in the order of a sample's way. A room may import its own layer and those below."""

SIDE: dict[str, set[str]] = {
    "vision": set(),
    "models": {"vision"},
    "testing": {"models"},
    "readers": {"vision", "recipe"},
    **{role: {"models", "vision", "readers", "testing"} for role in ("conditions", "samplers", "labelers", "scorers")},
    "writers": set(),
    "training": {"models", "readers"},
    "trainers": {"training", "models", "vision", "readers", "testing"},
    "measures": {"models", "vision", "readers", "trainers", "training", "recipe", "dataset", "exporters"},
    "exporters": {"vision", "dataset"},
}
"""What plug-ins, and what they stand on, may import besides layers 0 and 1 and themselves."""

ROOTS = {"__init__", "__main__"}
OBSTORE = {"base/object_store.py", "base/fetched.py", "dataset/objects.py", "dataset/object_reader.py"}
RAY = {"generate/executors/cluster.py", "stages/jobs.py"}
ONLY_IN = {"ray": RAY, "obstore": OBSTORE, "webdataset": set(), "datasets": set()}
"""Packages and the files that may import them at all."""

LAZY = {"obstore", "torch", "diffusers", "sklearn", "skimage", "matplotlib", "pyarrow", "PIL", "scipy", "jinja2"}
"""Packages that the spine imports inside functions only, so that commands start fast."""

BEGIN, END = "<!-- layers: python tests/arch/layers.py --write -->", "<!-- end of layers -->"


def table() -> str:
    """The list of rooms as CONTRIBUTING.md has it, in Markdown."""
    lines = ["| layer | room | what is in it | may import |", "|---|---|---|---|"]
    for room, layer in LAYERS.items():
        lines.append(f"| {layer} | {_name(room)} | {_purpose(room)} | {_allowed(layer)} |")
    for room, others in SIDE.items():
        more = "".join(f", {_name(other)}" for other in sorted(others))
        lines.append(f"| side | {_name(room)} | {_purpose(room)} | layers 0-1{more} |")
    places = [
        f"`{name}` in {', '.join(f'`{file}`' for file in sorted(files))}" for name, files in ONLY_IN.items() if files
    ]
    nowhere = [f"`{name}`" for name, files in ONLY_IN.items() if not files]
    lazy = ", ".join(f"`{name}`" for name in sorted(LAZY))
    lines += ["", f"Imported in these files only: {'; '.join(places)}. Nowhere: {', '.join(nowhere)}."]
    return "\n".join([*lines, f"Layers 0 to 6 import these inside functions only: {lazy}."])


def _name(room: str) -> str:
    return f"`{room}/`" if (PACKAGE / room).is_dir() else f"`{room}.py`"


def _purpose(room: str) -> str:
    """The first line of a room's docstring."""
    file = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def _allowed(layer: int) -> str:
    return {0: "layer 0", 6: "anything"}.get(layer, f"layers 0-{layer}")


def with_table(page: str) -> str:
    """The page with the list between its two marks."""
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{table()}\n{END}", page, flags=re.DOTALL
    )


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    PAGE.write_text(with_table(PAGE.read_text()))

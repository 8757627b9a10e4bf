"""Who may import whom, as CONTRIBUTING.md says, and where heavy packages may be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import helpers

PACKAGE = helpers.ROOT / "synthgen"
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
    "measures": {"models", "vision", "readers", "trainers", "recipe", "dataset"},
    "exporters": {"vision", "dataset"},
}
"""What plug-ins, and what they stand on, may import besides layers 0 and 1 and themselves."""

ROOTS = {"__init__", "__main__"}
ONLY_IN = {"ray": {"generate/executors/cluster.py"}, "webdataset": set(), "datasets": set()}
"""Packages and the files that may import them at all."""

LAZY = {"torch", "diffusers", "sklearn", "skimage", "matplotlib", "pyarrow", "PIL", "scipy", "jinja2"}
"""Packages that the spine imports inside functions only, so that commands start fast."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """The file's or top folder's name: what the tables above list."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every imported name, as its parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((*(node.module or "").split("."), alias.name) for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """The units of this package that a file imports."""
    found = {parts[1] for parts in imports(ast.parse(path.read_text())) if parts[0] == "synthgen" and len(parts) > 1}
    return found - {"__version__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path: Path) -> None:
    name, found = unit(path), own_imports(path)
    if name in ROOTS:
        return
    if name in LAYERS:
        wrong = {other for other in found if LAYERS.get(other, 5 if LAYERS[name] < 5 else 0) > LAYERS[name]}
    else:
        allowed = {other for other, layer in LAYERS.items() if layer <= 1} | SIDE[name] | {name}
        wrong = found - allowed
    assert not wrong, f"{path.relative_to(PACKAGE)} must not import {sorted(wrong)}"


def test_every_unit_has_its_place() -> None:
    assert {unit(path) for path in modules()} == set(LAYERS) | set(SIDE) | ROOTS


def test_some_packages_have_one_place() -> None:
    for path in modules():
        for parts in imports(ast.parse(path.read_text())):
            places = ONLY_IN.get(parts[0])
            assert places is None or path.relative_to(PACKAGE).as_posix() in places, f"{path} imports {parts[0]}"


@pytest.mark.parametrize("path", [p for p in modules() if unit(p) in LAYERS], ids=lambda p: p.name)
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    top = ast.Module(body=[n for n in ast.parse(path.read_text()).body if not isinstance(n, ast.If)], type_ignores=[])
    for node in top.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not {parts[0] for parts in imports(ast.Module(body=[node], type_ignores=[]))} & LAZY, path


def test_no_pickle_and_no_unsafe_yaml() -> None:
    for path in modules():
        text = path.read_text()
        used = {parts[0] for parts in imports(ast.parse(text))}
        assert not used & {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}, path
        assert "yaml.load(" not in text and "yaml.unsafe_load" not in text, path
        assert "torch.load(" not in text or path == PACKAGE / "models" / "segment_anything" / "convert.py", path
        assert "trust_remote_code" not in text, path


TEXT_CALLS = {
    "open",
    "read_text",
    "write_text",
    "fdopen",
    "NamedTemporaryFile",
    "TemporaryFile",
    "SpooledTemporaryFile",
}


def without_encoding(tree: ast.AST) -> Iterator[int]:
    """Lines of calls that read or write text in whatever encoding the locale has."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        of = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        named = {keyword.arg for keyword in node.keywords}
        modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
        text_process = of == "subprocess" and {"text", "universal_newlines"} & named
        if name in TEXT_CALLS and of.rpartition(".")[2] not in {"os", "Image", "Pillow", "zipfile", "tarfile"}:
            binary = any(isinstance(mode, str) and re.fullmatch(r"[rwax+]*b[rwax+]*", mode) for mode in modes)
            positional = name == "read_text" and any(mode in ("utf-8", "utf-8-sig") for mode in modes)
            if not binary and not positional and "encoding" not in named:
                yield node.lineno
        elif text_process and "encoding" not in named:
            yield node.lineno


def test_text_is_utf_8_whatever_the_locale() -> None:
    found = [f"{path.name}:{line}" for path in modules() for line in without_encoding(ast.parse(path.read_text()))]
    assert not found
    assert list(without_encoding(ast.parse("open('x')\nPath(p).read_text()\nopen('x', 'rb')"))) == [1, 2]


def test_bars_go_through_the_terminal() -> None:
    for path in modules():
        assert path.name == "terminal.py" or not re.search(r"progressbar\(|Console\(", path.read_text()), path


def test_contributing_lists_the_layers() -> None:
    table = (helpers.ROOT / "CONTRIBUTING.md").read_text()
    rows = {row.split("|")[1].strip(): row.split("|")[2] for row in table.splitlines() if row.startswith("| ")}
    for layer in range(7):
        named = {word.strip().strip("`/") for word in rows[str(layer)].split(",")}
        assert named == {name for name, place in LAYERS.items() if place == layer}, f"layer {layer}"

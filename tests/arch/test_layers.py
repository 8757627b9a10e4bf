"""Who may import whom, as CONTRIBUTING.md says, and where heavy packages may be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from arch.layers import BEGIN, LAYERS, LAZY, ONLY_IN, PACKAGE, PAGE, ROOTS, SIDE, with_table


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
        assert "trust_remote_code" not in text.replace('options["trust_remote_code"] = False', ""), path


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
    page = PAGE.read_text()
    assert page.count(BEGIN) == 1
    assert page == with_table(page), "write it again with `python tests/arch/layers.py --write`"

"""Commands of infra/: options that exist, scripts and Dockerfile as their linters want them."""

from __future__ import annotations

import fnmatch
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import helpers
import pages

INFRA = helpers.ROOT / "infra"
DOCKERFILE = INFRA / "docker" / "Dockerfile"
SCRIPTS = [path for path in INFRA.rglob("*") if path.suffix in (".sh", ".sbatch")]


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A linter of the development environment."""
    words = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(path: Path) -> None:
    found = tool("shellcheck", path)
    assert found.returncode == 0, found.stdout


def test_the_dockerfile_passes_hadolint() -> None:
    found = tool("hadolint", DOCKERFILE)
    assert found.returncode == 0, found.stdout


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (helpers.ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    assert names == set(kept)
    assert all((helpers.ROOT / name).exists() for name in names)
    packed = (helpers.ROOT / "pyproject.toml").read_text()
    assert {"README.md", "LICENSE"} <= names or not fnmatch.filter(packed.split('"'), "README.md")


def ray_starts() -> Iterator[tuple[str, list[str]]]:
    """Every `ray start` of the files, as words up to the end of the command."""
    for path in [*INFRA.rglob("*.yaml"), *SCRIPTS, INFRA / "README.md"]:
        text = re.sub(r"\\\n", " ", path.read_text(encoding="utf-8"))
        text = re.sub(r"(ray start[^\n]*)\n\s+(--\S[^\n]*)(?:\n\s+(--\S[^\n]*))?", r"\1 \2 \3", text)
        for found in re.findall(r"\bray start (--[^\n;&|]*)", text):
            yield path.name, shlex.split(found, comments=True)


def test_options_of_ray_start_exist() -> None:
    from ray.scripts.scripts import start

    known = {option for parameter in start.params for option in (*parameter.opts, *parameter.secondary_opts)}
    starts = list(ray_starts())
    assert len(starts) >= 9
    for name, words in starts:
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options and options <= known, (name, options - known)


def test_options_of_runs_exist() -> None:
    """Of `synthgen run` in files; the page's commands are checked with those of all pages."""
    found = [(path, line) for path in INFRA.rglob("*.yaml") for line in path.read_text().splitlines()]
    runs = [shlex.split(line.partition("synthgen ")[2]) for _, line in found if "synthgen run " in line]
    assert len(runs) >= 2
    for words in runs:
        assert {word for word in words if word.startswith("-")} <= pages.options_of(words), words


def test_files_that_the_page_names_are_there() -> None:
    page = (INFRA / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/])infra/[\w./-]*\w", page))
    assert {path.relative_to(helpers.ROOT).as_posix() for path in [DOCKERFILE, *SCRIPTS]} <= named
    assert all((helpers.ROOT / name).exists() for name in named), named

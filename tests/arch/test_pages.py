"""What README.md, CONTRIBUTING.md, docs/ and infra/ show is what works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import helpers
import pages
from synthgen.parts.registry import ROLES, Plugins
from synthgen.recipe import yaml_text
from synthgen.recipe.reading import validate

RUN = [page for page in pages.PAGES if any(block.runs for block in pages.blocks(page)) and page != "CONTRIBUTING.md"]
GENERATED = {f"{name}.md" for name in ("recipe", *ROLES, "commands", "shipped", "changelog")}


@pytest.mark.parametrize("words", pages.synthgen_commands(), ids=" ".join)
def test_commands_exist_with_these_options(words: list[str]) -> None:
    assert {word for word in words if word.startswith("-")} <= pages.options_of(words)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_a_page_runs_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    assert helpers.in_fork(lambda: pages.run(page, tmp_path)) == 0


def test_a_page_that_shows_what_fails_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"uv run synthgen status nowhere": "bash", "echo hello": "bash", "assert 1 > 2": "python"}
    for i, (text, language) in enumerate(shown.items()):
        monkeypatch.setitem(pages.PAGES, "wrong.md", f"# Wrong\n\n```{language}\n{text}\n```\n")
        (folder := tmp_path / str(i)).mkdir()
        assert helpers.in_fork(lambda to=folder: pages.run("wrong.md", to)) != 0


@pytest.mark.slow
def test_a_run_ends_with_commands_that_work(tmp_path: Path) -> None:
    recipe = helpers.ROOT / "recipes" / "classification.yaml"
    ran = helpers.call(helpers.command("run", recipe, "--samples", 80, "--device", "cpu"), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for line in ("80 samples", "synthgen preview runs/clothes-", "python -c"):
        assert line in ran.stdout
    load = next(line for line in ran.stdout.splitlines() if line.startswith("load")).split(maxsplit=1)[1]
    loaded = helpers.call([sys.executable, *shlex.split(load)[1:]], cwd=tmp_path)
    assert "'image': uint8 (28, 28, 1)" in loaded.stdout


def test_pages_link_to_what_exists_and_the_readme_to_every_page() -> None:
    for name, page in pages.PAGES.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
            generated = target.removeprefix("reference/") if target.startswith("reference/") else ""
            there = (helpers.ROOT / name).parent.joinpath(target).exists() or generated in GENERATED
            assert there, f"{name}: {target}"
    linked = set(re.findall(r"\]\(((?:docs|infra)/[^)#]+\.md|\w+\.md)", pages.PAGES["README.md"]))
    assert set(pages.PAGES) - {"README.md"} <= linked


def test_recipes_of_the_pages_are_valid(tmp_path: Path) -> None:
    """With the plug-ins that the pages show."""
    every = [block for page in pages.PAGES for block in pages.blocks(page)]
    files = [*(helpers.ROOT / "docs" / "examples").glob("*.py")]
    for block in every:
        if block.language == "python" and block.note.startswith("file "):
            files.append(tmp_path / block.note.removeprefix("file "))
            files[-1].write_text(block.text)
    recipes = [block.text for block in every if block.language == "yaml"]
    assert files and recipes
    for text in recipes:
        assert validate(yaml_text.parse(text, "page.yaml"), Plugins(map(str, files))) is not None


def test_names_of_files_are_true() -> None:
    for name in re.findall(r"`([\w/]+\.(?:py|yaml|toml))`", "\n".join(pages.PAGES.values())):
        places = [helpers.ROOT / name, helpers.ROOT / "synthgen" / name, *(helpers.ROOT / "synthgen").glob(f"*/{name}")]
        yours = "stripes" in name or name.startswith(("my", "recipe.yaml"))
        assert any(place.exists() for place in places) or yours, name


def test_ci_runs_the_test_command_of_the_readme_and_builds_the_site(tmp_path: Path) -> None:
    """The script itself is run, where pip, uv and python3 only write down how they were called."""
    (command,) = re.findall(r"^    (pip install .*pytest.*)$", pages.PAGES["README.md"], flags=re.MULTILINE)
    programs, log = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    for name in ("pip", "uv", "python3"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> "{log}"\n')
        (programs / name).chmod(0o755)
    script = helpers.ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run([script], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    calls = log.read_text().splitlines()
    wanted = command.split(" && ")
    starts = [i for i in range(len(calls)) if calls[i : i + len(wanted)] == wanted]
    assert len(starts) == 1, calls
    assert any("sphinx-build" in call and "--fail-on-warning" in call for call in calls), calls

"""What README.md, CONTRIBUTING.md and docs/ show is what works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

import helpers
from synthgen.cli import group
from synthgen.parts.registry import Plugins
from synthgen.recipe import yaml_text
from synthgen.recipe.reading import validate

README = (helpers.ROOT / "README.md").read_text()
CONTRIBUTING = (helpers.ROOT / "CONTRIBUTING.md").read_text()
DOCS = {path.name: path.read_text() for path in sorted((helpers.ROOT / "docs").glob("*.md"))}
ALL = "\n".join([README, CONTRIBUTING, *DOCS.values()])


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Words behind `synthgen` of every line of shell that calls it, comments cut off."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ") and "synthgen " in line]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[words.index("synthgen") + 1 :] for words in found if "synthgen" in words]


@pytest.mark.parametrize("words", commands(ALL), ids=" ".join)
def test_commands_exist_with_these_options(words: list[str]) -> None:
    command = group.get_command(click.Context(group), words[0])
    if isinstance(command, click.Group) and len(words) > 1:
        command = command.get_command(click.Context(command), words[1])
    assert command is not None, words
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[1:] if word.startswith("-")} <= options


@pytest.mark.slow
def test_the_python_of_the_readme_runs_on_the_recipe_s_output(tmp_path: Path) -> None:
    recipe = helpers.ROOT / "recipes" / "classification.yaml"
    ran = helpers.call(helpers.command("run", recipe, "--samples", 80, "--device", "cpu"), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for line in ("80 samples", "synthgen preview runs/clothes-", "python -c"):
        assert line in ran.stdout
    load = next(line for line in ran.stdout.splitlines() if line.startswith("load")).split(maxsplit=1)[1]
    loaded = helpers.call([sys.executable, *shlex.split(load)[1:]], cwd=tmp_path)
    assert "'image': uint8 (28, 28, 1)" in loaded.stdout
    (block,) = blocks(README, "python")
    shown = helpers.call([sys.executable, "-c", block], cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"\d+ synthetic images, \d+% right on \d+ others", shown.stdout)


@pytest.mark.slow
def test_the_page_on_python_runs_from_top_to_bottom(tmp_path: Path) -> None:
    script = "\n".join(blocks(DOCS["python.md"], "python"))
    ran = helpers.call([sys.executable, "-c", script], cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "recipe: tries: must be greater than or equal to 1 (got 0)" in ran.stdout
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits", "few-clothes", "others"]


def test_pages_link_to_what_exists_and_the_readme_to_every_page() -> None:
    for name, page in {"../README.md": README, **DOCS}.items():
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page):
            assert (helpers.ROOT / "docs" / name).parent.joinpath(target).exists(), f"{name}: {target}"
    assert set(DOCS) <= {Path(target).name for target in re.findall(r"\]\((docs/[^)]+)\)", README)}


def test_recipes_of_the_readme_are_valid() -> None:
    for block in blocks(README, "yaml"):
        assert validate(yaml_text.parse(block, "README.md"), Plugins()) is not None


def test_the_sampler_of_the_contributor_s_page_works(tmp_path: Path) -> None:
    (plugin,) = (block for block in blocks(CONTRIBUTING, "python") if "class Stripes" in block)
    (tmp_path / "stripes.py").write_text(plugin)
    recipe = helpers.toy(sampler={"use": "stripes", "size": 8}, scorers=None, keep=None)
    (tmp_path / "stripes.yaml").write_text(yaml.safe_dump(recipe))
    result = helpers.run(tmp_path / "stripes.yaml", tmp_path / "out", plugin_files=[str(tmp_path / "stripes.py")])
    assert result.complete


def test_names_of_files_are_true() -> None:
    for name in re.findall(r"`([\w/]+\.(?:py|yaml|md|toml))`", ALL):
        places = [helpers.ROOT / name, helpers.ROOT / "synthgen" / name, *(helpers.ROOT / "synthgen").glob(f"*/{name}")]
        assert any(place.exists() for place in places) or name == "stripes.py" or "stripes" in name, name


def test_ci_runs_the_test_command_of_the_readme(tmp_path: Path) -> None:
    """The script itself is run, where pip, uv and python3 only write down how they were called."""
    (command,) = re.findall(r"^    (pip install .*pytest.*)$", README, flags=re.MULTILINE)
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

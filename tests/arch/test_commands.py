"""The command line as a whole: what it imports, and that nothing of it is undocumented."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import helpers
from synthgen.cli import COMMANDS, group

HEAVY = {"torch", "ray", "diffusers", "sklearn", "matplotlib", "pyarrow", "PIL", "datasets", "webdataset"}


def imported_by(*words: object) -> set[str]:
    """Top-level modules that a command has imported when it ends."""
    code = (
        "import sys, json, io, contextlib\n"
        "from synthgen.cli import main\n"
        "sys.argv = json.loads(sys.argv[1])\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    argv = json.dumps(["synthgen", *map(str, words)])
    done = subprocess.run([sys.executable, "-c", code, argv], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help"), ("train", "--help")])
def test_help_imports_nothing_heavy(words: tuple[str, ...]) -> None:
    assert not imported_by(*words) & HEAVY


def test_plan_and_status_import_neither_torch_nor_ray(recipe: Path, finished: Path) -> None:
    for words in (("plan", recipe, "--plugin", helpers.TOY), ("status", finished), ("verify", finished)):
        assert not imported_by(*words) & {"torch", "ray", "diffusers"}


def test_a_recipe_of_the_wrong_kind_is_refused_at_once() -> None:
    model = helpers.ROOT / "recipes" / "train" / "classification.yaml"
    assert not imported_by("run", model) & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.name == name
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"synthgen {name} {parameter.opts[0]}"


def test_unknown_command_gets_a_hint() -> None:
    done = helpers.call(helpers.command("staus"))
    assert done.returncode == 2
    assert "did you mean `status`?" in done.stderr

"""`synthgen submit` and `jobs`, as far as they come without a cluster; tests/chaos/test_jobs.py has one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

import helpers
from synthgen import cli
from synthgen.cli import run
from synthgen.cli import submit as submit_command
from synthgen.stages.shipping import Shipment

NOWHERE = "http://127.0.0.1:1"


def submit(*words: object, **more: str) -> tuple[int, str]:
    done = helpers.call(helpers.command("submit", *words), **more)
    return done.returncode, done.stderr


def test_nobody_answers(recipe: Path) -> None:
    code, said = submit(recipe, "-o", "/out", "--plugin", helpers.TOY, "--address", NOWHERE)
    assert code == 1
    assert said.startswith(f"error: no job server of Ray answers at {NOWHERE}: ")


def test_the_address_that_is_given_counts(recipe: Path) -> None:
    """Ray itself would take the one of the environment."""
    words = (recipe, "-o", "/out", "--plugin", helpers.TOY)
    assert NOWHERE in submit(*words, "--address", NOWHERE, RAY_API_SERVER_ADDRESS="http://127.0.0.1:2")[1]
    assert NOWHERE in submit(*words, RAY_API_SERVER_ADDRESS=NOWHERE, RAY_ADDRESS="127.0.0.1:2")[1]


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto"])
def test_an_address_that_is_none_of_a_job_server(recipe: Path, address: str) -> None:
    code, said = submit(recipe, "-o", "/out", "--plugin", helpers.TOY, "--address", address)
    assert code == 2
    assert f"{address} is no URL such as http://HEAD:8265" in said


def test_problems_of_the_recipe_are_found_here(recipe: Path) -> None:
    code, said = submit(recipe, "-o", "/out", "--plugin", helpers.TOY, "--set", "sampler.no=1", "--set", "tries=0")
    assert code == 2
    assert "sampler.no: unknown key" in said and "tries: " in said


def test_data_in_a_store_are_left_to_the_nodes(tmp_path: Path) -> None:
    """This machine may not even have credentials for it."""
    path = helpers.write(tmp_path, helpers.toy(condition={"use": "prompt-file", "path": "s3://private/prompts.csv"}))
    code, said = submit(path, "-o", "/out", "--plugin", helpers.TOY, "--address", NOWHERE)
    assert code == 1 and f"no job server of Ray answers at {NOWHERE}" in said


def test_options_reach_the_run_as_they_were_given() -> None:
    """With files by their names in the job."""
    given = ["a.yaml", "--samples", "9", "--set", "seed=8", "--set", "name=it's", "--plugin", "/elsewhere/parts.py"]
    given += ["--smoke", "--workers", "3", "--device", "cuda"]
    asked = parsed(cli.group.get_command(click.Context(cli.group), "submit"), [*given, "-o", "/out", "--wait"])
    names = {"a.yaml": "a.yaml", "/elsewhere/parts.py": "given/1/parts.py"}
    words = submit_command._words(asked, Shipment(None, {}, names))
    got, wanted = parsed(run.command, words), parsed(run.command, given)
    assert got.pop("plugin_files") == ("given/1/parts.py",)
    assert got == {name: value for name, value in wanted.items() if name != "plugin_files"}
    none = {str(each.name): each.get_default(click.Context(run.command)) for each in submit_command.PASSED}
    assert submit_command._words(none | {"recipe": "a.yaml"}, Shipment(None, {}, names)) == ["a.yaml"]


def parsed(command: click.Command | None, words: list[str]) -> dict[str, Any]:
    assert command is not None
    with command.make_context(command.name, [*words]) as context:
        return dict(context.params)


def test_models_and_what_only_one_node_would_see(recipe: Path, tmp_path: Path) -> None:
    model = helpers.ROOT / "recipes" / "train" / "classification.yaml"
    assert submit(model, "-o", "/out")[1].endswith("is a recipe for a model; jobs are for datasets\n")
    code, said = submit(recipe, "-o", "/out", "--plugin", helpers.TOY, "--smoke")
    assert code == 2
    assert said.startswith("--smoke: its models would be in the job's own folder, which only one node sees\n")


def test_without_the_packages_that_jobs_need(recipe: Path) -> None:
    """One message with the line that installs them."""
    code = "import sys; sys.modules['aiohttp'] = None; from synthgen.cli import main; main()"
    words = ["submit", str(recipe), "-o", "/out", "--plugin", helpers.TOY, "--address", NOWHERE]
    done = helpers.call([sys.executable, "-c", code, *words])
    assert done.returncode == 2
    assert done.stderr == "error: jobs need ray[default] (aiohttp is missing): pip install '.[cluster]'\n"

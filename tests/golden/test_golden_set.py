"""Every recipe, trainer, exporter and report still writes what the committed record says: see `golden.py`."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import helpers

HERE = Path(__file__).parent
CASES: dict[str, Any] = json.loads((HERE / "golden.json").read_text())["cases"]
USED = [*sorted((helpers.ROOT / "recipes").rglob("*.yaml")), *sorted((HERE / "recipes").glob("*.yaml"))]
ROLES = ("conditions", "samplers", "labelers", "scorers", "writers", "trainers")


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    def compare(folder: Path) -> None:
        words = [sys.executable, HERE / "golden.py", "--compare", "--json"]
        with open(folder / "answer.json", "wb") as answer:
            subprocess.run(words, stdout=answer, check=False)

    folder = helpers.once(tmp_path_factory, "golden-compared", compare)
    found: dict[str, Any] = json.loads((folder / "answer.json").read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_nothing_has_changed(name: str, compared: dict[str, Any]) -> None:
    assert compared["found"].get(name, []) == []
    if CASES[name]["here"] and not compared["same_environment"]:
        pytest.skip("its bytes were recorded in another environment")


def test_every_recipe_is_in_the_record() -> None:
    recorded = {case["everywhere"].get("recipe") for case in CASES.values()}
    shipped = {str(path.relative_to(helpers.ROOT)) for path in USED if HERE not in path.parents}
    assert shipped <= recorded


@pytest.mark.parametrize("role", ROLES)
def test_every_part_is_in_the_record(role: str) -> None:
    used: set[str] = set()
    for path in USED:
        collect(yaml.safe_load(path.read_text()), used)
    assert {entry.name for entry in importlib.metadata.entry_points(group=f"synthgen.{role}")} <= used


def collect(value: Any, used: set[str]) -> None:
    """Names of parts in a recipe: `use: NAME`, or the name alone in lists of labelers and writers."""
    if isinstance(value, dict):
        used |= {value["use"]} if isinstance(value.get("use"), str) else set()
        for each in value.values():
            collect(each, used)
    elif isinstance(value, list):
        used |= {each for each in value if isinstance(each, str)}
        for each in value:
            collect(each, used)

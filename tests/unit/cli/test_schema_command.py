"""`synthgen schema`."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import helpers
from synthgen.parts.registry import Plugins
from synthgen.recipe import yaml_text
from synthgen.recipe.schema import recipe_schema


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = recipe_schema(Plugins([helpers.TOY]))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_recipes_that_ship_are_valid(validator) -> None:
    paths = sorted((helpers.ROOT / "recipes").rglob("*.yaml"))
    assert paths
    for path in paths:
        assert [e.message for e in validator.iter_errors(yaml_text.parse(path.read_text(), str(path)).data)] == [], path


def changed(place: str, value: Any) -> dict[str, Any]:
    recipe: Any = copy.deepcopy(helpers.toy())
    *path, last = place.split(".")
    current = recipe
    for step in path:
        current = current[int(step) if isinstance(current, list) else step]
    current[int(last) if isinstance(current, list) else last] = value
    return recipe


def test_toy_recipe_is_valid(validator) -> None:
    assert validator.is_valid(helpers.toy())
    assert validator.is_valid(changed("scorers.0.pool", {"actors": 2, "gpus": 0.5}))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sampler.sise", 4),
        ("sampler.use", "nothing"),
        ("scorers.0.noise", "much"),
        ("scorers.0.pool", {"actors": 0}),
        ("sampler.pool", {}),
        ("output.writers.0", "zip"),
        ("output.colour", 1),
        ("colour", 1),
        ("kind", "picture"),
        ("samples", 0),
        ("condition.quotas", {"cat": -1}),
    ],
)
def test_mistakes_are_found(validator, place: str, value: Any) -> None:
    assert not validator.is_valid(changed(place, value))


def test_command_prints_it(cli, tmp_path: Path) -> None:
    schema = json.loads(cli("schema", "--kind", "dataset").out)
    assert schema["$schema"].endswith("2020-12/schema")
    settings = schema["$defs"]["samplers.class-conditional"]["properties"]
    assert settings["steps"]["description"]

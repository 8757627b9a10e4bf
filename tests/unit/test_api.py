"""Recipes that are built in Python: the same datasets, the same messages, without lines."""

from __future__ import annotations

from pathlib import Path

import pytest

import helpers
from synthgen import api
from synthgen.errors import RecipeError, UsageError
from synthgen.recipe.recipe import DatasetRecipe
from synthgen.stages.resolve import resolve

LOCAL = {"executor": "local", "workers": 1, "device": "cpu", "plugin_files": [helpers.TOY]}


def test_a_dict_makes_what_the_file_makes(tmp_path: Path, finished: Path) -> None:
    result = api.run(helpers.toy(), tmp_path / "out", **LOCAL)
    assert result.complete
    assert helpers.snapshot(result.out) == helpers.snapshot(finished)


def test_a_validated_recipe_goes_on_with_the_folder_of_a_file(tmp_path: Path, recipe: Path) -> None:
    first = helpers.run(recipe, tmp_path / "out")
    built = DatasetRecipe.model_validate(helpers.toy())
    again = api.run(built, tmp_path / "out", samples=60, **LOCAL)
    assert (first.n_rendered, again.n_rendered) == (4, 2)


def test_paths_and_tuples_are_taken(tmp_path: Path) -> None:
    sampler = {"use": "smooth", "size": 4, "log": tmp_path / "log"}
    plan = api.prepare(helpers.toy(sampler=sampler, keep=("brightness >= 0.3",)), plugin_files=[helpers.TOY]).plan
    assert plan.recipe.sampler.settings["log"] == str(tmp_path / "log")
    assert plan.digest == helpers.plan_of(tmp_path).digest


def test_every_problem_is_named_by_its_key() -> None:
    wrong = helpers.toy(tries=0, colour=1, description="a\u2028b \U0001f600")
    with pytest.raises(RecipeError) as caught:
        resolve(wrong, overrides=["shard_size=0"], plugin_files=[helpers.TOY])
    keys = [line.split(": ")[:2] for line in caught.value.problems]
    assert sorted(keys) == [["--set shard_size", "shard_size"], ["recipe", "colour"], ["recipe", "tries"]]


def test_texts_come_through_as_they_are() -> None:
    text = "two\u2028lines, a \U0001f600, 'quotes', \"more\", a\ttab: no #comment"
    found = resolve(helpers.toy(description=text), plugin_files=[helpers.TOY])
    assert isinstance(found.draft.recipe, DatasetRecipe) and found.draft.recipe.description == text


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_what_no_file_could_hold_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="a recipe holds mappings, lists, texts, numbers and paths"):
        resolve(helpers.toy(seed=value))


def test_the_wrong_kind() -> None:
    with pytest.raises(UsageError, match="recipe: is a recipe for a dataset"):
        api.train(helpers.toy())

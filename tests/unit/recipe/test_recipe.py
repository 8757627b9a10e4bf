"""Recipes: every problem at once, each with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

import helpers
from synthgen.errors import RecipeError, UsageError
from synthgen.parts.registry import Plugins
from synthgen.recipe.reading import load_recipe
from synthgen.recipe.recipe import DatasetRecipe, ModelRecipe


def problems(tmp_path: Path, text: str, *overrides: str) -> list[str]:
    """The problems of a recipe, without the folder of its file."""
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides, Plugins([helpers.TOY]))
    assert caught.value.exit_code == 2
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


WRONG = """\
kind: dataset
name: Toy Set
tries: 0
splits: {train: 0.5}
condition:
  use: classes
  quotas: {a: 1, b: 0}
sampler:
  use: class-conditional
  model: starter/x
  guidence: 2
scorers:
  - use: brightnes
  - use: brightness
    noise: much
keeps: []
"""


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, WRONG)
    expected = {
        "r.yaml:2: name: ": "must match pattern",
        "r.yaml:3: tries: ": "must be greater than or equal to 1 (got 0)",
        "r.yaml:4: splits: ": "must add up to 1 (they add up to 0.5)",
        "r.yaml:7: condition.quotas.b: ": "must be greater than or equal to 1",
        "r.yaml:11: sampler.guidence: ": "did you mean `guidance`?",
        "r.yaml:13: scorers.0.use: ": "did you mean `brightness`?",
        "r.yaml:15: scorers.1.noise: ": "must be a valid number",
        "r.yaml:16: keeps: ": "did you mean `keep`?",
    }
    assert len(found) == len(expected)
    for line, (place, reason) in zip(found, expected.items(), strict=True):
        assert line.startswith(place)
        assert reason in line


def test_parts_without_settings_may_be_named_shortly(tmp_path: Path) -> None:
    path = helpers.write(tmp_path, helpers.toy(labelers=["class-label"], scorers=["brightness"]))
    found = load_recipe(path, [], Plugins([helpers.TOY]))
    assert isinstance(found, DatasetRecipe)
    assert [part.use for part in [*found.labelers, *found.scorers]] == ["class-label", "brightness"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "r.yaml:1: must be a mapping"),
        ("name: x", "r.yaml:1: kind: must be `dataset` or `model` (got None)"),
        ("kind: [1]", "r.yaml:1: kind: must be"),
        ("kind: dataset\nname: x", "r.yaml:1: condition: is required and was not given"),
        ("kind: model\nname: x\ntrainer: {use: clasifier}", "did you mean `classifier`?"),
        ("kind: dataset\nname: x\ncondition: 1\nsampler: 2", "r.yaml:3: condition: must be a mapping"),
        ("kind: dataset\nversion: 2\nname: x", "r.yaml:2: version: must be 1"),
        ("kind: dataset\nname: x\noutput: {writers: [zip, parquet, parquet]}", "`parquet` is given twice"),
        ("kind: dataset\nname: x\noutput: {writers: [{use: zip}]}", "output.writers.0.use: unknown writer `zip`"),
    ],
)
def test_other_mistakes(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in line for line in problems(tmp_path, text)), problems(tmp_path, text)


def test_overrides_are_named_as_the_place(tmp_path: Path) -> None:
    path = helpers.write(tmp_path, helpers.toy())
    found = problems(tmp_path, path.read_text(), "sampler.sise=4", "tries=many")
    assert [line.split(": ")[0] for line in found] == ["--set sampler.sise", "--set tries"]


def test_the_whole_recipe(tmp_path: Path) -> None:
    path = helpers.write(tmp_path, helpers.toy())
    found = load_recipe(path, ["samples=50", "output.image_format=webp"], Plugins([helpers.TOY]))
    assert isinstance(found, DatasetRecipe)
    assert found.samples == 50
    assert found.output.image_format == "webp"
    assert [spec.use for spec in found.output.writers] == ["webdataset", "parquet"]
    assert found.scorers[0].settings == {"noise": 0.1}


@pytest.mark.parametrize("path", sorted((helpers.ROOT / "recipes" / "train").glob("*.yaml")), ids=lambda p: p.stem)
def test_model_recipes_that_ship(path: Path) -> None:
    assert isinstance(load_recipe(path), ModelRecipe)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "nowhere.yaml", tmp_path, tmp_path / "binary.yaml"):
        with pytest.raises(UsageError, match=path.name):
            load_recipe(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("list: 3", "list: unknown key `list`"),
        ("a[b: 3", "a[b: unknown key `a[b`"),
        ("dict[str,int]: {}", "dict[str,int]: unknown key `dict[str,int]`"),
        ("output: {list: 1}", "output.list: unknown key `list`"),
        ("labelers: [{use: class-label, int: 1}]", "labelers.0.int: unknown key `int`"),
    ],
)
def test_keys_that_are_called_like_types(tmp_path: Path, text: str, message: str) -> None:
    assert any(message in found for found in problems(tmp_path, f"kind: dataset\nname: x\n{text}\n"))


def test_where_a_value_may_be_of_several_types_its_own_place_is_named(tmp_path: Path) -> None:
    text = "kind: dataset\nname: x\ncondition: {use: prompts, template: '{list}', axes: {list: [1, a]}}\n"
    assert [line for line in problems(tmp_path, text) if "condition.axes" in line] == [
        "r.yaml:3: condition.axes.list.0: must be a valid string (got 1)"
    ]


def test_a_key_that_was_renamed_is_named(tmp_path: Path) -> None:
    recipe = {
        "kind": "model",
        "name": "m",
        "trainer": {"use": "classifier", "data": {"path": "x"}, "ema": 0.9, "told": 1},
    }
    path = helpers.write(tmp_path, recipe)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, (), Plugins())
    first, second = caught.value.problems
    assert first.endswith("trainer.ema: is called `ema_decay` now")
    assert "trainer.told: unknown key `told`" in second, "another trainer's setting had that name"

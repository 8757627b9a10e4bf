"""`--smoke`: every recipe for foundation models runs through every stage, and says what it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import helpers
from synthgen import api
from synthgen.generate.plan import Plan

RECIPES = sorted(
    path
    for path in (helpers.ROOT / "recipes" / "foundation").glob("*.yaml")
    if yaml.safe_load(path.read_text())["kind"] == "dataset"
)


def smoked(path: Path) -> Plan:
    return api.prepare(path, smoke=True).plan


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_recipe_goes_through_every_stage(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = api.run(path, smoke=True, executor="local", workers=1, device="cpu")
    assert result.complete and result.manifest["samples"] == 8
    assert result.out.name.startswith(f"{yaml.safe_load(path.read_text())['name']}-smoke-")
    names = {field["name"] for field in result.manifest["fields"]}
    real = api.prepare(path).plan
    assert set(real.schema) == names
    assert result.manifest["scores"] == real.score_names
    assert "> **Smoke:**" in (result.out / "README.md").read_text()
    assert result.manifest["smoke"] is True
    again = api.run(result.out / "recipe.yaml", result.out, executor="local", workers=1, device="cpu")
    assert again.n_rendered == 0, "the resolved recipe is the smoke run's own"


def test_a_smoke_run_is_another_dataset_than_the_real_one() -> None:
    path = RECIPES[0]
    assert smoked(path).digest != api.prepare(path).plan.digest
    assert smoked(path).identity["smoke"] is True
    assert "smoke" not in api.prepare(path).plan.identity


def test_parts_without_somebody_s_weights_stay_as_they_are(tmp_path: Path) -> None:
    path = helpers.write(tmp_path, helpers.toy())
    plan = api.prepare(path, plugin_files=[helpers.TOY], smoke=True).plan
    assert plan.n_samples == 8 and not plan.rules
    assert plan.recipe.sampler == api.prepare(path, plugin_files=[helpers.TOY]).plan.recipe.sampler


def test_a_mistake_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text(RECIPES[0].read_text().replace("keep:", "keep:\n  - no_such_score >= 1"))
    answer = helpers.call(helpers.command("run", recipe, "--smoke"), cwd=tmp_path)
    assert answer.returncode == 2 and "no_such_score" in answer.stderr
    assert not (tmp_path / "runs").exists()


def test_what_is_replaced_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepared = api.prepare(helpers.ROOT / "recipes" / "foundation" / "controlnet.yaml", smoke=True)
    assert any("StableDiffusionPipeline, with random weights" in note for note in prepared.notes)
    assert json.loads((tmp_path / "runs/.smoke/StableDiffusionPipeline/model_index.json").read_text())

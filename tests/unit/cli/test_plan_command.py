"""`synthgen plan`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import helpers
import tiny


def test_says_what_a_run_makes(cli, finished: Path, recipe: Path) -> None:
    facts = json.loads(cli("plan", recipe, "--plugin", helpers.TOY, "--json").out)
    manifest = helpers.manifest(finished)
    assert facts["digest"] == manifest["digest"]
    assert facts["classes"] == manifest["classes"]
    assert facts["splits"] == manifest["splits"]
    assert facts["shards"] == len(manifest["shards"])
    on_disk = sum(file["bytes"] for shard in manifest["shards"] for file in shard["files"] if file["split"])
    assert facts["estimated_bytes"] > on_disk / 2


def test_new_folder(cli, recipe: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("plan", recipe, "--plugin", helpers.TOY)
    assert answer.code == 0
    assert "does not exist yet" in answer.out
    assert "`synthgen preview" in answer.out
    assert [path.name for path in tmp_path.iterdir()] == ["toy.yaml"]


def test_existing_folder(cli, finished: Path, recipe: Path) -> None:
    whole = cli("plan", recipe, "--plugin", helpers.TOY, "-o", finished).out
    assert "4 of 4 shards are done" in whole
    assert "nothing left to do" in whole
    grown = cli("plan", recipe, "--plugin", helpers.TOY, "-o", finished, "--samples", 60).out
    assert "4 of 6 shards are done" in grown
    assert "for what is left" in grown


def test_folder_of_another_dataset(cli, finished: Path, recipe: Path) -> None:
    out = cli("plan", recipe, "--plugin", helpers.TOY, "-o", finished, "--set", "seed=8").out
    assert "would refuse it" in out
    assert "seed: 7 -> 8" in out


def test_wrong_recipe(cli, recipe: Path) -> None:
    answer = cli("plan", recipe, "--plugin", helpers.TOY, "--set", "sampler.sise=4")
    assert answer.code == 2
    assert "sampler.sise" in answer.err
    assert "size" in answer.err
    assert cli("plan", "nowhere.yaml").code == 2


def test_a_model_of_a_hub_is_named_by_its_commit(cli, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    changes = {
        "condition": {"use": "prompts", "template": "a {animal}", "axes": {"animal": ["cat"]}},
        "sampler": {"use": "text-to-image", "model": f"owner/name@{commit}", "size": [64, 64]},
        "samples": 4,
    }
    recipe = helpers.write(tmp_path, helpers.toy(labelers=None, scorers=None, keep=None, **changes))
    answer = cli("plan", recipe)
    assert answer.code == 0, answer.err
    assert f"owner/name@{commit}, licence see the hub, commit {commit[:16]}" in answer.out


def test_a_recipe_for_a_model_is_told_as_well(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("plan", helpers.ROOT / "recipes" / "foundation" / "lora.yaml")
    assert answer.code == 0
    assert "licence openrail++" in answer.out and "models/my-thing is not trained yet" in answer.out
    assert "photos does not exist yet" in answer.out
    (tmp_path / "photos").mkdir()
    facts = json.loads(cli("plan", helpers.ROOT / "recipes" / "foundation" / "lora.yaml", "--json").out)
    assert facts["missing_data"] is None
    assert "the licence of photos is not known" in facts["warnings"][0]


@pytest.mark.parametrize("replay", [False, True])
def test_what_a_training_takes_is_measured_before_it(cli, tmp_path: Path, replay: bool) -> None:
    """A few steps are tried and thrown away, but where they would come after much else."""
    data = {"path": "sklearn:digits", "validation": 0.1}
    more = {"base": tiny.class_conditional(), "replay": {"samples": 10}, "resolution": 16} if replay else {}
    trainer = {"use": "class-conditional", "data": data, "steps": 200, "batch_size": 8, **more}
    trainer |= {} if replay else {"network": {"channels": [8], "attention_levels": 0}}
    recipe = helpers.write(tmp_path, {"kind": "model", "name": "m", "trainer": trainer}, "m.yaml")
    answer = cli("plan", recipe)
    assert answer.code == 0, answer.err
    assert ("on this machine as busy as it is now" in answer.out) != replay
    assert ("are measured in the first ones, and `synthgen train` says so" in answer.out) == replay
    cost = json.loads(cli("plan", recipe, "--json").out)["training"]["cost"]
    assert (cost is None) == replay and (replay or (cost["steps"] == 200 and cost["step_s"] > 0))
    assert not list(tmp_path.glob("models"))

"""`synthgen run`: what is printed, where, and with which exit code."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
import torch

import helpers
import synthgen


def words(recipe: Path, *more: object) -> tuple[object, ...]:
    return ("run", recipe, "--plugin", helpers.TOY, "--device", "cpu", "--workers", 1, *more)


def test_results_on_stdout_progress_on_stderr(cli, recipe: Path, tmp_path: Path, finished: Path) -> None:
    out = tmp_path / "out"
    answer = cli(*words(recipe, "-o", out))
    assert answer.code == 0
    tries = helpers.manifest(finished)["tries"]
    assert answer.out.startswith(f"40 samples (train 32, val 8), {4000 / tries:.1f} % of {tries} tries kept; in ")
    for line in ("classes: dark 24, bright 16", f"rejected by brightness >= 0.3: {tries - 40}", f"dataset  {out}/"):
        assert line in answer.out
    assert "executor: local (no Ray cluster was named)" in answer.err
    assert "40 of 40 samples" in answer.err
    again = cli(*words(recipe, "-o", out))
    assert again.code == 0
    assert "already finished, nothing to do" in again.out


def test_json_and_quiet(cli, recipe: Path, tmp_path: Path) -> None:
    answer = cli(*words(recipe, "-o", tmp_path / "out", "--json"))
    found = json.loads(answer.out)
    assert found["samples"] == 40
    assert found["complete"] is True
    assert found["rendered_shards"] == 4
    events = [json.loads(line) for line in answer.err.splitlines()]
    assert {event["event"] for event in events} == {"note", "progress", "end"}
    assert (events[-1]["samples"], events[-1]["shards"]) == (40, {"done": 4, "planned": 4})
    assert events[-1]["tries"] == found["tries"] and events[-1]["rejected"] == found["rejected"]
    quiet = cli(*words(recipe, "-o", tmp_path / "out", "--quiet"))
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_recipe_error_is_2_with_every_problem(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(tries=0, keep=["brightnes > 1"], colour=1))
    answer = cli(*words(recipe, "-o", tmp_path / "out"))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.count("toy.yaml:") == 3
    assert not (tmp_path / "out").exists()


def test_a_short_dataset_is_1_and_says_how_to_go_on(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(tries=1))
    answer = cli(*words(recipe, "-o", tmp_path / "out"))
    assert answer.code == 1
    assert "INCOMPLETE" in answer.err
    assert "ran out of tries: s0000000" in answer.err
    assert "--set tries=2" in answer.err


def test_failed_shards_are_1_and_named(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_shard_at": 15}))
    answer = cli(*words(recipe, "-o", tmp_path / "out"))
    assert answer.code == 1
    assert "shard 1 failed: ValueError: a broken slot; trying it again" in answer.err
    assert "failed: 1 shards (1); tracebacks are in" in answer.err
    assert "Traceback" not in answer.err


def test_default_folders_and_why_there_is_a_new_one(
    cli, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli(*words(recipe)).code == 0
    other = cli(*words(recipe, "--set", "seed=8"))
    assert "seed: 7 -> 8" in other.err
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_missing_model_is_told_before_anything_is_made(cli, tmp_path: Path) -> None:
    sampler = {"use": "class-conditional", "model": str(tmp_path / "nothing")}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler, scorers=None, keep=None))
    answer = cli(*words(recipe, "-o", tmp_path / "out"))
    assert answer.code == 2
    assert "toy.yaml:" in answer.err
    assert "nothing" in answer.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--executor", "local", "--address", "auto"), "leave out one of them"),
        (("--executor", "cloud"), "cloud"),
        (("--samples", "0"), "--samples"),
        (("--plugin", "nothing.py"), "no such file"),
        (("--device", "cud"), "must be auto, cpu, cuda or cuda:N"),
    ],
)
def test_options_that_cannot_be(cli, recipe: Path, tmp_path: Path, more: tuple[str, ...], text: str) -> None:
    answer = cli(*words(recipe, "-o", tmp_path / "out", *more))
    assert answer.code == 2
    assert text in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_device_that_is_not_there_costs_nothing(cli, recipe: Path, dataset: Path, workers: int) -> None:
    """One line, and a finished dataset that was to grow is as it was."""
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    answer = cli(*words(recipe, "-o", dataset, "--samples", 60, "--workers", workers, "--device", "cuda"))
    assert answer.code == 2
    assert answer.err.splitlines()[-1].startswith("error: --device cuda: torch finds no GPU that it can use on ")
    assert len(answer.err.splitlines()) == 2
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before


def test_a_dataset_that_does_not_grow_stays(cli, recipe: Path, dataset: Path, tmp_path: Path) -> None:
    broken = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_shard_at": 55}), "b.yaml")
    answer = cli(*words(broken, "-o", dataset, "--samples", 60))
    assert answer.code == 1
    assert "the dataset of 40 samples stays as it was until the larger one is whole" in answer.err
    assert f"synthgen.load('{dataset}')[0]" in answer.out
    assert "state     GROWING: 40 samples are complete" in cli("status", dataset).out
    assert cli(*words(recipe, "-o", dataset, "--samples", 60)).code == 0
    assert "state     complete" in cli("status", dataset).out
    assert len(synthgen.load(dataset)) == 60


def test_wrong_kind_of_recipe(cli) -> None:
    model = helpers.ROOT / "recipes" / "train" / "classification.yaml"
    dataset = helpers.ROOT / "recipes" / "classification.yaml"
    assert "use `synthgen train" in cli("run", model).err
    assert "use `synthgen run" in cli("train", dataset).err


def test_lines_to_copy_work_as_they_stand(cli, tmp_path: Path) -> None:
    """Of a short dataset in a folder whose name needs quotes."""
    out = tmp_path / "my out"
    answer = cli(*words(helpers.write(tmp_path, helpers.toy(tries=1)), "-o", out))
    lines = dict(line.split(maxsplit=1) for line in answer.out.splitlines())
    assert shlex.split(lines["look"])[-1] == str(out)
    loaded = helpers.call([sys.executable, *shlex.split(lines["load"])[1:]])
    assert "'image': uint8 (4, 4, 3)" in loaded.stdout, loaded.stderr
    assert len(loaded.stdout.splitlines()) < 10


def test_the_rarest_class_may_have_nothing_yet(cli, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(tries=1, keep=["brightness >= 0.5"]))
    answer = cli(*words(recipe, "-o", tmp_path / "out"))
    assert "rarest dark 0" in answer.err
    assert "rendering 4 shards" in answer.err

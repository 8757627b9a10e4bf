"""`synthgen status`."""

from __future__ import annotations

import json
from pathlib import Path

import helpers
import synthgen
from synthgen.dataset.lock import driver_lock


def test_complete_dataset(cli, finished: Path) -> None:
    answer = cli("status", finished)
    assert answer.code == 0
    assert "state     complete" in answer.out
    assert "samples   40 of 40" in answer.out
    facts = json.loads(cli("status", finished, "--json").out)
    manifest = helpers.manifest(finished)
    assert facts["splits"] == manifest["splits"]
    assert facts["classes"] == manifest["classes"]
    assert facts["rejected"] == manifest["rejected"]


def test_interrupted_before_sealing(cli, dataset: Path) -> None:
    (dataset / "manifest.json").unlink()
    (dataset / "commits" / "shard-00002.json").unlink()
    answer = cli("status", dataset)
    assert answer.code == 1
    assert "INTERRUPTED" in answer.out
    assert "shards    3 of 4 done\n" in answer.out
    assert "samples   30 of 40" in answer.out


def test_short_dataset_says_which_and_how_to_go_on(cli, tmp_path: Path) -> None:
    out = tmp_path / "short"
    recipe = helpers.write(tmp_path, helpers.toy(tries=1))
    assert not helpers.run(recipe, out).complete
    answer = cli("status", out)
    assert answer.code == 1
    assert "INCOMPLETE" in answer.out
    assert "ran out of tries: s0000000" in answer.out
    assert "--set tries=2" in answer.out


def test_failed_shards_are_named(cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_shard_at": 15}))
    helpers.run(recipe, out)
    answer = cli("status", out)
    assert answer.code == 1
    assert "shard 1 (code)" in answer.out
    assert "a broken slot" in answer.out


def test_running_driver_is_named(cli, dataset: Path) -> None:
    with driver_lock(dataset / ".synthgen"):
        assert "running: process" in cli("status", dataset).out
    assert "complete" in cli("status", dataset).out


def test_damage_is_seen_by_size(cli, dataset: Path) -> None:
    next((dataset / "data" / "train").glob("*.tar")).write_bytes(b"short")
    answer = cli("status", dataset)
    assert answer.code == 1
    assert "synthgen verify" in answer.out


def test_other_folders_are_refused(cli, tmp_path: Path) -> None:
    answer = cli("status", tmp_path)
    assert answer.code == 2
    assert "is not a synthgen dataset" in answer.err
    assert cli("status", tmp_path / "nowhere").code == 2


def test_going_on_from_another_folder(cli, recipe: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    words = ("run", "toy.yaml", "-o", "out", "--plugin", helpers.TOY, "--workers", 1, "--set", "tries=1")
    assert cli(*words).code == 1
    plain = " ".join(map(str, ("synthgen", *words)))
    assert f"more tries: {plain} --set tries=2\n" in cli("status", "out").out
    monkeypatch.chdir(tmp_path / "sub")
    without = plain.replace("-o out ", "")
    assert f"tries: cd {tmp_path} && {without} -o {tmp_path}/out --set tries=2\n" in cli("status", "../out").out


def test_nothing_is_said_of_what_is_not_there(cli, dataset: Path) -> None:
    for path in [*(dataset / "commits").iterdir(), dataset / "manifest.json", dataset / "log" / "runs.jsonl"]:
        path.unlink()
    answer = cli("status", dataset)
    assert "shards   0 done\nsamples  0\n" in answer.out
    assert "classes" not in answer.out


def test_objects_are_counted(cli, scenes: Path) -> None:
    counted = json.loads(cli("status", scenes, "--json").out)["objects"]
    assert list(counted) == ["cell", "debris"]
    assert sum(counted.values()) == sum(len(sample["boxes"]) for sample in synthgen.load(scenes))
    assert f"objects  cell {counted['cell']}, debris {counted['debris']}" in cli("status", scenes).out

"""How many workers fit on a machine, by what a recipe says that each takes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

import helpers
from synthgen import api
from synthgen.errors import RecipeError, UsageError
from synthgen.generate.executors import patience
from synthgen.generate.executors.choose import default_workers
from synthgen.generate.executors.patience import Patience
from synthgen.generate.executors.placement import Demand
from synthgen.recipe.sections import Pool, Resources

NODE = {"CPU": 8.0, "GPU": 2.0, "memory": 16e9, "accelerator_type:A100": 1.0}


@pytest.mark.parametrize(
    ("asked", "device", "n"),
    [
        ({}, "auto", 2),
        ({}, "cpu", 8),
        ({"gpus": 0}, "auto", 8),
        ({"gpus": 0.5}, "auto", 4),
        ({"gpus": 0.3}, "cuda", 6),
        ({"gpus": 0.6}, "auto", 2),  # never parts of two GPUs
        ({"gpus": 2}, "auto", 1),
        ({"gpus": 4}, "auto", 0),
        ({"gpus": 0.1, "memory_gb": 4}, "auto", 4),
        ({"cpus": 3}, "cpu", 2),
        ({"cpus": 0.1, "gpus": 0.1}, "auto", 20),
        ({"accelerator": "A100"}, "auto", 2),
        ({"accelerator": "L4"}, "auto", 0),
    ],
)
def test_workers_that_fit(asked: dict[str, float], device: str, n: int) -> None:
    assert Demand.of(Resources(**asked), device, [NODE]).fits(NODE) == n  # type: ignore[arg-type]


def test_without_a_gpu_in_the_cluster_auto_is_the_cpu() -> None:
    assert Demand.of(Resources(), "auto", [{"CPU": 4.0}]).fits({"CPU": 4.0}) == 4
    assert Demand.of(Resources(), "cuda", [{"CPU": 4.0}]).fits({"CPU": 4.0}) == 0


def test_this_machine() -> None:
    cores = len(os.sched_getaffinity(0))
    assert default_workers(Resources(), "cpu") == cores
    assert default_workers(Resources(cpus=cores), "cpu") == 1
    with pytest.raises(UsageError, match=r"a worker takes 1 CPU, 100000 GB of memory, and this machine has"):
        default_workers(Resources(memory_gb=100_000), "cpu")


def test_actors_of_parts_take_their_room_first() -> None:
    """Those of a worker share what is left of a GPU; what they cannot have is said."""
    left = [dict(NODE), {"CPU": 2.0}]
    pool = Demand.of(Pool(actors=2, gpus=0.4), "auto", left)
    assert pool.reserve(2, left) == 2
    assert left == [NODE | {"CPU": 6.0, "GPU": pytest.approx(1.2)}, {"CPU": 2.0}]
    assert Demand.of(Resources(gpus=0.6), "auto", left).fits(left[0]) == 1
    assert Demand.of(Resources(), "cpu", left).reserve(9, left) == 8
    assert pool.reserve(1, left) == 0


def test_workers_beside_actors_of_parts_on_this_machine() -> None:
    cores = len(os.sched_getaffinity(0))
    assert default_workers(Resources(), "cpu", [Pool(actors=1)]) == max(1, cores - 1)
    assert default_workers(Resources(), "cpu", [Pool(actors=2 * cores)]) == 1, "they share cores"
    with pytest.raises(UsageError, match=r"pool: 3 actors take 1 CPU, 100000 GB of memory each, and this machine has"):
        default_workers(Resources(), "cpu", [Pool(actors=3, memory_gb=100_000)])


def test_resources_are_not_part_of_the_dataset(tmp_path: Path, finished: Path) -> None:
    """The digest is the same, and so is every byte, the recipe's copy included."""
    labelers = [{"use": "class-label", "pool": {"actors": 3, "gpus": 1}}]
    recipe = helpers.write(tmp_path, helpers.toy(resources={"cpus": 0.5, "memory_gb": 0.1}, labelers=labelers))
    assert helpers.run(recipe, tmp_path / "out").complete
    assert helpers.snapshot(tmp_path / "out") == helpers.snapshot(finished)


def test_bad_resources_are_named_with_their_line(tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(resources={"gpus": 1.5, "memory": "4GB"}))
    with pytest.raises(RecipeError) as caught:
        api.prepare(recipe, plugin_files=[helpers.TOY])
    assert "resources.gpus: must be a whole number, or below 1 (got 1.5)" in str(caught.value)
    assert "resources.memory" in str(caught.value)
    assert all(line.startswith(f"{recipe}:") for line in caught.value.problems)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        ({"pool": "pol"}, "scorers.0.pool: must be a mapping of keys to values"),
        ({"pool": {"actors": 0}}, "scorers.0.pool.actors: must be greater than or equal to 1 (got 0)"),
        ({"pool": {"actor": 2}}, "scorers.0.pool.actor: unknown key `actor`; did you mean `actors`?"),
        ({"pool": {"gpus": 1.5}}, "scorers.0.pool.gpus: must be a whole number, or below 1 (got 1.5)"),
        ({"actors": 2}, "scorers.0.actors: unknown key `actors`; accepted: noise, pool"),
        ({"pol": {}}, "scorers.0.pol: unknown key `pol`; did you mean `pool`?"),
    ],
)
def test_bad_pools_are_named_with_their_line(tmp_path: Path, scorer: dict[str, Any], message: str) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(scorers=[{"use": "brightness", "noise": 0.1} | scorer]))
    with pytest.raises(RecipeError) as caught:
        api.prepare(recipe, plugin_files=[helpers.TOY])
    (problem,) = caught.value.problems
    assert re.fullmatch(rf"{recipe}:\d+: {re.escape(message)}.*", problem)


def test_only_parts_that_annotate_have_actors_of_their_own(tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "pool": {}}))
    with pytest.raises(RecipeError, match=r"sampler.pool: unknown key `pool`; accepted: size"):
        api.prepare(recipe, plugin_files=[helpers.TOY])


@pytest.mark.slow
def test_a_process_that_hangs_is_given_up(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(patience, "LEAST_S", 1.0)
    caplog.set_level("INFO", "synthgen")
    sampler = {"use": "smooth", "size": 4, "hang_once": str(tmp_path / "hung")}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    assert helpers.run(recipe, tmp_path / "out", workers=2).complete
    assert (tmp_path / "hung").exists() and "was stuck and given up: nothing was heard of it for" in caplog.text
    assert helpers.snapshot(tmp_path / "out", "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_a_silent_worker_is_stuck_after_ten_shards_and_two_minutes() -> None:
    found = Patience()
    assert not found.worn_out(1e6), "nobody knows yet how long a shard takes"
    for seconds in (1.0, 2.0, 300.0):
        found.learn(seconds)
    assert not found.worn_out(patience.LEAST_S) and found.worn_out(patience.LEAST_S + 1)
    for _ in range(10):
        found.learn(60.0)
    assert not found.worn_out(590) and "a shard takes 60.0 s" in found.worn_out(610)

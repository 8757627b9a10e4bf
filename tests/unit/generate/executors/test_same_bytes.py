"""One process, two processes, two Ray actors: the same files, with the toy parts and with a real network."""

from __future__ import annotations

from pathlib import Path

import pytest

import helpers


@pytest.mark.slow
def test_two_processes(recipe: Path, tmp_path: Path, finished: Path) -> None:
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--workers", 2))
    assert result.returncode == 0, result.stderr
    assert "in 2 processes of this machine" in result.stderr
    assert helpers.snapshot(tmp_path / "out") == helpers.snapshot(finished)


@pytest.mark.slow
@pytest.mark.ray
def test_a_real_network_draws_the_same_everywhere(cluster: str, tmp_path: Path) -> None:
    recipe = helpers.ROOT / "recipes" / "classification.yaml"
    small = ["--samples", 36, "--set", "shard_size=12", "--set", "batch_size=8", "--set", "sampler.steps=3"]
    small += ["--set", "keep=[agreement >= 0.9]", "--set", "tries=40", "--device", "cpu"]
    found = {}
    ways = {
        "one process": ("--executor", "local", "--workers", 1),
        "two processes": ("--executor", "local", "--workers", 2),
        "two actors": ("--address", cluster, "--workers", 2),
    }
    for name, words in ways.items():
        out = tmp_path / name.replace(" ", "-")
        result = helpers.call(helpers.command("run", recipe, "-o", out, *small, *words))
        assert result.returncode == 0, result.stderr
        found[name] = helpers.snapshot(out)
        assert helpers.manifest(out)["tries"] > 36
    assert found["one process"] == found["two processes"]
    assert found["one process"] == found["two actors"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_models_that_cannot_be_loaded_end_the_run(tmp_path: Path, workers: int) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_setup": True}))
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--workers", workers))
    assert result.returncode == 1
    assert "no weights here" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out" / ".synthgen" / "lock").exists()

"""The same bytes on Ray: a cluster of our own, one that runs already, actors that die, plug-ins that must travel."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

import helpers
from synthgen.generate.executors import patience

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_cluster_of_our_own(recipe: Path, tmp_path: Path, finished: Path) -> None:
    """`--executor ray` alone starts Ray here, gives the same bytes, and leaves no process behind."""
    process = helpers.start(helpers.run_command(recipe, tmp_path / "out", "--executor", "ray", "--workers", 2))
    _, errors = helpers.finish(process)
    assert process.returncode == 0, errors
    assert helpers.snapshot(tmp_path / "out") == helpers.snapshot(finished)
    assert not helpers.leftovers(tmp_path / "out")
    assert "2 Ray actors of a cluster started on this machine" in errors


def test_actors_of_our_own_cluster_run_at_normal_priority(tmp_path: Path) -> None:
    """Ray's default of 15 would starve them beside other work."""
    result = helpers.call([*spying(tmp_path), "--executor", "ray", "--workers", "2"])
    assert result.returncode == 0, result.stderr
    assert {line["niceness"] for line in told_by_actors(tmp_path)} == {os.nice(0)}


@pytest.mark.parametrize(
    ("victim", "cause"), [("raylet", "this machine's raylet has died"), ("gcs_server", "the head of the Ray cluster")]
)
def test_a_run_ends_when_ray_does(tmp_path: Path, finished: Path, victim: str, cause: str) -> None:
    """With the cause, the place of Ray's logs and the command that goes on; nothing is left running."""
    slow, out = tmp_path / "slow", tmp_path / "out"
    slow.touch()
    sampler = {"use": "smooth", "size": 4, "seconds": 1.0, "slow_while": str(slow)}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    words = helpers.run_command(recipe, out, "--executor", "ray", "--workers", 1)
    process = helpers.start(words, RAY_gcs_rpc_server_reconnect_timeout_s="15")  # Ray's own is a minute
    committed(process, out)
    children = psutil.Process(process.pid).children(recursive=True)
    (gone,) = (child for child in children if Path(child.exe()).name == victim)
    gone.kill()
    _, errors = helpers.finish(process)
    assert process.returncode == 1, errors
    last = errors.splitlines()[-1]
    assert last.startswith(f"error: {cause}")
    assert "Ray's logs are in /tmp/ray/session_" in last
    assert "Go on with: synthgen run" in last
    assert "Traceback" not in errors
    assert not helpers.still_alive(children)
    assert not (out / ".synthgen" / "lock").exists()
    slow.unlink()
    assert helpers.run(recipe, out).complete
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_a_running_cluster_is_chosen_by_its_address(cluster: str, recipe: Path, tmp_path: Path, finished: Path) -> None:
    """RAY_ADDRESS alone makes `auto` choose Ray; the actors run this interpreter; the plug-in file travels to them."""
    result = helpers.call(spying(tmp_path), RAY_ADDRESS=cluster)
    assert result.returncode == 0, result.stderr
    assert "executor: ray (RAY_ADDRESS is set" in result.stderr
    seen = told_by_actors(tmp_path)
    assert {Path(line["python"]).resolve() for line in seen} == {Path(sys.executable).resolve()}
    assert all(line["file"] != str(tmp_path / "spy.py") and line["cwd"] == str(Path.cwd()) for line in seen)
    assert not any(Path(line["file"]).exists() for line in seen)
    data = {name: sha for name, sha in helpers.snapshot(tmp_path / "out").items() if name.startswith(("data", "index"))}
    assert data == {name: helpers.snapshot(finished)[name] for name in data}


def test_actors_killed_mid_run(cluster: str, tmp_path: Path, finished: Path) -> None:
    """Every actor is killed once, while it renders; Ray restarts it and the shard is rendered again."""
    recipe = helpers.write(
        tmp_path,
        helpers.toy(
            sampler={"use": "smooth", "size": 4, "log": str(tmp_path / "log"), "die_once": str(tmp_path / "died")}
        ),
    )
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--address", cluster, "--workers", 2))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "died").exists()
    assert "trying it again" in result.stderr
    out = tmp_path / "out"
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_a_shard_that_kills_its_actor_is_quarantined_alone(cluster: str, tmp_path: Path) -> None:
    """The shard that waited behind it on the same actor is not blamed."""
    sampler = {"use": "smooth", "size": 4, "die_at": 15}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--address", cluster, "--workers", 1))
    assert result.returncode == 1, result.stderr
    assert helpers.manifest(tmp_path / "out")["missing_shards"] == [1]
    assert [path.name for path in (tmp_path / "out" / "failures").iterdir()] == ["shard-00001.json"]


def test_an_actor_that_hangs_is_given_up(
    tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is there, and nothing comes of it: its shards go to others, and Ray starts it again."""
    monkeypatch.setattr(patience, "LEAST_S", 3.0)
    caplog.set_level("INFO", "synthgen")
    sampler = {"use": "smooth", "size": 4, "hang_once": str(tmp_path / "hung")}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    assert helpers.run(recipe, tmp_path / "out", executor="ray", workers=1).complete
    assert (tmp_path / "hung").exists() and "is stuck and given up: nothing was heard of it for" in caplog.text
    assert helpers.snapshot(tmp_path / "out", "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_a_cluster_without_room_says_what_it_has(cluster: str, tmp_path: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(resources={"gpus": 0.5, "accelerator": "A100"}))
    words = helpers.command("run", recipe, "-o", tmp_path / "out", "--plugin", helpers.TOY, "--address", cluster)
    result = helpers.call(words)
    assert result.returncode == 1
    assert (
        "no node of the Ray cluster has room for a worker, which takes 1 CPU, 0.5 GPU (A100); it has" in result.stderr
    )
    assert "with 2 CPU. Start nodes" in result.stderr


def test_more_actors_than_the_cluster_has_room_for(cluster: str, recipe: Path, tmp_path: Path, finished: Path) -> None:
    """Actors that never start get no shards."""
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--address", cluster, "--workers", 4))
    assert result.returncode == 0, result.stderr
    assert helpers.snapshot(tmp_path / "out") == helpers.snapshot(finished)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_the_cluster_free(cluster: str, tmp_path: Path, sent: int, code: int) -> None:
    """Ray's own handler of SIGTERM would end the run without a word."""
    sampler = {"use": "smooth", "size": 4, "seconds": 0.2}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    out = tmp_path / "out"
    process = helpers.start(helpers.run_command(recipe, out, "--address", cluster))
    committed(process, out)
    process.send_signal(sent)
    _, errors = helpers.finish(process)
    assert process.returncode == code, errors
    assert "Go on with: synthgen run" in errors
    assert "SIGTERM received" not in errors


def test_an_actor_that_cannot_start_says_why(cluster: str, tmp_path: Path) -> None:
    """Here the worker sees another plug-in than the driver planned with."""
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "fail_setup": True}))
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--address", cluster))
    assert result.returncode == 1
    assert "no weights here" in result.stderr
    assert not (tmp_path / "out" / ".synthgen" / "lock").exists()


def test_no_cluster_at_the_address(recipe: Path, tmp_path: Path) -> None:
    result = helpers.call(helpers.run_command(recipe, tmp_path / "out", "--address", "127.0.0.1:1"))
    assert result.returncode == 1
    assert "cannot reach a Ray cluster at 127.0.0.1:1" in result.stderr


def committed(process: subprocess.Popen[str], out: Path) -> None:
    """Returns when there is a commit, or the run has ended."""
    while process.poll() is None and not any(out.glob("commits/*.json")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)


def spying(folder: Path) -> list[str]:
    """A run of the toy recipe whose actors write down how they run."""
    plugin = folder / "spy.py"
    plugin.write_text(Path(helpers.TOY).read_text() + SPY)
    recipe = helpers.toy(sampler={"use": "spy", "size": 4, "log": str(folder / "seen")})
    path = helpers.write(folder, recipe, "spy.yaml")
    return helpers.command("run", path, "-o", folder / "out", "--plugin", plugin, "--device", "cpu")


def told_by_actors(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


SPY = """
import json, sys

class Spy(Smooth):
    def setup(self, device):
        with open(self.config.log, "a") as log:
            told = {"python": sys.executable, "file": __file__, "cwd": os.getcwd(), "niceness": os.nice(0)}
            log.write(json.dumps(told) + "\\n")
        self.config = self.config.model_copy(update={"log": None})

SYNTHGEN_PLUGINS["samplers"]["spy"] = Spy
"""

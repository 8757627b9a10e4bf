"""Labelers and scorers with actors of their own: the same bytes, by other processes than the workers, whatever dies."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

import helpers
from synthgen.generate.executors import patience

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NOTING = """

class Noting(Brightness):
    class Config(Brightness.Config):
        log: str
        die_once: str | None = None
        hang_once: str | None = None
        die_at: int | None = None
        fail_at: int | None = None
        fail_setup: bool = False
        seconds: float = 0.0

    def setup(self, device):
        if self.config.fail_setup:
            raise ModelError("no weights here")
        self.note("setup")

    def note(self, what):
        with open(self.config.log, "a") as log:
            log.write(f"{what} {os.getpid()}\\n")

    def annotate(self, columns, seeds):
        self.note("annotate")
        columns["image"][0][...] += 0  # what cannot be written to would end here
        once = self.config.die_once and Path(self.config.die_once)
        if once and not once.exists() and Path(self.config.log).read_text().count("\\n") > 5:
            once.touch()
            os.kill(os.getpid(), 9)
        hang = self.config.hang_once and Path(self.config.hang_once)
        if hang and not hang.exists() and Path(self.config.log).read_text().count("\\n") > 5:
            hang.touch()
            time.sleep(600)
        if self.is_at(self.config.die_at, seeds):
            os.kill(os.getpid(), 9)
        if self.is_at(self.config.fail_at, seeds):
            raise ValueError("a broken batch")
        time.sleep(self.config.seconds)
        return super().annotate(columns, seeds)

    def is_at(self, index, seeds):
        return index is not None and streams.seed_of(7, "scorer:noting:0", index, 0) in seeds

SYNTHGEN_PLUGINS["scorers"]["noting"] = Noting
"""


def noting(folder: Path, **settings: Any) -> tuple[Path, Path]:
    """A toy recipe whose scorer has one actor of its own, and notes its processes; and the plug-in's file."""
    plugin = folder / "noting.py"
    plugin.write_text(Path(helpers.TOY).read_text() + NOTING)
    pool = {"actors": 1, "cpus": 0.5}
    scorer = {"use": "noting", "noise": 0.1, "log": str(folder / "log"), "pool": pool} | settings
    return helpers.write(folder, helpers.toy(scorers=[scorer], resources={"cpus": 0.5}), "noting.yaml"), plugin


def words(recipe: Path, plugin: Path, out: Path, cluster: str) -> list[str]:
    options = ("--plugin", plugin, "--device", "cpu", "--address", cluster, "--workers", 2)
    return helpers.command("run", recipe, "-o", out, *options)


def processes(folder: Path, what: str) -> list[int]:
    """Ids of the processes that noted this, the first that did so first."""
    lines = [line.split() for line in (folder / "log").read_text().splitlines()]
    return list(dict.fromkeys(int(pid) for noted, pid in lines if noted == what))


def workers(out: Path) -> set[int]:
    return {
        int(json.loads(line)["worker"].rpartition(":")[2])
        for line in (out / "log" / "shards.jsonl").open()
        if "worker" in line
    }


def test_one_actor_serves_all_workers_and_writes_the_same(cluster: str, tmp_path: Path) -> None:
    """Nobody else loads the part; its time is counted; in one process the recipe does without actors."""
    recipe, plugin = noting(tmp_path)
    result = helpers.call(words(recipe, plugin, tmp_path / "ray", cluster))
    assert result.returncode == 0, result.stderr
    assert "on 2 Ray actors of the cluster at" in result.stderr
    assert ", scorer noting on 1 of its own" in result.stderr
    own = processes(tmp_path, "annotate")
    assert own == processes(tmp_path, "setup") and len(own) == 1
    assert workers(tmp_path / "ray") and not workers(tmp_path / "ray") & set(own)
    timed = [json.loads(line)["seconds"] for line in (tmp_path / "ray" / "log" / "shards.jsonl").open()]
    assert all(seconds["scorer:noting:0"] > 0 for seconds in timed)
    assert not helpers.still_alive([psutil.Process(pid) for pid in own if psutil.pid_exists(pid)])
    assert helpers.run(recipe, tmp_path / "local", plugin_files=[str(plugin)]).complete
    assert helpers.snapshot(tmp_path / "local") == helpers.snapshot(tmp_path / "ray")
    assert "pool" not in (tmp_path / "ray" / "recipe.yaml").read_text()


def test_an_actor_that_dies_half_way_costs_no_attempt(cluster: str, tmp_path: Path) -> None:
    seconds = 0.3  # a batch, so that the run goes on for longer than the driver takes to ask how actors are
    recipe, plugin = noting(tmp_path, die_once=str(tmp_path / "died"), seconds=seconds)
    result = helpers.call(words(recipe, plugin, tmp_path / "ray", cluster))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "died").exists() and len(processes(tmp_path, "annotate")) == 2
    assert "died; Ray starts it again" in result.stderr
    assert "trying it again" not in result.stderr
    assert helpers.run(recipe, tmp_path / "local", plugin_files=[str(plugin)]).complete
    assert helpers.snapshot(tmp_path / "local") == helpers.snapshot(tmp_path / "ray")


def test_an_actor_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers, and nothing comes of its batch: that goes to another process, and no shard is blamed."""
    monkeypatch.setattr(patience, "LEAST_S", 6.0)
    caplog.set_level("INFO", "synthgen")
    recipe, plugin = noting(tmp_path, hang_once=str(tmp_path / "hung"))
    files = {"plugin_files": [str(plugin)]}
    assert helpers.run(recipe, tmp_path / "ray", executor="ray", workers=1, **files).complete
    assert (tmp_path / "hung").exists() and len(processes(tmp_path, "annotate")) == 2
    assert "is stuck and given up: nothing was heard of it for" in caplog.text
    assert "trying it again" not in caplog.text
    assert helpers.run(recipe, tmp_path / "local", **files).complete
    assert helpers.snapshot(tmp_path / "local") == helpers.snapshot(tmp_path / "ray")


def test_a_batch_that_kills_its_actors_is_set_aside_alone(cluster: str, tmp_path: Path) -> None:
    """Batches of the other worker, which waited for their turn on the actor, are not blamed."""
    recipe, plugin = noting(tmp_path, die_at=15)
    result = helpers.call(words(recipe, plugin, tmp_path / "out", cluster))
    assert result.returncode == 1, result.stderr
    assert helpers.manifest(tmp_path / "out")["missing_shards"] == [1]
    (failure,) = (tmp_path / "out" / "failures").iterdir()
    found = json.loads(failure.read_text())
    assert found["cause"] == "system" and "actors of scorer noting die under a batch of it" in found["message"]


def test_what_the_part_raises_arrives_as_in_one_process(cluster: str, tmp_path: Path) -> None:
    recipe, plugin = noting(tmp_path, fail_at=15)
    for name, run in (("ray", words(recipe, plugin, tmp_path / "ray", cluster)), ("local", None)):
        if run:
            assert helpers.call(run).returncode == 1
        else:
            assert not helpers.run(recipe, tmp_path / name, plugin_files=[str(plugin)]).complete
        found = json.loads((tmp_path / name / "failures" / "shard-00001.json").read_text())
        assert (found["cause"], found["message"]) == ("code", "ValueError: a broken batch")
        assert any("noting.py" in line or "in annotate" in line for line in found["traceback"])


def test_a_part_that_cannot_be_loaded_ends_the_run(cluster: str, tmp_path: Path) -> None:
    recipe, plugin = noting(tmp_path, fail_setup=True)
    result = helpers.call(words(recipe, plugin, tmp_path / "out", cluster))
    assert result.returncode == 1
    assert "scorer noting cannot be loaded on" in result.stderr and "no weights here" in result.stderr
    assert not (tmp_path / "out" / ".synthgen" / "lock").exists()


def test_a_cluster_without_room_says_so_before_the_first_shard(cluster: str, tmp_path: Path) -> None:
    recipe, plugin = noting(tmp_path, pool={"gpus": 0.5, "accelerator": "A100"})
    result = helpers.call(words(recipe, plugin, tmp_path / "out", cluster)[:-2])
    assert result.returncode == 1
    assert "has room for an actor of scorer noting, which takes 1 CPU, a node with A100; it has" in result.stderr
    assert not (tmp_path / "log").exists()


def test_a_signal_ends_the_actors(cluster: str, tmp_path: Path) -> None:
    recipe, plugin = noting(tmp_path, seconds=0.3)
    process = helpers.start(words(recipe, plugin, tmp_path / "out", cluster))
    while process.poll() is None and not (tmp_path / "log").exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    own = [psutil.Process(pid) for pid in processes(tmp_path, "setup")]
    process.send_signal(signal.SIGINT)
    _, errors = helpers.finish(process)
    assert process.returncode == 130, errors
    assert not helpers.still_alive(own)

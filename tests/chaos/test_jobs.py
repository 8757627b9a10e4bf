"""Runs as jobs of a real Ray cluster: the same bytes, stopped and gone on with, lost and submitted again."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import helpers

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(token: None) -> Iterator[str]:
    """The job server of a cluster with one CPU."""
    with helpers.ray_cluster(job_server=True) as address:
        yield address


def test_a_job_writes_the_same_bytes(server: str, recipe: Path, tmp_path: Path, finished: Path) -> None:
    """The recipe and the plug-in travel, from wherever they are; the job is listed, with its log."""
    out = tmp_path / "out"
    done = submit(server, recipe, out, "--wait")
    assert done.returncode == 0, done.stderr
    assert helpers.snapshot(out) == helpers.snapshot(finished)
    assert "(2 files of" in done.stdout
    listed = jobs(server).stdout
    assert re.search(rf"^{job_of(done.stdout)} +SUCCEEDED .* {re.escape(str(out))}$", listed, re.MULTILINE)
    log = jobs(server, "logs", job_of(done.stdout)).stdout
    assert "on 1 Ray actors of the cluster" in log and "40 of 40 samples" in log
    other = submit(server, recipe, out, "--set", "seed=8", "--follow")
    assert other.returncode == 1, other.stderr
    assert "holds another dataset" in other.stdout and "FAILED (exit code 1)" in other.stderr


def test_a_job_in_a_shared_folder_runs_there(server: str, recipe: Path, tmp_path: Path, finished: Path) -> None:
    words = helpers.command("submit", recipe.name, "--plugin", helpers.TOY, "--device", "cpu", "--address", server)
    shared = ["--shared", str(tmp_path), "--shared", str(helpers.ROOT), "--wait"]
    done = helpers.call([*words, *shared], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"it runs in {tmp_path}" in done.stdout
    (out,) = (tmp_path / "runs").iterdir()
    assert helpers.snapshot(out) == helpers.snapshot(finished)


def test_a_stopped_job_goes_on(server: str, tmp_path: Path, finished: Path) -> None:
    """Ctrl-C ends the following only. `jobs stop` ends the run, which says how to go on, and that works."""
    recipe, out = slow_recipe(tmp_path), tmp_path / "out"
    follower = helpers.start(submission(server, recipe, out, "--follow"))
    wait_for_commits(follower, out, 1)
    follower.send_signal(signal.SIGINT)
    said, errors = helpers.finish(follower)
    assert follower.returncode == 130, errors
    name = job_of(said)
    assert f"{name} goes on" in errors
    assert re.search(rf"^{name} +RUNNING", jobs(server).stdout, re.MULTILINE)
    stopped = jobs(server, "stop", name)
    assert stopped.returncode == 0, stopped.stderr
    assert f"{name}: STOPPED" in stopped.stdout
    log = jobs(server, "logs", name).stdout
    again = f"Go on with: cd {Path.cwd()} && synthgen submit "
    assert again in log and again in stopped.stdout
    assert again[len("Go on with: ") :] in helpers.call(helpers.command("status", out, "--plugin", helpers.TOY)).stdout
    assert jobs(server, "logs", name, "--follow").returncode == 143
    assert 0 < len(list(out.glob("commits/*.json"))) < 4
    done = submit(server, recipe, out, "--wait", "--set", "sampler.seconds=0")
    assert done.returncode == 0, done.stderr
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_a_job_whose_driver_is_killed_is_submitted_again(server: str, tmp_path: Path, finished: Path) -> None:
    """As often as was asked for, and no more."""
    recipe, out = slow_recipe(tmp_path), tmp_path / "out"
    follower = helpers.start(submission(server, recipe, out, "--follow", "--retries", 1))
    for n in (1, 2):
        wait_for_commits(follower, out, n)
        driver(out).kill()
        wait_until_gone(out)
    said, errors = helpers.finish(follower)
    assert follower.returncode == 137, errors
    name = job_of(said)
    assert f"{name} was lost: its driver was killed by SIGKILL" in errors
    assert f"{name}-2: FAILED (its driver was killed by SIGKILL" in errors
    assert "going on: 1 of 4 shards are done" in said
    done = submit(server, recipe, out, "--wait", "--set", "sampler.seconds=0")
    assert done.returncode == 0, done.stderr
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_an_unknown_job_is_named(server: str) -> None:
    asked = jobs(server, "logs", "nothing")
    assert asked.returncode == 2
    assert "unknown job `nothing`" in asked.stderr


def test_another_token_is_refused(server: str) -> None:
    """With what to do about it, and without a traceback."""
    for more in ({"RAY_AUTH_TOKEN": "0" * 64}, {"RAY_AUTH_MODE": "disabled"}):
        asked = helpers.call(helpers.command("jobs", "--address", server), **more)
        assert asked.returncode == 1
        wanted = f"error: the job server at {server} asks for a token and did not get the right one: "
        assert asked.stderr.startswith(wanted) and asked.stderr.count("\n") == 1, asked.stderr


def slow_recipe(folder: Path) -> Path:
    return helpers.write(folder, helpers.toy(sampler={"use": "smooth", "size": 4, "seconds": 0.3}))


def submission(server: str, recipe: Path, out: Path, *options: object) -> list[str]:
    words = helpers.command("submit", recipe, "-o", out, "--plugin", helpers.TOY, "--device", "cpu")
    return [*words, "--address", server, *map(str, options)]


def submit(server: str, recipe: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return helpers.call(submission(server, recipe, out, *options))


def jobs(server: str, *words: str) -> subprocess.CompletedProcess[str]:
    return helpers.call(helpers.command("jobs", *words, "--address", server))


def job_of(said: str) -> str:
    """The id that `submit` printed."""
    found = re.search(r"^job +(\S+)", said, re.MULTILINE)
    assert found, said
    return found[1]


def driver(out: Path) -> psutil.Process:
    """The process of the run that writes to `out`, which the cluster has started."""
    (found,) = drivers(out)
    return found


def drivers(out: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if "run" in words and str(out) in words and "submit" not in words:
            found.append(process)
    return found


def wait_until_gone(out: Path) -> None:
    while drivers(out):
        time.sleep(0.05)


def wait_for_commits(follower: subprocess.Popen[str], out: Path, n: int) -> None:
    """Returns when there are `n` commits and a run that makes more, or following has ended."""
    while follower.poll() is None and (len(list(out.glob("commits/*.json"))) < n or not drivers(out)):
        time.sleep(0.05)

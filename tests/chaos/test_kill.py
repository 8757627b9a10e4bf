"""SIGKILL at every step that touches the disk: the next run ends with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

import helpers
import synthgen

STEPS = ("link", "replace", "rename", "fsync", "unlink", "mkdir", "rmdir")


def run_and_die(recipe: Path, out: Path, at: int) -> int:
    """Runs in a forked process that kills itself just before its call number `at` of one of STEPS."""

    def work() -> None:
        calls = 0

        def deadly(function: Any) -> Any:
            def step(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                if calls == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1
                return function(*args, **kwargs)

            return step

        for name in STEPS:
            setattr(os, name, deadly(getattr(os, name)))
        helpers.run(recipe, out)

    return helpers.in_fork(work)


@pytest.mark.slow
def test_killed_before_every_step(tmp_path: Path) -> None:
    """One folder a step: killed there, then run again."""
    recipe = helpers.write(tmp_path, helpers.toy(samples=8, shard_size=5, splits=None))
    assert helpers.in_fork(lambda: helpers.run(recipe, tmp_path / "whole")) == 0
    want = helpers.snapshot(tmp_path / "whole")
    at = 0
    while (code := run_and_die(recipe, tmp_path / f"out{at}", at)) == -signal.SIGKILL:
        out = tmp_path / f"out{at}"
        assert helpers.in_fork(lambda out=out: helpers.run(recipe, out)) == 0, f"killed before step {at}"
        assert helpers.snapshot(out) == want, f"killed before step {at}"
        assert not helpers.leftovers(out), f"killed before step {at}"
        at += 1
    assert code == 0
    assert at > 40


def test_killed_again_and_again(recipe: Path, tmp_path: Path, finished: Path) -> None:
    """One folder for all kills, each a little later in the run than the one before."""
    out = tmp_path / "out"
    deaths = 0
    while (code := run_and_die(recipe, out, 7 + 5 * deaths)) == -signal.SIGKILL:
        deaths += 1
    assert code == 0
    assert deaths > 3
    assert helpers.snapshot(out) == helpers.snapshot(finished)
    assert not helpers.leftovers(out)


@pytest.mark.slow
def test_killed_while_it_grows(tmp_path: Path) -> None:
    """Growing replaces the record of the last, partial shard; at every step the old dataset loads, or the new one."""
    small = helpers.write(tmp_path, helpers.toy(samples=8, shard_size=5, splits=None), "small.yaml")
    large = helpers.write(tmp_path, helpers.toy(samples=12, shard_size=5, splits=None), "large.yaml")
    assert helpers.in_fork(lambda: helpers.run(large, tmp_path / "whole")) == 0
    assert helpers.in_fork(lambda: helpers.run(small, tmp_path / "before")) == 0
    check_kills_between(tmp_path / "before", large, tmp_path / "whole", tmp_path, allow_incomplete=False)


@pytest.mark.slow
def test_killed_while_it_is_finished(tmp_path: Path) -> None:
    """More tries replace the records of short shards; what the short dataset had stays loadable as incomplete."""
    few, many = (
        helpers.write(tmp_path, helpers.toy(samples=8, shard_size=4, splits=None, tries=tries), f"{tries}.yaml")
        for tries in (2, 20)
    )
    assert helpers.in_fork(lambda: helpers.run(many, tmp_path / "whole")) == 0
    assert helpers.in_fork(lambda: helpers.run(few, tmp_path / "before")) == 0
    assert helpers.manifest(tmp_path / "before")["short"]["count"] > 0
    check_kills_between(tmp_path / "before", many, tmp_path / "whole", tmp_path, allow_incomplete=True)


def check_kills_between(before: Path, recipe: Path, whole: Path, folder: Path, allow_incomplete: bool) -> None:
    """Kills runs that make `whole` of `before` at many steps: samples of one or the other load, never a mixture."""
    old, new = samples(before, allow_incomplete), samples(whole, allow_incomplete)
    assert old != new
    seen, at = set(), 0
    while True:
        out = Path(shutil.copytree(before, folder / f"out{at}"))
        code = run_and_die(recipe, out, at)
        found = samples(out, allow_incomplete)
        assert found in (old, new), f"killed before step {at}"
        seen.add(len(found))
        if code == 0:
            break
        assert helpers.in_fork(lambda out=out: helpers.run(recipe, out)) == 0, f"killed before step {at}"
        assert helpers.snapshot(out) == helpers.snapshot(whole), f"killed before step {at}"
        at += 3
    assert seen == {len(old), len(new)}
    assert helpers.snapshot(out) == helpers.snapshot(whole)
    assert not (out / ".synthgen" / "sealed").exists()


def samples(out: Path, allow_incomplete: bool) -> dict[str, bytes]:
    """The pixels of every sample that the folder gives, by index and in order."""
    dataset = synthgen.load(out, allow_incomplete=allow_incomplete)
    assert [sample["key"] for sample in dataset] == [dataset[i]["key"] for i in range(len(dataset))]
    return {sample["key"]: sample["image"].tobytes() for sample in dataset}


@pytest.mark.slow
def test_workers_killed_at_random(tmp_path: Path, finished: Path) -> None:
    """Four SIGKILLs among two workers, one after each of the first commits."""
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "seconds": 0.05}))
    out = tmp_path / "out"
    process = helpers.start(helpers.run_command(recipe, out, "--workers", 2))
    chooser = random.Random(3)
    for n in range(1, 4):
        until(process, lambda n=n: len(list((out / "commits").glob("*.json"))) >= n)
        if workers := worker_processes(process.pid):
            chooser.choice(workers).kill()
    _, errors = helpers.finish(process)
    assert process.returncode == 0, errors
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")
    assert not helpers.leftovers(out)


@pytest.mark.slow
def test_no_worker_survives_its_driver(tmp_path: Path, finished: Path) -> None:
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "seconds": 0.05}))
    out = tmp_path / "out"
    process = helpers.start(helpers.run_command(recipe, out, "--workers", 2))
    until(process, lambda: any((out / "commits").glob("*.json")))
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.kill()
    helpers.finish(process)
    assert not helpers.still_alive(workers)
    assert helpers.in_fork(lambda: helpers.run(recipe, out)) == 0
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_a_run_cleanly(tmp_path: Path, finished: Path, workers: int, sent: int, code: int) -> None:
    """The signal goes to the whole process group, as Ctrl-C on a terminal does."""
    slow, out = tmp_path / "slow", tmp_path / "out"
    slow.touch()
    sampler = {"use": "smooth", "size": 4, "seconds": 0.2, "slow_while": str(slow)}
    recipe = helpers.write(tmp_path, helpers.toy(sampler=sampler))
    process = helpers.start(helpers.run_command(recipe, out, "--workers", workers), own_group=True)
    until(process, lambda: any((out / "commits").glob("*.json")))
    children = psutil.Process(process.pid).children(recursive=True)
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    output, errors = helpers.finish(process)
    assert process.returncode == code, errors
    assert "Go on with: synthgen run" in errors
    assert "Traceback" not in errors
    assert not output
    assert not helpers.still_alive(children)
    assert not (out / ".synthgen" / "lock").exists()
    slow.unlink()
    assert helpers.in_fork(lambda: helpers.run(recipe, out)) == 0
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2])
def test_ctrl_c_while_workers_start(tmp_path: Path, nth: int) -> None:
    """The whole group gets SIGINT when the nth worker runs its first line of Python: nobody prints a traceback.

    The worker notes whether SIGINT is blocked as it starts: where it is not, a traceback is a matter of luck.
    """
    (tmp_path / "sitecustomize.py").write_text(INTERRUPT.format(folder=str(tmp_path), nth=nth))
    recipe = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "seconds": 0.2}))
    words = helpers.run_command(recipe, tmp_path / "out", "--workers", 2)
    paths = os.pathsep.join([str(tmp_path), str(helpers.ROOT)])
    process = helpers.start(words, own_group=True, PYTHONPATH=paths)
    output, errors = helpers.finish(process)
    blocked = [(tmp_path / f"started-{n}").read_text() for n in range(1, nth + 1)]
    assert blocked == ["True"] * nth
    assert process.returncode == 130, errors
    assert "Traceback" not in errors and "KeyboardInterrupt" not in errors
    assert "Go on with: synthgen run" in errors
    assert not output


INTERRUPT = """
import os, signal, sys
from pathlib import Path

if "--multiprocessing-fork" in sys.orig_argv:
    note = Path({folder!r}, f"worker-{{os.getpid()}}")
    note.write_text(str(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))
    for number in (1, 2):
        try:
            os.link(note, Path({folder!r}, f"started-{{number}}"))  # with its text: a signal finds no empty file
            break
        except FileExistsError:
            continue
    if number == {nth}:
        os.killpg(0, signal.SIGINT)
"""
"""Runs before anything else in every Python process of the test; only in a spawned worker does it do something."""


def worker_processes(pid: int) -> list[psutil.Process]:
    """The workers of a driver; multiprocessing's helper process is none."""
    found = []
    for child in psutil.Process(pid).children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def until(process: subprocess.Popen[str], happened: Any) -> None:
    """Watches the disk, not the clock: returns when something has happened or the run has ended."""
    while not happened():
        try:
            process.wait(timeout=0.01)
        except subprocess.TimeoutExpired:
            continue
        return

"""Runs: growing, finishing, repairing, refusing; what the folder says afterwards."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

import helpers
import synthgen
from synthgen.dataset.records import Commit
from synthgen.dataset.store import Store
from synthgen.errors import StoreError, SynthgenError


def drawn(log: Path) -> list[tuple[int, str]]:
    """(slot, seed) of everything that was drawn, and forgets it."""
    lines = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return [(int(slot), seed) for slot, seed in lines]


def logged(log: Path, **changes: object) -> dict[str, object]:
    return helpers.toy(sampler={"use": "smooth", "size": 4, "log": str(log)}, **changes)


def test_a_finished_dataset_is_not_drawn_again(tmp_path: Path, finished: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    recipe = helpers.write(tmp_path, logged(log))
    assert helpers.run(recipe, out).complete
    assert drawn(log)
    result = helpers.run(recipe, out)
    assert result.complete
    assert result.n_rendered == 0
    assert not drawn(log)
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


def test_resume_draws_only_unfinished_shards(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    recipe = helpers.write(tmp_path, logged(log))
    helpers.run(recipe, out)
    before = drawn(log)
    whole = helpers.snapshot(out)
    (out / "commits" / "shard-00002.json").unlink()
    assert helpers.run(recipe, out).n_rendered == 1
    assert drawn(log) == [entry for entry in before if entry[0] in range(20, 30)]
    assert helpers.snapshot(out) == whole


def test_growing_draws_only_the_new_shards(tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    recipe = helpers.write(tmp_path, logged(log))
    helpers.run(recipe, out)
    small = helpers.snapshot(out / "data")
    drawn(log)
    assert helpers.run(recipe, out, samples=65).complete
    assert {slot for slot, _ in drawn(log)} == set(range(40, 65))
    assert helpers.snapshot(out / "data").items() >= small.items()
    helpers.run(recipe, tmp_path / "at once", samples=65)
    assert helpers.snapshot(out) == helpers.snapshot(tmp_path / "at once")
    with pytest.raises(StoreError, match="a dataset only grows"):
        helpers.run(recipe, out)


def test_a_short_dataset_is_finished_with_more_tries(tmp_path: Path, finished: Path) -> None:
    out = tmp_path / "out"
    result = helpers.run(helpers.write(tmp_path, helpers.toy(tries=1)), out)
    assert not result.complete
    found = helpers.manifest(out)
    assert not found["complete"]
    assert found["samples"] + found["short"]["count"] == 40
    with pytest.raises(StoreError, match="incomplete"):
        synthgen.load(out)
    assert len(synthgen.load(out, allow_incomplete=True)) == found["samples"]
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete
    assert helpers.snapshot(out) == helpers.snapshot(finished)


def test_a_failing_shard_is_set_aside_and_the_rest_is_finished(tmp_path: Path, finished: Path) -> None:
    out = tmp_path / "out"
    broken = helpers.toy(sampler={"use": "smooth", "size": 4, "fail_shard_at": 15})
    result = helpers.run(helpers.write(tmp_path, broken), out)
    assert not result.complete
    assert helpers.manifest(out)["missing_shards"] == [1]
    told = json.loads((out / "failures" / "shard-00001.json").read_text())
    assert told["cause"] == "code"
    assert "ValueError: a broken slot" in told["traceback"][-1]
    assert helpers.run(helpers.write(tmp_path, helpers.toy()), out).complete
    assert not list((out / "failures").iterdir())
    assert helpers.snapshot(out) == helpers.snapshot(finished)


def test_nothing_but_failures_stops_the_run(tmp_path: Path) -> None:
    broken = Path(helpers.TOY).read_text() + "\nSmooth.sample = lambda *arguments: 1 / 0\n"
    (tmp_path / "broken.py").write_text(broken)
    recipe = helpers.write(tmp_path, helpers.toy(samples=1000))
    with pytest.raises(SynthgenError, match=r"the first 5 shards all failed.*division by zero"):
        helpers.run(recipe, tmp_path / "out", plugin_files=[str(tmp_path / "broken.py")])
    assert not (tmp_path / "out" / ".synthgen" / "lock").exists()


def test_another_recipe_is_refused_with_every_difference(finished: Path, tmp_path: Path) -> None:
    before = helpers.snapshot(finished)
    other = helpers.write(tmp_path, helpers.toy(seed=8, keep=["brightness >= 0.4"]))
    with pytest.raises(StoreError) as caught:
        helpers.run(other, finished)
    assert "seed: 7 -> 8" in str(caught.value)
    assert 'keep.0: "brightness >= 0.3" -> "brightness >= 0.4"' in str(caught.value)
    assert helpers.snapshot(finished) == before


def test_a_shard_of_another_dataset_is_refused(tmp_path: Path, finished: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    path = out / "commits" / "shard-00001.json"
    record = Commit.from_json(path.read_bytes(), 1)
    path.write_bytes(dataclasses.replace(record, digest="0" * 64).to_json())
    with pytest.raises(StoreError, match="belongs to another dataset"):
        helpers.run(helpers.write(tmp_path, helpers.toy()), out)


@pytest.mark.slow
def test_two_drivers(tmp_path: Path, finished: Path) -> None:
    """The second one is refused by name; the first one ends undisturbed."""
    slow = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "seconds": 0.2}))
    out = tmp_path / "out"
    first = helpers.start(helpers.run_command(slow, out, "--workers", 1))
    while not any((out / "commits").glob("*.json")) and first.poll() is None:
        try:
            first.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
    with pytest.raises(StoreError, match=f"is being written by another synthgen: process {first.pid}"):
        helpers.run(slow, out)
    _, errors = helpers.finish(first)
    assert first.returncode == 0, errors
    assert helpers.snapshot(out, "recipe.yaml") == helpers.snapshot(finished, "recipe.yaml")


FILL = """
import os

def fill_then_draw(self, slots, seeds, draw=Smooth.sample):
    filler, kept_free = os.environ["TEST_FILLER"], int(os.environ["TEST_KEPT_FREE"])
    if slots[0].index >= 20 and not os.path.exists(filler):
        place = os.statvfs(os.path.dirname(filler))
        with open(filler, "wb") as file:
            file.write(bytes(max(place.f_bavail * place.f_frsize - kept_free, 0)))
    return draw(self, slots, seeds)

Smooth.sample = fill_then_draw
"""


@pytest.mark.parametrize("kept_free", [0, 4096, 8192, 12288, 20480, 40960])
def test_disk_that_fills_up(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept_free: int) -> None:
    """Told as what it is, at whatever write it happens; with room again, the same command finishes the dataset."""
    plugin, filler, out = tmp_path / "fill.py", small_disk / "filler", small_disk / "out"
    plugin.write_text(Path(helpers.TOY).read_text() + FILL)
    monkeypatch.setenv("TEST_FILLER", str(filler))
    monkeypatch.setenv("TEST_KEPT_FREE", str(kept_free))
    recipe = helpers.write(tmp_path, helpers.toy())
    with pytest.raises(StoreError, match="is full; what was finished is kept"):
        helpers.run(recipe, out, plugin_files=[str(plugin)])
    assert set(Store(out).committed()) >= {0, 1}
    assert not (out / "manifest.json").exists()
    filler.write_bytes(b"")
    assert helpers.run(recipe, out, plugin_files=[str(plugin)]).complete
    assert not helpers.leftovers(out)
    helpers.run(recipe, tmp_path / "undisturbed", plugin_files=[str(plugin)])
    assert helpers.snapshot(out) == helpers.snapshot(tmp_path / "undisturbed")


def test_disk_that_will_not_do_is_told_before_anything_is_drawn(small_disk: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    recipe = helpers.write(tmp_path, logged(log, samples=100_000))
    with pytest.raises(StoreError, match="the 100000 samples to render need about"):
        helpers.run(recipe, small_disk / "out")
    assert not drawn(log)


def test_output_that_cannot_be_written(recipe: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write to /proc/synthgen.*name another folder with -o DIR"):
        helpers.run(recipe, Path("/proc/synthgen"))


def test_times_and_names_of_machines_stay_in_the_log(finished: Path) -> None:
    import socket

    for path in finished.rglob("*"):
        inside = path.relative_to(finished).parts[0]
        if path.is_file() and inside not in ("log", ".synthgen", "data", "parquet", "index"):
            assert socket.gethostname() not in path.read_text(), path
    lines = [json.loads(line) for line in (finished / "log" / "shards.jsonl").read_text().splitlines()]
    assert [line["shard"] for line in lines] == [0, 1, 2, 3]
    assert all(set(line["seconds"]) >= {"sample", "scorer:brightness:0", "write", "total"} for line in lines)


def test_the_card_names_what_a_reader_asks(finished: Path) -> None:
    card = (finished / "README.md").read_text()
    assert card.startswith("---\n")
    for text in ("dark", "bright", "brightness >= 0.3", "synthgen.load"):
        assert text in card
    assert "plug-in files that\ndefine `smooth`, `brightness` (`--plugin FILE`)" in card
    croissant = json.loads((finished / "croissant.json").read_text())
    assert croissant["@type"] == "sc:Dataset"


def test_the_card_says_how_to_read_deep_maps(scenes: Path) -> None:
    card = (scenes / "README.md").read_text()
    assert "16-bit PNG, 0 background; read it with `synthgen.load`, `datasets`, or from the raw bytes" in card


def test_the_size_of_a_larger_dataset_is_told_in_full(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    with pytest.raises(StoreError, match="holds a dataset of 40 samples, more than the 10 that"):
        helpers.run(helpers.write(tmp_path, helpers.toy(samples=10)), out)

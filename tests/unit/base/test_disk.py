"""Disks that refuse: full, read-only, broken or gone; the user reads which, and no half file stands under a name."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
from synthgen.base import disk
from synthgen.dataset.layout import MANIFEST, commit_path
from synthgen.dataset.local import LocalStorage
from synthgen.dataset.records import Lease
from synthgen.dataset.store import Store
from synthgen.errors import StoreError
from synthgen.generate.executors.worker import Job, Worker


def fill(place: Path) -> None:
    free = os.statvfs(place)
    (place / "filler").write_bytes(bytes(free.f_bavail * free.f_frsize))


@pytest.mark.parametrize("command", ["preview", "report", "export"])
def test_a_full_disk_leaves_no_half_file(cli, small_disk: Path, scenes: Path, command: str) -> None:
    fill(small_disk)
    target = small_disk / "result"
    more = ["--to", "voc"] if command == "export" else []
    answer = cli(command, scenes, "-o", target, *more)
    assert answer.code == 1
    assert f"the disk that holds {target} is full" in answer.err
    assert os.listdir(small_disk) == ["filler"]


def test_a_full_disk_leaves_the_file_that_was_there(small_disk: Path) -> None:
    (small_disk / "page.html").write_bytes(b"before")
    fill(small_disk)
    with pytest.raises(StoreError, match="is full"):
        disk.write_output(small_disk / "page.html", bytes(9000))
    assert (small_disk / "page.html").read_bytes() == b"before"


def test_recipes_on_a_full_disk(cli, small_disk: Path, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.random.default_rng(i).integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{i}.png")
    fill(small_disk)
    answer = cli("init", tmp_path / "mine", "-o", small_disk)
    assert answer.code == 1 and "is full" in answer.err
    assert os.listdir(small_disk) == ["filler"]


def test_libraries_with_errors_of_their_own(small_disk: Path) -> None:
    """safetensors does not raise OSError where a disk is full."""
    from safetensors.numpy import save_file

    with pytest.raises(StoreError, match="is full"), disk.refusals(small_disk / "model"):
        save_file({"a": np.zeros(1_000_000, dtype=np.float32)}, small_disk / "weights.safetensors")


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), disk.refusals(tmp_path / "model"):
        1 / 0  # noqa: B018
    with pytest.raises(FileNotFoundError), disk.refusals(tmp_path / "model"):
        (tmp_path / "no").read_bytes()


def test_a_file_system_that_becomes_read_only(small_disk: Path, cli, scenes: Path) -> None:
    storage = LocalStorage(small_disk / "out")
    storage.create()
    with storage.lease() as held:
        store = Store(held)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        for work in (
            lambda: store.write(MANIFEST, b"{}"),
            lambda: store.put(MANIFEST, b"{}"),
            lambda: store.set_aside(commit_path(3)),
            lambda: store.log("log/runs.jsonl", "{}"),
            storage.create,
        ):
            with pytest.raises(StoreError, match="its file system is read-only"):
                work()
    with pytest.raises(StoreError, match="its file system is read-only"), LocalStorage(small_disk / "out").lease():
        pass
    answer = cli("preview", scenes, "-o", small_disk / "p.png")
    assert answer.code == 1 and "its file system is read-only" in answer.err


@pytest.mark.parametrize("step", ["fsync", "replace", "link", "unlink", "rmdir", "mkdir"])
def test_a_disk_that_fails(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """At any step of a run, the first call or a late one: told as what it is, and the next run finishes."""
    out, calls, real = tmp_path / "out", 0, getattr(os, step)

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(arguments[0]))
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing)
        try:
            helpers.run(recipe, out)
        except StoreError as error:
            assert "fails (Input/output error)" in str(error)
        else:
            assert step in ("unlink", "rmdir", "mkdir")  # which only clean up, or come before
    (out / ".synthgen" / "lock").unlink(missing_ok=True)  # if the disk kept it: this process still lives
    assert helpers.run(recipe, out).complete


DELETE = """
import os, shutil

def delete_then_draw(self, slots, seeds, draw=Smooth.sample):
    if slots[0].index >= 20:
        shutil.rmtree(os.environ["TEST_DELETED"])
    return draw(self, slots, seeds)

Smooth.sample = delete_then_draw
"""


@pytest.mark.parametrize("part", ["", ".synthgen", ".synthgen/staging"])
def test_a_folder_that_is_deleted_under_a_run(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    plugin, out = tmp_path / "delete.py", tmp_path / "out"
    plugin.write_text(Path(helpers.TOY).read_text() + DELETE)
    monkeypatch.setenv("TEST_DELETED", str(out / part))
    with pytest.raises(
        StoreError, match=r"out, or a folder in it, is not there on .* it was deleted, renamed or unmounted"
    ) as caught:
        helpers.run(recipe, out, plugin_files=[str(plugin)])
    assert "taken over" not in str(caught.value)
    assert not part or not (out / "data" / "train" / "shard-00003.tar").exists()


def test_a_node_that_does_not_see_the_folder(tmp_path: Path) -> None:
    plan = helpers.plan_of(tmp_path)
    content = plan.recipe.model_dump(mode="json") | {"samples": plan.n_samples}
    storage = LocalStorage(tmp_path / "elsewhere", Lease(id="a" * 32, epoch=1))
    job = Job(content, plan.digest, "cpu", (helpers.TOY,), str(tmp_path), storage)
    with pytest.raises(StoreError, match=r"Every node must see the output folder at the same path"):
        Worker(job, plan)
    assert not (tmp_path / "elsewhere").exists()


def test_folders_give_way_to_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (tmp_path / MANIFEST / "inside").mkdir(parents=True)
    store.write(MANIFEST, b"{}")
    assert (tmp_path / MANIFEST).read_bytes() == b"{}"
    assert [path.is_dir() for path in (tmp_path / ".synthgen" / "damaged").iterdir()] == [True]


def test_a_link_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert [disk.file_size(tmp_path / name) for name in ("a", "b", "c", ".")] == [3, -1, -1, -1]
    shutil.copy(tmp_path / "b", tmp_path / "c")
    assert disk.file_size(tmp_path / "c") == 3


def test_a_path_that_cannot_be_one_is_named(cli, recipe: Path, tmp_path: Path) -> None:
    name = "a" * 300
    shown = f"{name[:117]}...: cannot be used: File name too long"
    sampler = helpers.write(tmp_path, helpers.toy(sampler={"use": "class-conditional", "model": name}), "sampler.yaml")
    answer = cli("plan", sampler, "--plugin", helpers.TOY)
    assert answer.code == 2 and f"sampler.yaml:15: sampler: {shown}" in answer.err
    trainers = helpers.ROOT / "recipes" / "train"
    for model in ("classification", "segmentation", "timeseries"):
        answer = cli("train", trainers / f"{model}.yaml", "--set", f"trainer.data.path={name}", "-o", tmp_path / "m")
        assert answer.code == 1 and shown in answer.err, model
    answer = cli(*helpers.run_command(recipe, tmp_path / name)[3:])
    assert answer.code == 1 and "File name too long" in answer.err

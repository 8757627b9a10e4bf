"""Folders: what is on disk when a step returns, whatever power cuts do; logs that a crash cut short."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthgen.dataset.layout import STAGING
from synthgen.dataset.local import LocalStorage

STEPS: dict[str, Callable[[LocalStorage], Any]] = {
    "put": lambda storage: storage.put("commits/a", b"new"),
    "replace": lambda storage: storage.replace("manifest.json", b"new", storage.token("manifest.json")),
    "move": lambda storage: storage.move(stage(storage), "data/train/a"),
    "copy": lambda storage: storage.copy("manifest.json", "kept/a"),
}


def stage(storage: LocalStorage) -> str:
    name = f"{STAGING}/{storage.held.id if storage.held else ''}/a"
    with storage.stage(name) as file:
        file.write(b"new")
    return name


@pytest.mark.parametrize("step", STEPS)
def test_what_a_step_made_visible_outlasts_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A file is on disk before it gets its name, and the folder with that name when the step returns.

    A killed process loses nothing that it wrote, so that no test by kills can see this.
    """
    storage = LocalStorage(tmp_path)
    storage.create()
    synced: set[int] = set()  # inodes of files, and of folders since they last got a name
    named: list[Path] = []
    fsync, before = os.fsync, {name: getattr(os, name) for name in ("link", "replace")}

    def note_fsync(handle: int) -> None:
        fsync(handle)
        synced.add(os.fstat(handle).st_ino)

    def noting(give_name: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        def noted(source: Any, target: Any) -> None:
            assert Path(source).stat().st_ino in synced, f"{source} got a name before it was on disk"
            give_name(source, target)
            synced.discard(Path(target).parent.stat().st_ino)
            named.append(Path(target))

        return noted

    with storage.lease() as held:
        monkeypatch.setattr(os, "fsync", note_fsync)
        held.put("manifest.json", b"old")
        for name, give_name in before.items():
            monkeypatch.setattr(os, name, noting(give_name))
        STEPS[step](held)
        assert named and all(path.parent.stat().st_ino in synced for path in named)
        monkeypatch.undo()


def test_a_line_that_a_crash_cut_short_costs_no_other(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    storage.create()
    storage.append("log/runs.jsonl", b"first\n")
    with open(tmp_path / "log" / "runs.jsonl", "ab") as log:
        log.write(b"sec")
    for line in (b"third\n", b"fourth\n"):
        storage.append("log/runs.jsonl", line)
    assert storage.read_log("log/runs.jsonl") == b"first\nsec\nthird\nfourth\n"

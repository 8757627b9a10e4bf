"""One driver at a time."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from synthgen.dataset import lock
from synthgen.errors import StoreError


def write_lock(folder: Path, age_s: float = 0.0, **facts: object) -> None:
    """A lock as another driver would have left it."""
    found = {"id": "other", "pid": os.getpid(), "born": lock.process_birth(os.getpid()), **lock.host(), **facts}
    (folder / "lock").write_text(json.dumps(found))
    past = time.time() - age_s
    os.utime(folder / "lock", (past, past))


def test_held_while_the_block_runs(tmp_path: Path) -> None:
    with lock.driver_lock(tmp_path) as run_id:
        assert lock.holder(tmp_path)["pid"] == os.getpid()
        with pytest.raises(StoreError, match=f"process {os.getpid()} on"), lock.driver_lock(tmp_path):
            pass
    assert len(run_id) == 32
    assert lock.holder(tmp_path) == {}
    assert not list(tmp_path.iterdir())


def test_a_dead_process_of_this_host_holds_nothing(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for facts in ({"pid": gone.pid}, {"born": "1"}):
        write_lock(tmp_path, **facts)
        with lock.driver_lock(tmp_path):
            assert lock.holder(tmp_path)["pid"] == os.getpid()


def test_another_host_is_believed_for_a_minute(tmp_path: Path) -> None:
    write_lock(tmp_path, age_s=lock.STALE_S / 2, host="elsewhere")
    with pytest.raises(StoreError, match="on elsewhere, last heard of 30 s ago"), lock.driver_lock(tmp_path):
        pass
    write_lock(tmp_path, age_s=lock.STALE_S * 2, host="elsewhere")
    with lock.driver_lock(tmp_path):
        pass


def test_equal_process_numbers_in_another_container_mean_nothing(tmp_path: Path) -> None:
    write_lock(tmp_path, pid=1, pid_namespace="pid:[1]")
    with pytest.raises(StoreError), lock.driver_lock(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_torn_lock_is_stale_after_a_minute(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(StoreError, match="an unknown host"), lock.driver_lock(tmp_path):
        pass
    os.utime(tmp_path / "lock", (0, 0))
    with lock.driver_lock(tmp_path):
        pass


def test_a_driver_that_lives_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another host, which knows of it by the age of its lock alone, finds it alive however long it runs."""
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.02)
    path, deadline = tmp_path / "lock", time.monotonic() + 60
    with lock.driver_lock(tmp_path):
        for _ in range(3):
            os.utime(path, (0, 0))  # a long time later
            while path.stat().st_mtime == 0:
                assert time.monotonic() < deadline
        path.write_text(path.read_text().replace(lock.host()["host"], "elsewhere"))
        with pytest.raises(StoreError, match="on elsewhere, last heard of"), lock.driver_lock(tmp_path):
            pass


def test_a_lock_that_was_taken_over_is_left_alone(tmp_path: Path) -> None:
    with lock.driver_lock(tmp_path):
        write_lock(tmp_path, host="elsewhere")
    assert json.loads((tmp_path / "lock").read_text())["id"] == "other"

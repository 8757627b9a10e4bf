"""`synthgen doctor` and `synthgen models`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from synthgen.models import folders


def test_a_sound_installation(cli) -> None:
    answer = cli("doctor")
    assert answer.code == 0
    assert "everything that synthgen needs is here" in answer.out
    found = {check["name"]: check for check in json.loads(cli("doctor", "--json").out)["checks"]}
    assert {"python", "cores", "memory", "disk", "torch", "device", "ray", *folders.list_starters()} <= set(found)
    assert all(check["state"] in ("ok", "note") for check in found.values())


def test_a_damaged_starter_is_found(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = Path(shutil.copytree(folders.STARTERS, tmp_path / "starters"))
    weights = sorted(copy.rglob("*.safetensors"))[0]
    weights.write_bytes(weights.read_bytes()[:-100])
    monkeypatch.setattr(folders, "STARTERS", copy)
    answer = cli("doctor")
    assert answer.code == 1
    assert "cannot be read" in answer.out
    assert "something that synthgen needs is broken" in answer.out


def test_models(cli) -> None:
    answer = cli("models")
    assert answer.code == 0
    for name in folders.list_starters():
        assert name in answer.out

"""`synthgen models`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tiny


def test_objects_are_named(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    row = next(line for line in cli("models").out.splitlines() if line.startswith("starter/blood-cells"))
    assert "RBC, WBC, Platelets" in row


def test_names_without_their_folder_are_suggested(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny.segmenter(), tmp_path / "models" / "my-photos")
    for words in (("models", "show", "nuclei"), ("models", "nuclei")):
        answer = cli(*words)
        assert answer.code == 1
        assert "did you mean starter/nuclei?" in answer.err
    assert "did you mean models/my-photos?" in cli("models", "show", "my-photos").err
    assert cli("models", "starter/nuclei").out == cli("models", "show", "starter/nuclei").out

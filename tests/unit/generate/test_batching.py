"""`batch_size: auto`: found once for a folder, halved when memory runs out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import helpers
from synthgen import api


class Notes(api.Silent):
    """Keeps what the user is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def recipe(folder: Path, **sampler: object) -> Path:
    parts = {"sampler": {"use": "smooth", "size": 4, **sampler}, "batch_size": "auto", "shard_size": 20}
    return helpers.write(folder, helpers.toy(**parts))


def records(out: Path) -> list[int]:
    return [json.loads(path.read_text())["batch_size"] for path in sorted((out / "commits").iterdir())]


def test_the_largest_that_fits_is_found_once_and_kept(tmp_path: Path) -> None:
    path, out, notes = recipe(tmp_path, memory=6, seconds=0.05), tmp_path / "out", Notes()
    assert helpers.run(path, out, samples=20, observer=notes).complete
    assert "batch size 4: 8 do not fit into memory; pinned for this folder" in notes.texts
    grown = Notes()
    assert helpers.run(path, out, samples=40, observer=grown).complete
    assert records(out) == [4, 4]
    assert helpers.manifest(out)["batch_sizes"] == [4]
    assert not [text for text in grown.texts if "batch size" in text]


def test_it_stops_where_more_is_no_faster(tmp_path: Path) -> None:
    path, out, notes = recipe(tmp_path, seconds_each=0.1), tmp_path / "out", Notes()
    assert helpers.run(path, out, samples=20, observer=notes).complete
    found = [
        re.fullmatch(r"batch size (\d+): \d+ at once are not faster; pinned for this folder", t) for t in notes.texts
    ]
    assert any(match and int(match[1]) <= 4 for match in found), "of 20 that would fit"


def test_memory_that_runs_out_later_halves_it_and_loses_nothing(tmp_path: Path) -> None:
    path, out, notes = recipe(tmp_path, memory=4, memory_later=12, seconds=0.05), tmp_path / "out", Notes()
    assert helpers.run(path, out, samples=40, observer=notes).complete
    assert "a batch of 4 did not fit into memory; going on with 2" in notes.texts
    assert records(out)[-1] == 2
    assert helpers.manifest(out)["samples"] == 40


@pytest.mark.parametrize("error", ['torch.OutOfMemoryError("no room")', "MemoryError()", "np.empty((1 << 50,))"])
def test_a_size_that_the_recipe_fixes_is_not_changed(tmp_path: Path, error: str) -> None:
    """Whoever finds that memory has run out: torch, Python or NumPy."""
    parts = Path(helpers.TOY).read_text().replace('torch.OutOfMemoryError(f"no room for {len(slots)}")', error)
    parts = parts.replace("raise np.empty", "np.empty")
    (tmp_path / "parts.py").write_text(parts)
    path = helpers.write(tmp_path, helpers.toy(sampler={"use": "smooth", "size": 4, "memory": 2}))
    result = helpers.run(path, tmp_path / "out", plugin_files=[str(tmp_path / "parts.py")])
    assert not result.complete
    told = (tmp_path / "out" / "failures" / "shard-00000.json").read_text()
    assert "a batch of 4 does not fit into memory" in told and "--set batch_size=2" in told

"""A kind of data that the package knows nothing of, in one plug-in file, goes through every command."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.utils.data

import helpers
import synthgen
from synthgen.errors import PluginError

FOLDER = helpers.ROOT / "docs" / "examples"
PLUGIN, RECIPE = FOLDER / "melodies.py", FOLDER / "melodies.yaml"
HERE = {"executor": "local", "workers": 1, "device": "cpu"}


def rendered(out: Path, **options: Any) -> None:
    synthgen.run(RECIPE, out, plugin_files=[str(PLUGIN)], **(HERE | options))


@pytest.fixture(scope="module")
def melodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset, rendered once by a process that ended: this one has not read the plug-in file. Do not touch."""
    out = tmp_path_factory.mktemp("melodies") / "out"
    assert helpers.in_fork(lambda: rendered(out)) == 0
    return out


def called(*words: object, code: int = 0) -> str:
    """What a command prints, called in a process of its own, with the plug-in file."""
    done = helpers.call(helpers.command(*words, "--plugin", PLUGIN))
    assert done.returncode == code, done.stderr
    return done.stdout


def resumed(out: Path) -> str:
    """What a run of the recipe says on the way, without its output."""
    words = helpers.command("run", RECIPE, "-o", out, "--executor", "local", "--workers", 1, "--plugin", PLUGIN)
    done = helpers.call(words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def deadly(out: Path, name: str, nth: int) -> Callable[[], None]:
    """A run that kills itself before call number `nth` of a function of `os`; the first links are no commits."""
    import os

    def work() -> None:
        calls, function = 0, getattr(os, name)

        def step(*words: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*words, **options)

        setattr(os, name, step)
        rendered(out)

    return work


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(melodies: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert helpers.in_fork(deadly(out, "link", 5)) == -signal.SIGKILL
    assert "INTERRUPTED" in called("status", out, code=1)
    assert 0 < len(list((out / "commits").glob("*.json"))) < 4
    assert re.search("going on: [123] of 4 shards are done", resumed(out))
    assert helpers.snapshot(out) == helpers.snapshot(melodies)


def test_status_and_verify(melodies: Path) -> None:
    found = json.loads(called("status", melodies, "--json"))
    assert found["complete"] and found["classes"] == {"major": 8, "minor": 6}
    assert set(found["objects"]) >= {"C", "F#"} and sum(found["objects"].values()) > 100
    assert "every file is as it was written" in called("verify", melodies)


def test_damage_is_found_in_files_of_any_writer(melodies: Path, tmp_path: Path) -> None:
    """The next run mends it."""
    copy = Path(shutil.copytree(melodies, tmp_path / "copy"))
    path = next((copy / "ndjson").rglob("*.ndjson"))
    path.write_bytes(path.read_bytes().replace(b'"notes": [[0, ', b'"notes": [[1, ', 1))
    assert called("verify", copy, code=1)
    assert "going on: 3 of 4" in resumed(copy)
    assert helpers.snapshot(copy) == helpers.snapshot(melodies)


def test_a_missing_plug_in_is_named(melodies: Path) -> None:
    for words in (["status", melodies], ["verify", melodies], ["preview", melodies]):
        done = helpers.call(helpers.command(*words))
        assert done.returncode == 2
        assert "field of type `notes`" in done.stderr and "--plugin FILE" in done.stderr

    def work() -> None:
        with pytest.raises(PluginError, match="field of type `notes`"):
            synthgen.load(melodies)

    assert helpers.in_fork(work) == 0


def test_load_and_collate_and_workers(melodies: Path) -> None:
    dataset = synthgen.load(melodies, plugins=[PLUGIN])
    assert len(dataset) == 14 and dataset.classes == ("major", "minor")
    assert [s["key"] for s in dataset] == [dataset[i]["key"] for i in range(14)]
    assert all(np.array_equal(s["notes"], s["notes"]) for i, s in enumerate(dataset))
    assert dataset[0]["notes"].dtype == np.int64 and dataset[0]["notes"][0, 0] == 0
    batch = synthgen.collate([dataset[i] for i in range(3)])
    assert isinstance(batch["notes"], list) and len(batch["notes"]) == 3
    streamed = list(synthgen.load(melodies, streaming=True, split="train"))
    assert [s["key"] for s in streamed] == [s["key"] for s in synthgen.load(melodies, split="train")]
    spawned = torch.utils.data.DataLoader(
        dataset, batch_size=7, num_workers=1, collate_fn=synthgen.collate, multiprocessing_context="spawn"
    )
    assert [key for part in spawned for key in part["key"]] == [s["key"] for s in dataset]


def test_what_is_measured_and_reported(melodies: Path, tmp_path: Path) -> None:
    real = tmp_path / "played.jsonl"
    real.write_text(json.dumps({"notes": [[0, 4, 60], [4, 4, 61]]}) + "\n", encoding="utf-8")
    copy = Path(shutil.copytree(melodies, tmp_path / "copy"))
    assert "pitch classes: total variation 0." in called("evaluate", copy, "--real", real)
    page = tmp_path / "report.html"
    called("report", copy, "-o", page)
    text = page.read_text(encoding="utf-8")
    assert "total variation" in text and "data:image/png" in text and "F#" in text


@pytest.mark.parametrize("target", ["recipe", "dataset"])
def test_previews_show_the_value_as_its_field_does(melodies: Path, tmp_path: Path, target: str) -> None:
    import PIL.Image

    out = tmp_path / "sheet.png"
    called("preview", RECIPE if target == "recipe" else melodies, "-o", out, "--samples", 4)
    pixels = np.asarray(PIL.Image.open(out).convert("RGB"))
    assert (pixels == (9, 105, 218)).all(2).sum() > 400


def test_exports_are_of_the_plug_in_too(melodies: Path, tmp_path: Path) -> None:
    assert "midi" in called("plugins", "exporters")
    assert "exported  14 samples" in called("export", melodies, "--to", "midi", "-o", tmp_path / "midi")
    files = sorted((tmp_path / "midi").rglob("*.mid"))
    notes = {sample["key"]: sample["notes"] for sample in synthgen.load(melodies, plugins=[PLUGIN])}
    assert {path.stem for path in files} == set(notes)
    for path in files:
        raw = path.read_bytes()
        assert raw[:4] == b"MThd" and raw[22:].count(0x90) >= len(notes[path.stem])
    done = helpers.call(helpers.command("export", melodies, "--to", "csv", "-o", tmp_path / "x", "--plugin", PLUGIN))
    assert done.returncode == 2 and "tables are of series" in done.stderr


def test_the_card_and_croissant_say_what_it_is(melodies: Path) -> None:
    card = (melodies / "README.md").read_text(encoding="utf-8")
    assert "notes, each with start and duration in steps (of 32) and MIDI pitch" in card
    assert 'load_dataset("json", data_files="<this folder>/ndjson/**")' in card
    found = json.loads((melodies / "croissant.json").read_text(encoding="utf-8"))
    field = next(f for f in found["recordSet"][0]["field"] if f["name"] == "notes")
    assert field["dataType"] == "sc:StructuredValue" and field["repeated"]
    assert field["source"]["extract"] == {"column": "notes"}


@pytest.mark.parametrize("writer", ["parquet", "webdataset"])
def test_other_writers_take_the_field(melodies: Path, tmp_path: Path, writer: str) -> None:
    synthgen.run(RECIPE, tmp_path / "out", plugin_files=[str(PLUGIN)], overrides=[f"output.writers=[{writer}]"], **HERE)
    for one, other in zip(synthgen.load(tmp_path / "out"), synthgen.load(melodies), strict=True):
        assert np.array_equal(one["notes"], other["notes"])
    if writer == "parquet":
        import datasets

        files = [str(path) for path in (tmp_path / "out").rglob("parquet/**/*.parquet")]
        table = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "hub"))
        assert len(table) == 14 and len(table[0]["notes"][0]) == 3


@pytest.mark.ray
@pytest.mark.slow
def test_the_same_bytes_on_ray(melodies: Path, tmp_path: Path, cluster: str) -> None:
    called("run", RECIPE, "-o", tmp_path / "out", "--executor", "ray", "--address", cluster, "--workers", 2)
    assert helpers.snapshot(tmp_path / "out") == helpers.snapshot(melodies)

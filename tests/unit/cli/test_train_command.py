"""`synthgen train`: what is printed at the end, on the way and when it is stopped."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest

import helpers
import tiny
from synthgen.readers.images.labelled import DIGITS

QUICK = {"steps": 2, "batch_size": 2, "checkpoint_every": 2}
NETWORK = {"network": {"patch_size": 2, "channels": [8, 16]}, "crop": 32}


def model(folder: Path, use: str, **settings: object) -> Path:
    recipe = {"kind": "model", "name": "m", "trainer": {"use": use, **QUICK, **settings}}
    return helpers.write(folder, recipe, "m.yaml")


@pytest.mark.parametrize(
    ("use", "settings", "line"),
    [
        ("layout-to-image", NETWORK, "sampler: {use: layout-to-image, model: models/m}"),
        ("segmenter", {"crop": 32, "widths": [8, 16]}, "labelers: [{use: segmenter, model: models/m}]"),
        (
            "detector",
            {"crop": 32, "widths": [8, 16], "data": tiny.box_data()},
            "labelers: [{use: detector, model: models/m}]",
        ),
    ],
)
def test_the_end_says_how_recipes_name_the_model(cli, tmp_path: Path, monkeypatch, use, settings, line) -> None:
    monkeypatch.chdir(tmp_path)
    answer = cli("train", model(tmp_path, use, **{"data": tiny.mask_data(), **settings}), "--device", "cpu")
    assert answer.code == 0, answer.err
    assert line in next(text for text in answer.out.splitlines() if text.startswith("use it "))


@pytest.mark.slow
def test_a_stopped_training_says_its_command_and_where_it_goes_on(cli, tmp_path: Path) -> None:
    recipe = model(tmp_path, "classifier", data={"path": DIGITS}, widths=[8, 16], steps=100000)
    words = ["train", str(recipe), "-o", str(tmp_path / "my model"), "--device", "cpu"]
    said = stopped(words)
    assert f"which is kept. Go on with: synthgen {shlex.join(words)}\n" in said
    step = int(said.partition("interrupted at step ")[2].partition(",")[0])
    assert f"went on from step {step} of 100000\n" in stopped(words)


def stopped(words: list[str]) -> str:
    """What a training says that gets a SIGINT after a checkpoint."""
    process = helpers.start(helpers.command(*words))
    assert process.stderr is not None
    said = ""
    while not said.rpartition("\n")[0].rpartition("\n")[2].startswith("step "):
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    said += process.stderr.read()
    assert process.wait() == 130
    return said

"""`synthgen train`: what is printed at the end, on the way and when it is stopped."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import helpers
import synthgen
import tiny
from synthgen.readers.images.labelled import DIGITS
from synthgen.trainers.images.classifier import _Task as ClassifierTask

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


def classifier(folder: Path, **settings: object) -> Path:
    return model(folder, "classifier", data={"path": DIGITS}, widths=[8, 16], checkpoint_every=4, **settings)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Trainings die after so many steps."""

    def losses(self: object, batch: object) -> object:
        counted.append(None)
        if len(counted) > step:
            raise RuntimeError("the power went")
        return compute(self, batch)

    compute, counted = ClassifierTask.losses, list[None]()
    monkeypatch.setattr(ClassifierTask, "losses", losses)


def test_a_training_is_ended_at_its_last_checkpoint_and_gone_on_with(cli, tmp_path: Path, monkeypatch) -> None:
    """Killed after step 9 of 10: the model is that of step 8, and later that of step 10 as if nothing had happened."""
    recipe = classifier(tmp_path, steps=10)
    words = ["train", recipe, "-o", tmp_path / "m", "--device", "cpu"]
    early = cli(*words, "--finish")
    assert early.code == 2 and "--finish: there is no checkpoint in" in early.err and not (tmp_path / "m").exists()
    with monkeypatch.context() as patch:
        stop_at(patch, 9)
        with pytest.raises(RuntimeError, match="power"):
            synthgen.train(recipe, tmp_path / "m", device="cpu")
    assert not (tmp_path / "m" / "config.json").exists()
    answer = cli(*words, "--finish")
    assert answer.code == 0 and "the last checkpoint, step 8 of 10, is the model" in answer.err
    card = (tmp_path / "m" / "README.md").read_text()
    assert "| steps | 8 of 10 |\n" in card and "was ended at step 8 of 10:" in card
    averages = load_file(tmp_path / "m" / "training" / "checkpoints" / "step-00000008" / "ema.safetensors")
    assert same_weights(tmp_path / "m", averages)
    assert cli(*words).code == 0
    assert cli("train", recipe, "-o", tmp_path / "whole", "--device", "cpu").code == 0
    assert same_weights(tmp_path / "m", weights(tmp_path / "whole"))
    assert (tmp_path / "m" / "README.md").read_text().splitlines()[6:] == (
        (tmp_path / "whole" / "README.md").read_text().replace("# whole", "# m").splitlines()[6:]
    )
    assert not (tmp_path / "m" / "training" / "ended.json").exists()


def test_fewer_steps_than_are_done_end_a_training(cli, tmp_path: Path, monkeypatch) -> None:
    recipe = classifier(tmp_path, steps=10)
    words = ["train", recipe, "-o", tmp_path / "m", "--device", "cpu"]
    with monkeypatch.context() as patch:
        stop_at(patch, 9)
        with pytest.raises(RuntimeError, match="power"):
            synthgen.train(recipe, tmp_path / "m", device="cpu")
    between = cli(*words, "--set", "trainer.steps=9")
    assert between.code == 1 and "(steps); undo the change, make a model of it as it is with --finish," in between.err
    assert cli(*words, "--set", "trainer.steps=5").code == 0
    card = (tmp_path / "m" / "README.md").read_text()
    assert "| steps | 8 of 10 |\n" in card and "was ended at step 8 of 10:" in card
    other = cli(*words, "--finish", "--set", "trainer.learning_rate=0.5")
    assert other.code == 1 and "other settings or data (learning_rate)" in other.err


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def same_weights(folder: Path, expected: dict[str, torch.Tensor]) -> bool:
    """Whether all of these weights are those of a model."""
    found = weights(folder)
    return bool(expected) and all(torch.equal(found[name], value) for name, value in expected.items())

"""From labelled images to model folders that recipes use: the digits, a few steps each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import helpers
import synthgen
from synthgen.errors import ModelError, RecipeError
from synthgen.models import folders, registry
from synthgen.readers.images import labelled as data
from synthgen.trainers.images.classifier import fit_temperature

ROOT = Path(__file__).parents[3]
QUICK = ["trainer.steps=6", "trainer.checkpoint_every=3", "trainer.sample_every=6", "trainer.network.channels=[8, 16]"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped digits recipe at six steps."""
    out = tmp_path_factory.mktemp("models") / "digits"
    return synthgen.train(ROOT / "recipes" / "train" / "classification.yaml", out, overrides=QUICK, device="cpu")


@pytest.fixture(scope="module")
def filter_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filter")
    recipe = {
        "kind": "model",
        "name": "filter",
        "trainer": {
            "use": "classifier",
            "data": {"path": data.DIGITS, "licence": "cc-by-4.0"},
            "widths": [16, 32],
            "steps": 150,
            "warmup_steps": 10,
            "learning_rate": 3e-3,
            "ema_decay": 0.9,
            "shift_px": 0,
            "checkpoint_every": 150,
        },
    }
    path = helpers.write(folder, recipe, "filter.yaml")
    return synthgen.train(path, folder / "filter", device="cpu")


def test_folder_holds_pipeline_card_pictures_and_logs(digits: Path) -> None:
    names = {path.relative_to(digits).as_posix() for path in digits.rglob("*")}
    assert {"model_index.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"} <= names
    assert {"training/losses.png", "training/losses.jsonl", "training/samples-000006.png"} <= names
    assert any(name.startswith("training/tensorboard/events") for name in names)
    assert not [name for name in names if name.endswith((".pt", ".bin", ".pkl"))]
    card = folders.read_card(digits)
    assert (card["license"], card["resolution"], card["channels"]) == ("cc-by-4.0", 8, 1)
    assert "validation loss, high noise" in (digits / "README.md").read_text()
    modes = {path.stat().st_mode for path in (digits / "README.md", *digits.glob("unet/*"))}
    assert len(modes) == 1, "who may read the card may read the weights"


def test_model_is_usable_in_a_recipe_at_once(digits: Path, filter_model: Path, tmp_path: Path) -> None:
    recipe = {
        "kind": "dataset",
        "name": "digits",
        "shard_size": 6,
        "batch_size": 4,
        "condition": {"use": "classes", "quotas": {"3": 4, "7": 6}},
        "sampler": {"use": "class-conditional", "model": str(digits), "steps": 3},
        "labelers": [{"use": "class-label"}],
        "scorers": [{"use": "agreement", "model": str(filter_model)}],
        "tries": 1,
    }
    result = synthgen.run(helpers.write(tmp_path, recipe), tmp_path / "out", workers=1, device="cpu")
    assert result.complete
    assert result.manifest["classes"] == {"3": 4, "7": 6}
    assert [source["licence"] for source in result.manifest["sources"]] == ["cc-by-4.0", "cc-by-4.0"]
    samples = synthgen.load(tmp_path / "out")
    assert samples[0]["image"].shape == (8, 8, 1)
    assert 0 <= samples[0]["agreement"] <= 1


def test_the_same_command_again_changes_no_weights(digits: Path) -> None:
    before = folders.weights_sha256(digits)
    recipe = ROOT / "recipes" / "train" / "classification.yaml"
    synthgen.train(recipe, digits, overrides=QUICK, device="cpu")
    assert folders.weights_sha256(digits) == before
    with pytest.raises(ModelError, match=r"other settings or data \(steps\)"):
        synthgen.train(recipe, digits, overrides=[*QUICK, "trainer.steps=9"], device="cpu")


def test_classifier_learns(filter_model: Path) -> None:
    test = data.read(data.DIGITS, "test")
    network = registry.load_network(filter_model, "cpu")
    probabilities = network.predict_proba(test.images)
    assert (probabilities.argmax(1) == test.labels).mean() > 0.8


def test_settings_are_checked_before_anything_is_trained(tmp_path: Path) -> None:
    recipe = yaml.safe_load((ROOT / "recipes" / "train" / "classification.yaml").read_text())
    recipe["trainer"]["step"] = recipe["trainer"].pop("steps")
    path = helpers.write(tmp_path, recipe)
    with pytest.raises(RecipeError, match=r"trainer\.step: unknown key `step`; did you mean `steps`\?"):
        synthgen.train(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_temperature_undoes_overconfidence() -> None:
    import torch

    random = torch.Generator().manual_seed(0)
    logits = torch.randn(2000, 5, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0].numpy().astype(np.int64)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.15)

"""Classes by what a diffusion model sees: from a few labelled images to labels of others, and datasets of those."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import synthgen
import tiny
from synthgen.errors import DataError, ModelError
from synthgen.models import registry
from synthgen.models.images.feature_classifier import features_of
from synthgen.models.sampling import noisy_input
from synthgen.trainers.images.feature_classifier import FeatureClassifierTrainer


def bands(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of 16 x 16 pixels, uint8 (N, H, W, 1), that are dark at the left or at the top, and which."""
    random = np.random.default_rng(seed)
    images = random.normal(150, 20, (n, 16, 16, 1))
    labels = np.arange(n) % 2
    images[labels == 0, :, :6] -= 110
    images[labels == 1, :6] -= 110
    return images.clip(0, 255).astype(np.uint8), labels


def folder_of(root: Path, n: int, seed: int, by_class: bool) -> Path:
    for i, (image, label) in enumerate(zip(*bands(n, seed), strict=True)):
        place = root / ("left", "top")[label] if by_class else root
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(place / f"{i:03d}.png")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("features")
    data = {"path": str(folder_of(root / "few", 12, 0, by_class=True))}
    config = FeatureClassifierTrainer.Config.model_validate({"data": data, "base": tiny.class_conditional()})
    return FeatureClassifierTrainer(config).train(root / "head", 0, device="cpu", quiet=True)


def test_few_labels_name_unseen_images(model: Path) -> None:
    classifier = registry.load_pipeline(model, "cpu", torch.float32)
    images, labels = bands(40, 1)
    probabilities = classifier.predict_proba(images)
    assert probabilities.shape == (40, 2) and np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert (probabilities.argmax(1) == labels).mean() > 0.9
    alone = classifier.predict_proba(images[:1])
    assert np.allclose(alone, probabilities[:1], atol=1e-5), "an image's classes do not depend on others"
    card = (model / "README.md").read_text()
    assert "## Scores on the training images, in cross-validation" in card and "confidence >=" in card


def test_activations_are_those_of_every_block_and_level() -> None:
    pipeline = registry.load_pipeline(Path(tiny.class_conditional()), "cpu", torch.float32)
    images, patch = bands(3, 2)[0], int(pipeline.config.patch_size)
    one = features_of(pipeline.unet, pipeline.scheduler, images, patch, (0.3,))
    two = features_of(pipeline.unet, pipeline.scheduler, images, patch, (0.3, 1.0))
    assert two.shape == (3, 2 * one.shape[1]) and np.array_equal(two[:, : one.shape[1]], one)
    assert not any(block._forward_hooks for block in pipeline.unet.down_blocks), "hooks are taken away"


def test_noise_is_as_strong_as_the_level_says() -> None:
    from diffusers import DDIMScheduler, EDMDPMSolverMultistepScheduler

    x, noise = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 2.0)
    seen, time = noisy_input(EDMDPMSolverMultistepScheduler(sigma_data=0.5), x, noise, 0.5)
    assert torch.allclose(seen, torch.full_like(x, 2 / 0.5**0.5)) and float(time) == pytest.approx(np.log(0.5) / 4)
    scheduler = DDIMScheduler()
    seen, step = noisy_input(scheduler, x, noise, 1.0)
    signal = float(scheduler.alphas_cumprod[step])
    assert signal == pytest.approx(0.5, abs=0.01)
    assert torch.allclose(seen, torch.full_like(x, signal**0.5 + 2 * (1 - signal) ** 0.5))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": {"path": "few", "validation": 0.2}}, "accuracy is that of cross-validation"),
    ],
)
def test_settings_that_mean_nothing_here_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureClassifierTrainer.Config.model_validate({"base": "starter/fashion-mnist", **settings})


def test_what_cannot_be_learned_is_named(tmp_path: Path) -> None:
    few = folder_of(tmp_path / "few", 6, 0, by_class=True)
    for path in sorted((few / "top").iterdir())[1:]:
        path.unlink()
    values = {"data": {"path": str(few)}, "base": tiny.class_conditional()}
    trainer = FeatureClassifierTrainer(FeatureClassifierTrainer.Config.model_validate(values))
    with pytest.raises(DataError, match="class `top` has 1 images; two are needed"):
        trainer.train(tmp_path / "out", 0, device="cpu")
    with pytest.raises(ModelError, match=r"trainer\.use: class-conditional"):
        FeatureClassifierTrainer(FeatureClassifierTrainer.Config.model_validate(values | {"base": tiny.layouts()}))


def test_real_images_become_a_labelled_dataset(cli, model: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "more", 10, 3, by_class=False)
    answer = cli("label", "more", "--model", model, "--device", "cpu")
    assert answer.code == 0, answer.err
    (out,) = (tmp_path / "runs").iterdir()
    found = synthgen.load(out)
    assert len(found) == 10
    sources = {sample["source"]: sample for sample in found}
    right = 0
    for name, sample in sources.items():
        number = int(Path(name).stem)
        assert np.array_equal(
            sample["image"], np.asarray(Image.open(tmp_path / "more" / f"{number:03d}.png"))[..., None]
        )
        right += sample["label"] == number % 2
        assert 0.5 <= sample["confidence"] <= 1
    assert right >= 8
    assert (out / "manifest.json").is_file() and json.loads((out / "manifest.json").read_text())["complete"]
    card = (out / "README.md").read_text()
    assert "Its samples are from the data named below, as they were there" in card
    assert "synthetic" not in card and "diffusion model" not in card
    (tmp_path / "more-labels.yaml").write_text("kind: dataset")
    again = cli("label", "more", "--model", model, "--device", "cpu")
    assert again.code != 0 and "more-labels.yaml exists already, with other settings" in again.err


def test_deep_images_are_read_as_those_that_were_learned_from(cli, tmp_path: Path, monkeypatch) -> None:
    """Values up to 4,000 mean the same in a folder of dark images, and 8 bits are no range."""
    monkeypatch.chdir(tmp_path)
    for i, (image, label) in enumerate(zip(*bands(12, 0), strict=True)):
        place = tmp_path / "few" / ("left", "top")[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0].astype(np.uint16) * 16).save(place / f"{i}.png")
    values = {"data": {"path": "few"}, "base": tiny.class_conditional()}
    FeatureClassifierTrainer(FeatureClassifierTrainer.Config.model_validate(values)).train(
        tmp_path / "head", 0, device="cpu", quiet=True
    )
    (tmp_path / "dark").mkdir()
    Image.fromarray(np.full((16, 16), 160, np.uint16)).save(tmp_path / "dark" / "0.png")
    answer = cli("label", "dark", "--model", "head", "--device", "cpu")
    assert answer.code == 0, answer.err
    assert "range: [0.0, 4095.0]" in (tmp_path / "dark-labels.yaml").read_text()
    [sample] = synthgen.load(next((tmp_path / "runs").iterdir()))
    assert (sample["image"] == 10).all()
    words = ("label", "dark", "--model", "head", "--name", "other", "--device", "cpu", "--range")
    assert cli(*words, 0, 255).code == 0 and "range: [0.0, 255.0]" in (tmp_path / "other.yaml").read_text()
    answer = cli(*words, 255, 0)
    assert answer.code == 2 and "--range: must rise, such as 0 4095 (got 255 0)" in answer.err


def test_one_class_is_nothing_to_tell_apart(tmp_path: Path) -> None:
    folder_of(tmp_path / "few", 12, 0, by_class=True)
    for path in (tmp_path / "few" / "top").iterdir():
        path.unlink()
    (tmp_path / "few" / "top").rmdir()
    values = {"data": {"path": str(tmp_path / "few")}, "base": tiny.class_conditional()}
    [problem] = FeatureClassifierTrainer(FeatureClassifierTrainer.Config.model_validate(values)).check()
    assert "has one class, `left`; two or more are needed to tell apart" in str(problem)


def test_one_image_without_a_label_says_nothing_of_what_varies(tmp_path: Path) -> None:
    data = {"path": str(folder_of(tmp_path / "few", 12, 0, by_class=True))}
    data["unlabelled"] = str(folder_of(tmp_path / "more", 1, 5, by_class=False))
    config = FeatureClassifierTrainer.Config.model_validate({"data": data, "base": tiny.class_conditional()})
    [problem] = FeatureClassifierTrainer(config).check()
    assert "has one image that is not among the labelled ones; two or more say what varies" in str(problem)


def test_models_that_label_nothing_are_refused(cli, tmp_path: Path) -> None:
    folder_of(tmp_path / "more", 2, 3, by_class=False)
    wrong = cli("label", tmp_path / "more", "--model", "starter/fashion-mnist")
    assert (
        wrong.code != 0
        and "data can be labelled by: FeatureClassifier, Segmenter, Detector, StepClassifier" in wrong.err
    )
    sized = cli("label", tmp_path / "more", "--model", "starter/nuclei-filter")
    assert sized.code != 0 and "such as --size 256 or --size 640x480" in sized.err

"""Class-conditional training on made images: what it learns, and what each of its settings changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from synthgen.models import registry
from synthgen.trainers.images.class_conditional import ClassConditionalTrainer

SIDE, N_DRAWN = 8, 64
NETWORK = {"patch_size": 2, "channels": [16, 16], "attention_levels": 0}
LEARN = {
    "network": NETWORK,
    "steps": 120,
    "learning_rate": 5e-3,
    "ema_decay": 0.9,
    "batch_size": 32,
    "warmup_steps": 10,
}
QUICK = LEARN | {"steps": 12, "batch_size": 8, "warmup_steps": 1}
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def bands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 images of 8 x 8 pixels in two classes: a bright band at the top or at the bottom, the left always brighter."""
    root = tmp_path_factory.mktemp("bands")
    random = np.random.default_rng(0)
    for i in range(96):
        pixels = random.normal(60, 12, (SIDE, SIDE))
        pixels[slice(0, 3) if i % 2 else slice(5, 8)] += 120
        pixels[:, :2] += 60
        folder = root / ("bottom", "top")[i % 2]
        folder.mkdir(exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:02d}.png")
    return root


def train(data: Path, out: Path, **settings: Any) -> Path:
    common = {"data": {"path": str(data), "licence": "cc0-1.0", "validation": 0.25}, "checkpoint_every": 60}
    config = ClassConditionalTrainer.Config.model_validate({**common, "sample_every": 1000, **settings})
    return ClassConditionalTrainer(config).train(out, 0, device="cpu", quiet=True)


def losses(out: Path, name: str = "validation loss") -> list[float]:
    """A loss at each checkpoint."""
    return [json.loads(line)[name] for line in (out / "training" / "losses.jsonl").read_text().splitlines()]


def drawn(out: Path, label: int, guidance: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """How much brighter the top is than the bottom, and the left than the right, of each of 64 images: two (64,)."""
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn(N_DRAWN, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    options = {"latents": latents, "num_inference_steps": 10, "output_type": "uint8"}
    images = pipeline([label] * N_DRAWN, guidance, **options).images[..., 0].astype(float)
    top, bottom, left, right = images[:, :3], images[:, 5:], images[:, :, :2], images[:, :, 6:]
    means = [part.mean((1, 2)) for part in (top, bottom, left, right)]
    return means[0] - means[1], means[2] - means[3]


@pytest.fixture(scope="module")
def plain(bands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained without mirroring and without hidden labels."""
    return train(bands, tmp_path_factory.mktemp("plain") / "out", flip=False, label_dropout=0.0, **LEARN)


@pytest.fixture(scope="module")
def rich(bands: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained with both."""
    return train(bands, tmp_path_factory.mktemp("rich") / "out", flip=True, label_dropout=0.2, **LEARN)


def test_it_learns_the_images_of_each_class(plain: Path, rich: Path) -> None:
    for out in (plain, rich):
        assert (drawn(out, 0)[0] < -60).mean() > 0.95, "`bottom` is brighter at the bottom"
        assert (drawn(out, 1)[0] > 60).mean() > 0.95, "`top` is brighter at the top"


def test_held_out_loss_falls(bands: Path, plain: Path, tmp_path: Path) -> None:
    (untrained,) = losses(train(bands, tmp_path / "out", **LEARN | {"steps": 1}, flip=False, label_dropout=0.0))
    halfway, end = losses(plain)
    assert end < halfway < untrained
    assert end < 0.6 * untrained


def test_flip_mirrors_half_of_the_images(plain: Path, rich: Path) -> None:
    assert (drawn(plain, 0)[1] > 0).mean() > 0.95, "without it, the left is brighter as it is in the data"
    assert 0.25 < (drawn(rich, 0)[1] > 0).mean() < 0.75


def test_hidden_labels_teach_what_guidance_starts_from(plain: Path, rich: Path) -> None:
    """Guidance of 0 draws without a class: images of both classes, each a whole one."""
    tops, _ = drawn(rich, 0, guidance=0.0)
    assert 0.2 < (tops > 0).mean() < 0.8
    assert (abs(tops) > 60).mean() > 0.9
    assert abs(drawn(rich, 0, guidance=3.0)[0].mean() - drawn(rich, 0)[0].mean()) < 25, "the classes do not overlap"
    never_hidden, _ = drawn(plain, 0, guidance=0.0)
    assert not 0.2 < (never_hidden > 0).mean() < 0.8


@pytest.mark.parametrize(("dropout", "learns"), [(0.0, False), (0.5, True)])
def test_no_class_is_learnt_only_from_hidden_labels(bands: Path, tmp_path: Path, dropout: float, learns: bool) -> None:
    more = QUICK | {"label_dropout": dropout, "weight_decay": 0.0}
    first, last = (
        load_file(train(bands, tmp_path / str(steps), **more | {"steps": steps}) / WEIGHTS) for steps in (1, 12)
    )
    name = "class_embedding.weight"
    assert not torch.equal(first[name][:2], last[name][:2])
    assert torch.equal(first[name][2], last[name][2]) is not learns


def test_the_norm_of_a_gradient_is_bounded(bands: Path, tmp_path: Path) -> None:
    """With a bound far below AdamW's epsilon no weight moves any more; with the usual one all layers do."""

    def moved(name: str, **more: float) -> float:
        settings = QUICK | {"weight_decay": 0.0, "ema_decay": 0.0} | more
        pairs = [load_file(train(bands, tmp_path / f"{name}{n}", **settings | {"steps": n}) / WEIGHTS) for n in (1, 12)]
        return max(float((pairs[0][key] - pairs[1][key]).abs().max()) for key in pairs[0])

    assert moved("usual") > 1e-2
    assert moved("bounded", max_grad_norm=1e-14) < 1e-4


def test_noise_mean_decides_which_noise_levels_are_learnt(bands: Path, tmp_path: Path) -> None:
    """Errors at a noise level are measured on the same images, whatever a model was trained on."""
    low, high = (
        train(bands, tmp_path / str(mean), log_sigma_mean=mean, log_sigma_std=0.5, **LEARN | {"steps": 60})
        for mean in (-2.5, 1.0)
    )
    assert error(low, bands, sigma=0.08) < 0.8 * error(high, bands, sigma=0.08)
    assert error(high, bands, sigma=2.7) < 0.8 * error(low, bands, sigma=2.7)


def error(out: Path, data: Path, sigma: float) -> float:
    """Mean squared error of the images that a model makes of noisy ones in one step."""
    pipeline = registry.load_pipeline(out, "cpu", torch.float32)
    files = sorted(data.rglob("*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    x = torch.nn.functional.pixel_unshuffle(torch.from_numpy(pixels / 127.5 - 1).float()[:, None], 2)
    labels = torch.tensor([pipeline.classes.index(file.parent.name) for file in files])
    noisy = x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    scheduler = pipeline.scheduler
    with torch.inference_mode():
        level = torch.tensor(sigma)
        output = pipeline.unet(noisy * scheduler._get_conditioning_c_in(level), level.log() / 4, labels).sample
        return float((scheduler.precondition_outputs(noisy, output, level) - x).square().mean())

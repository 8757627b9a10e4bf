"""Small text-to-image models with random weights, tuned on a dozen red images."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

import helpers
import tiny
from synthgen import seeds
from synthgen.errors import DataError, ModelError
from synthgen.models import folders, hub
from synthgen.models.sampling import torch_generator
from synthgen.models.text_to_image import adapters
from synthgen.readers.images import captioned
from synthgen.samplers.text_to_image import TextToImage
from synthgen.trainers.text_to_image import latent
from synthgen.trainers.text_to_image import task as latent_task
from synthgen.trainers.text_to_image.trainer import TextToImageTrainer
from synthgen.training import loop

LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "conv_in", "conv_out"]
QUICK = {"steps": 4, "batch_size": 2, "checkpoint_every": 2, "sample_every": 4, "sample_steps": 2, "warmup_steps": 1}
WORD = {"placeholder": "<mine>", "initialize_from": "wall", "vectors": 2}


def train(out: Path, **settings: Any) -> Path:
    common = {"base": tiny.stable_diffusion(), "data": tiny.wall(), "resolution": 16, "precision": "fp32", **QUICK}
    config = TextToImageTrainer.Config.model_validate({**common, **settings})
    return TextToImageTrainer(config).train(out, 0, device="cpu", quiet=True)


def pipeline_of(base: str, *loaded: Path) -> Any:
    pipeline = hub.load_pipeline(hub.pipeline_reference(hub.ModelSettings(model=base)), "Text2Image", torch.float32)
    adapters.apply(pipeline, [(adapters.read(str(path)), 1.0) for path in loaded])
    return pipeline


def drawn(pipeline: Any, prompt: str, n: int = 8, **more: Any) -> torch.Tensor:
    options = {"height": 16, "width": 16, "num_inference_steps": 8, "guidance_scale": 1.0, "output_type": "latent"}
    found: torch.Tensor = pipeline(
        [prompt] * n, generator=[torch_generator(i) for i in range(n)], **{**options, **more}
    ).images
    return found


def far(x: torch.Tensor, real: torch.Tensor) -> float:
    """Distance of means and deviations over samples, of each latent."""
    return float((x.mean(0) - real.mean(0)).abs().mean() + (x.std(0) - real.std(0)).abs().mean())


@pytest.mark.slow
@pytest.mark.parametrize("base", [tiny.stable_diffusion, tiny.stable_diffusion_xl])
def test_a_lora_moves_what_is_drawn_towards_the_pictures(base: Any, tmp_path: Path) -> None:
    """The same seeds and prompts, with and without it; the images as the VAE sees them."""
    more = {"lora": {"rank": 8, "target_modules": LAYERS}, "learning_rate": 2e-2, "ema_decay": 0.8}
    steps = {"steps": 50, "batch_size": 4, "checkpoint_every": 50, "sample_every": 50}
    out = train(tmp_path / "out", base=base(), **more, **steps)
    plain, tuned = pipeline_of(base()), pipeline_of(base(), out)
    images = captioned.read(captioned.CaptionData.model_validate(tiny.wall()), 16)
    latents = latent.encode_pictures(plain, images, False)
    real = (latents.mean[0] - latents.shift) * latents.scale
    before, after = (far(drawn(pipeline, "a red wall"), real) for pipeline in (plain, tuned))
    assert after < 0.7 * before
    assert (out / adapters.LORA).exists()
    assert {p.name for p in (out / "training").glob("samples-*.png")} == {"samples-000000.png", "samples-000050.png"}
    card = folders.read_card(out)
    assert (card["license"], card["datasets"]) == ("cc-by-4.0 and cc0-1.0", ["walls"])
    assert card["base_model"] == Path(base()).name
    assert str(tmp_path) not in (out / "README.md").read_text() + (out / "config.json").read_text()


def test_what_is_loaded_is_what_was_trained(tmp_path: Path) -> None:
    """Layers of attention and convolutions alike, and alpha."""
    lora = {"rank": 4, "alpha": 2, "target_modules": LAYERS}
    out = train(tmp_path / "out", lora=lora, learning_rate=1e-2, ema_decay=0.0)
    saved = sorted((out / "training" / "checkpoints").iterdir())[-1] / "ema.safetensors"
    loaded = pipeline_of(tiny.stable_diffusion(), out).unet
    own = {name.replace(".lora_0.", ".default."): value for name, value in loaded.named_parameters()}
    trained = load_file(saved)
    assert trained
    assert all(torch.equal(own[name], value) for name, value in trained.items())
    assert loaded.conv_in.scaling["lora_0"] == 0.5


def test_killed_and_resumed_ends_with_the_same_weights(tmp_path: Path) -> None:
    """SIGKILL just before the second checkpoint is there; the prior is not generated twice."""
    prior = {"prompt": "a wall", "samples": 4, "steps": 2}
    whole = train(tmp_path / "whole", prior=prior, learning_rate=1e-2)

    def killed() -> None:
        calls, replace = 0, os.replace

        def deadly(*args: Any, **kwargs: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == 5:  # two pieces of the prior, a checkpoint and its scores are there
                os.kill(os.getpid(), signal.SIGKILL)
            replace(*args, **kwargs)

        os.replace = deadly
        train(tmp_path / "cut", prior=prior, learning_rate=1e-2)

    assert helpers.in_fork(killed) == -signal.SIGKILL
    work = tmp_path / "cut" / "training"
    assert [path.name for path in (work / "checkpoints").glob("step-*")] == ["step-00000002"]
    times = {path: path.stat().st_mtime_ns for path in (work / "prior").glob("piece-*")}
    assert len(times) == 2
    cut = train(tmp_path / "cut", prior=prior, learning_rate=1e-2)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (cut / adapters.LORA).read_bytes() == (whole / adapters.LORA).read_bytes()


@pytest.mark.slow
def test_prior_pictures_are_drawn_by_the_base_and_count(tmp_path: Path) -> None:
    prior = {"prompts": ["a wall", "a door"], "samples": 5, "steps": 2}
    out = train(tmp_path / "a", prior=prior, learning_rate=1e-2)
    pieces = sorted((out / "training" / "prior").glob("piece-*"))
    images = np.concatenate([np.load(piece) for piece in pieces])
    assert images.shape == (5, 16, 16, 3)
    numbers = [seeds.seed_of(0, "prior", i) for i in (0, 1)]
    again = latent_task.draw(pipeline_of(tiny.stable_diffusion()), ["a wall", "a door"], numbers, 16, 2, 5.0)
    assert np.array_equal(images[:2], again)
    other = train(tmp_path / "b", prior={**prior, "weight": 3.0}, learning_rate=1e-2)
    none = train(tmp_path / "c", learning_rate=1e-2)
    assert len({folders.file_sha256(path / adapters.LORA) for path in (out, other, none)}) == 3


def test_parts_of_a_batch_add_up_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accumulated and checkpointed gradients are those of the whole batch."""
    found = []

    def one_step(task: Any, *more: Any) -> None:
        loop.backward(task, 0)
        found.append({name: p.grad for name, p in task.model.named_parameters() if p.grad is not None})
        raise InterruptedError

    monkeypatch.setattr(loop, "fit", one_step)
    prior = {"prompt": "a wall", "samples": 4, "steps": 2}
    more: dict[str, Any]
    for more in ({}, {"gradient_accumulation_steps": 3, "gradient_checkpointing": True}):
        with pytest.raises(InterruptedError):
            train(tmp_path / "out", batch_size=4, prior=prior, **more)
    whole, parts = found
    assert any(grad.abs().max() > 1e-3 for grad in whole.values())
    assert all(torch.allclose(grad, parts[name], rtol=1e-3, atol=1e-6) for name, grad in whole.items())


@pytest.mark.parametrize("base", [tiny.stable_diffusion, tiny.stable_diffusion_xl])
def test_a_new_word_changes_only_prompts_that_have_it(base: Any, tmp_path: Path) -> None:
    data = tiny.wall(caption="a photo of <mine>")
    out = train(tmp_path / "out", base=base(), method="textual-inversion", word=WORD, data=data, learning_rate=0.1)
    plain, taught = pipeline_of(base()), pipeline_of(base(), out)
    assert torch.equal(drawn(plain, "a photo of a wall", 2), drawn(taught, "a photo of a wall", 2))
    assert not torch.equal(drawn(plain, "a photo of <mine>", 2), drawn(taught, "a photo of <mine>", 2))
    if base is tiny.stable_diffusion:
        read = pipeline_of(base())
        read.load_textual_inversion(str(out))
        assert torch.equal(drawn(read, "a photo of <mine>", 2), drawn(taught, "a photo of <mine>", 2))


def test_a_word_draws_the_same_in_training_and_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, more = tiny.wall(caption="a photo of <mine>"), {"sample_prompts": ["<mine> here"], "sample_guidance": 1.0}
    shown: list[np.ndarray] = []
    pictures = latent_task.LatentTask.sample

    def watched(self: latent_task.LatentTask) -> tuple[np.ndarray, int]:
        found = pictures(self)
        shown.append(found[0])
        return found

    monkeypatch.setattr(latent_task.LatentTask, "sample", watched)
    out = train(tmp_path / "out", method="textual-inversion", word=WORD, data=data, learning_rate=0.1, **more)
    numbers = [seeds.seed_of(0, "pictures", i) for i in range(8)]
    again = latent_task.draw(pipeline_of(tiny.stable_diffusion(), out), ["<mine> here"] * 8, numbers, 16, 2, 1.0)
    assert np.abs(shown[-1].astype(int) - again).max() <= 1
    assert not np.array_equal(shown[0], shown[-1])


def test_a_whole_model_is_a_pipeline_that_samplers_load(tmp_path: Path) -> None:
    out = train(tmp_path / "out", method="full", learning_rate=1e-2)
    part = TextToImage(TextToImage.Config(model=str(out), steps=2))
    assert part.sources[0].licence == "cc-by-4.0 and cc0-1.0"
    part.setup("cpu")
    before, after = pipeline_of(tiny.stable_diffusion()), part.prompted._drawing.pipeline
    pairs = zip(before.unet.parameters(), after.unet.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)
    pairs = zip(before.vae.parameters(), after.vae.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_mirrored_pictures_are_told_where_they_were_cut(tmp_path: Path) -> None:
    images = captioned.read(captioned.CaptionData.model_validate(tiny.wall()), 16)
    images.cuts[0] = [20, 40, 0, 3]
    latents = latent.encode_pictures(pipeline_of(tiny.stable_diffusion_xl()), images, True)
    assert latents.sizes[:, 0].tolist() == [[20, 40, 0, 3, 16, 16], [20, 40, 0, 13, 16, 16]]
    mirrored = captioned.CaptionedImages(images.images[:, :, ::-1].copy(), images.captions, images.files, images.cuts)
    again = latent.encode_pictures(pipeline_of(tiny.stable_diffusion_xl()), mirrored, False)
    assert torch.equal(latents.mean[1], again.mean[0])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weighs_the_loss_as_the_base_predicts(prediction: str, tmp_path: Path) -> None:
    """min(SNR, gamma) over the SNR, or over the SNR + 1 for v: a gamma beyond every SNR, and ones below all of them."""
    base = shutil.copytree(tiny.stable_diffusion(), tmp_path / "base")
    path = base / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": prediction}))

    def losses(gamma: float) -> np.ndarray:
        out = train(tmp_path / f"out-{gamma}", base=str(base), min_snr=gamma, learning_rate=1e-30, steps=2)
        last = json.loads((out / "training" / "losses.jsonl").read_text().splitlines()[-1])
        return np.array([last["training loss"], last["loss at fixed noise"]])

    none, all_of_it, little, less = (losses(gamma) for gamma in (0, 1e9, 1e-3, 5e-4))
    assert (none > 0.1).all()
    assert (less > 1e-4).all()
    assert little == pytest.approx(2 * less, rel=0.01)
    assert (little < 0.5 * none).all()
    if prediction == "epsilon":
        assert all_of_it == pytest.approx(none, rel=1e-6)
    else:
        assert (all_of_it < 0.9 * none).all()


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for wrong in ({"method": "textual-inversion"}, {"word": WORD}, {"method": "full", "lora": {"rank": 2}}):
        with pytest.raises(ValidationError, match="method"):
            train(tmp_path / "out", **wrong)
    assert TextToImageTrainer.Config(base="x", data=tiny.wall(), method="full").learning_rate == 1e-5


def test_what_cannot_be_tuned_is_told_before_training(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"StableDiffusion3Pipeline; these can be tuned: StableDiffusionPipeline"):
        train(tmp_path / "out", base=tiny.small("StableDiffusion3Pipeline"))
    with pytest.raises(DataError, match=r"resolution: must be a multiple of 4 .*\(got 18\); set it to 16"):
        train(tmp_path / "out", resolution=18)
    with pytest.raises(DataError, match=r"p00\.png: its caption has 602 tokens and the model reads 512; shorten it"):
        train(tmp_path / "out", data=tiny.wall(caption="a" * 600))
    with pytest.raises(DataError, match=r"p00\.png: its caption does not have the placeholder <mine>"):
        train(tmp_path / "out", method="textual-inversion", word=WORD)
    with pytest.raises(DataError, match="placeholder: a is a word that the base knows"):
        train(tmp_path / "out", method="textual-inversion", word={"placeholder": "a", "initialize_from": "b"})
    with pytest.raises(ModelError, match="target_modules: nothing: the base has no such layers"):
        train(tmp_path / "out", lora={"target_modules": ["nothing"]})
    assert not list(tmp_path.rglob("checkpoints"))


def test_other_pictures_or_captions_are_another_training(tmp_path: Path) -> None:
    train(tmp_path / "out")
    with pytest.raises(ModelError, match=r"other settings or data \(data\)"):
        train(tmp_path / "out", data=tiny.wall(caption="a blue wall"))


def test_the_recipe_that_ships_can_be_smoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from synthgen.recipe.reading import load_recipe

    recipe = load_recipe(helpers.ROOT / "recipes" / "foundation" / "lora.yaml")
    monkeypatch.chdir(tmp_path)
    settings = TextToImageTrainer.smoke(recipe.trainer.settings)  # type: ignore[union-attr]
    trainer = TextToImageTrainer(TextToImageTrainer.Config.model_validate(settings))
    out = trainer.train(tmp_path / "out", 0, device="cpu", quiet=True)
    assert adapters.read(str(out)).base["name"] == "StableDiffusionXLPipeline"

"""The class-conditional pipeline on small networks with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from synthgen import seeds
from synthgen.errors import ModelError
from synthgen.models import folders, registry
from synthgen.models.images.class_conditional import ClassConditionalPipeline
from synthgen.models.losses import Edm, VPrediction
from synthgen.trainers.images.diffusion import NetworkConfig, unet


def pipeline(channels: int = 1, patch: int = 2, v_prediction: bool = False) -> ClassConditionalPipeline:
    torch.manual_seed(0)
    network = unet(NetworkConfig(patch_size=patch, channels=[8, 16]), (8, 8), channels, 0, 4)
    scheduler = VPrediction().scheduler() if v_prediction else Edm(0.5).scheduler()
    made = ClassConditionalPipeline(network.eval(), scheduler, patch, {0: "cat", 1: "dog", 2: "eel"})
    made.set_progress_bar_config(disable=True)
    return made


def latents(n: int, channels: int = 1) -> torch.Tensor:
    return torch.from_numpy(seeds.normals(range(n), (channels, 8, 8)))


def draw(made: ClassConditionalPipeline, labels: list[int], noise: torch.Tensor, **options: object) -> np.ndarray:
    return made(labels, latents=noise, output_type="uint8", num_inference_steps=4, **options).images


@pytest.mark.parametrize(("channels", "patch", "v_prediction"), [(1, 2, False), (3, 1, False), (1, 2, True)])
def test_folder_draws_what_the_pipeline_drew(tmp_path: Path, channels: int, patch: int, v_prediction: bool) -> None:
    made = pipeline(channels, patch, v_prediction)
    before = draw(made, [0, 2], latents(2, channels))
    made.save_pretrained(tmp_path / "model")
    loaded = registry.load_pipeline(tmp_path / "model", "cpu", torch.float32)
    loaded.set_progress_bar_config(disable=True)
    assert loaded.classes == ["cat", "dog", "eel"]
    assert (loaded.resolution, loaded.channels) == (8, channels)
    np.testing.assert_array_equal(draw(loaded, [0, 2], latents(2, channels)), before)
    assert before.shape == (2, 8, 8, channels)
    assert before.dtype == np.uint8


def test_neighbours_do_not_matter_at_equal_batch_size() -> None:
    made, noise = pipeline(), latents(4)
    whole = draw(made, [0, 1, 2, 0], noise)
    turned = draw(made, [2, 0, 0, 1], noise[[2, 3, 0, 1]])
    np.testing.assert_array_equal(turned, whole[[2, 3, 0, 1]])


def test_guidance_is_extrapolation_and_may_differ_by_image() -> None:
    made, noise = pipeline(), latents(2)
    plain, strong = draw(made, [0, 1], noise), draw(made, [0, 1], noise, guidance_scale=4.0)
    mixed = draw(made, [0, 1], noise, guidance_scale=[1.0, 4.0])
    assert (plain != strong).any()
    np.testing.assert_array_equal(mixed[0], plain[0])
    np.testing.assert_array_equal(mixed[1], strong[1])
    numbers = [made([0, 1], scale, 4, latents=noise, output_type="pt").images[0] for scale in (1.0, [1.0, 4.0])]
    assert torch.equal(*numbers), "an image without guidance does not depend on its neighbours' guidance"


def test_guidance_in_an_interval() -> None:
    """The shares count steps: of four, [0.25, 0.75] guides the second and third."""
    made, noise = pipeline(), latents(2)
    whole = draw(made, [0, 1], noise, guidance_scale=4.0)
    np.testing.assert_array_equal(draw(made, [0, 1], noise, guidance_scale=4.0, guidance_interval=(0, 1)), whole)
    calls = []
    made.unet.register_forward_hook(lambda *_: calls.append(1))
    some = draw(made, [0, 1], noise, guidance_scale=4.0, guidance_interval=(0.25, 0.75))
    assert len(calls) == 4 + 2
    assert (some != whole).any()
    assert (some != draw(made, [0, 1], noise)).any()


def test_every_output_type_shows_the_same_picture() -> None:
    made, noise = pipeline(), latents(1)
    pixels = draw(made, [1], noise)
    floats = made([1], latents=noise, output_type="np", num_inference_steps=4).images
    picture = made([1], latents=noise, output_type="pil", num_inference_steps=4).images[0]
    tensor = made([1], latents=noise, output_type="pt", num_inference_steps=4).images
    np.testing.assert_array_equal(np.round(floats * 255).astype(np.uint8), pixels)
    np.testing.assert_array_equal(np.asarray(picture), pixels[0, :, :, 0])
    np.testing.assert_allclose(tensor.permute(0, 2, 3, 1).numpy(), floats)


def test_wrong_input_is_refused() -> None:
    made = pipeline()
    with pytest.raises(ValueError, match="class ids must be from 0 to 2"):
        draw(made, [3], latents(1))
    with pytest.raises(ValueError, match="latents must have the shape"):
        draw(made, [0, 1], latents(1))
    with pytest.raises(ValueError, match="output_type must be"):
        made([0], latents=latents(1), output_type="gif", num_inference_steps=1)


def test_another_kind_of_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(ModelError, match=r"StableDiffusionPipeline.*ClassConditionalPipeline"):
        registry.load_pipeline(tmp_path, "cpu", torch.float32)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    pipeline().save_pretrained(tmp_path)
    (tmp_path / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded as a ClassConditionalPipeline"):
        registry.load_pipeline(tmp_path, "cpu", torch.float32)


def test_hash_follows_weights_and_not_the_card(tmp_path: Path) -> None:
    pipeline().save_pretrained(tmp_path)
    before = folders.weights_sha256(tmp_path)
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    assert folders.weights_sha256(tmp_path) == before
    assert folders.source(str(tmp_path)).licence == "mit"
    config = tmp_path / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"sigma_data": 0.5', '"sigma_data": 0.6'))
    assert folders.weights_sha256(tmp_path) != before


def test_unknown_names_list_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no starter is called starter/nothing"):
        folders.resolve("starter/nothing")
    with pytest.raises(ModelError, match="does not exist"):
        folders.resolve(str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match=r"neither a model_index\.json nor a config\.json"):
        folders.resolve(str(tmp_path))

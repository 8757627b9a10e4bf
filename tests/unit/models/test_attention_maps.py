"""Attention of small Stable Diffusions with random weights: what is recorded, from where, and for which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor

import tiny
from synthgen import seeds
from synthgen.errors import DataError, ModelError
from synthgen.models import hub
from synthgen.models.text_to_image.attention_maps import Maps, Recorder, layers
from synthgen.models.text_to_image.attention_reader import AttentionReader, positions
from synthgen.testing import words

PIPELINES = pytest.mark.parametrize("kind", ["StableDiffusionPipeline", "StableDiffusionXLPipeline"])
LEVELS = (0.2, 0.6)


def pipeline(kind: str) -> Any:
    settings = hub.ModelSettings(model=tiny.small(kind))
    return hub.load_pipeline(hub.pipeline_reference(settings), "Text2Image", torch.float32)


def picture(height: int = 16, width: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def read(reader: AttentionReader, image: np.ndarray, prompt: str = "a cat") -> Maps:
    shape = len(LEVELS), *reader.latent_shape(*image.shape[:2])
    return reader.read(image, prompt, LEVELS, seeds.normals([7], shape)[0])


class Independent(AttnProcessor):
    """diffusers' plain processor, which multiplies probabilities with values, and keeps every one of them."""

    def __init__(self, kept: list[torch.Tensor]) -> None:
        self._kept = kept

    def __call__(
        self, attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, *args: Any, **more: Any
    ) -> Any:
        said = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key = (
            layer(x).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for layer, x in ((attn.to_q, hidden_states), (attn.to_k, said))
        )
        scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[-1] ** 0.5
        self._kept.append(scores.exp() / scores.exp().sum(-1, keepdim=True))
        return super().__call__(attn, hidden_states, encoder_hidden_states, *args, **more)


@PIPELINES
def test_maps_are_the_mean_of_the_softmax_over_heads_layers_and_levels(kind: str) -> None:
    made = pipeline(kind)
    maps = read(AttentionReader(made, [1], 1), picture())
    assert maps.cross.shape == (512, 8, 8)
    assert maps.own.shape == (64, 64)
    torch.testing.assert_close(maps.cross.sum(0), torch.ones(8, 8))
    torch.testing.assert_close(maps.own.sum(1), torch.ones(64))
    kept: list[torch.Tensor] = []
    made.unet.set_attn_processor(Independent(kept))
    read(AttentionReader(made, [2], 2), picture())
    cross = torch.cat([p.flatten(0, 1) for p in kept if p.shape[2:] == (64, 512)]).mean(0)
    own = torch.cat([p.flatten(0, 1) for p in kept if p.shape[2:] == (64, 64)]).mean(0)
    torch.testing.assert_close(maps.cross.flatten(1).T, cross)
    torch.testing.assert_close(maps.own, own)


def test_the_unet_computes_what_it_did_and_keeps_its_processors() -> None:
    unet = pipeline("StableDiffusionPipeline").unet
    given = torch.randn(1, 4, 8, 8), torch.tensor([10]), torch.randn(1, 5, 16)
    before = unet.attn_processors
    with torch.no_grad():
        plain = unet(*given).sample
        with Recorder(unet, layers(unet)):
            assert all(a is not b for a, b in zip(before.values(), unet.attn_processors.values(), strict=True))
            assert torch.equal(unet(*given).sample, plain)
        with pytest.raises(RuntimeError, match="shape"), Recorder(unet, layers(unet)):
            unet(given[0], given[1], torch.randn(1, 5, 17))
    assert all(a is b for a, b in zip(before.values(), unet.attn_processors.values(), strict=True))


def test_layers_are_chosen_by_scale() -> None:
    made = pipeline("StableDiffusionPipeline")
    reader = AttentionReader(made, None, None)
    assert (reader.cross_scales, reader.self_scale) == ((2,), 2)
    fine = read(AttentionReader(made, [1], 2), picture())
    coarse = read(AttentionReader(made, [2], 2), picture())
    both = read(AttentionReader(made, [1, 2], 2), picture())
    assert fine.cross.shape == coarse.cross.shape == both.cross.shape == (512, 4, 4)
    torch.testing.assert_close(both.cross, (fine.cross + coarse.cross) / 2)
    with pytest.raises(ModelError, match=r"scales \[1, 2\] for words and \[1, 2\] for pixels \(got \[4\] and 2\)"):
        AttentionReader(made, [4], None)


def test_pictures_that_are_oblong_or_grey() -> None:
    made = pipeline("StableDiffusionPipeline")
    maps = read(AttentionReader(made, [1], 2), picture(12, 22))  # latents of 6 x 11, halved to 3 x 6
    assert maps.cross.shape == (512, 3, 6)
    assert maps.own.shape == (18, 18)
    reader, grey = AttentionReader(made, None, None), picture()[:, :, :1]
    assert torch.equal(read(reader, grey).cross, read(reader, np.repeat(grey, 3, axis=2)).cross)
    with pytest.raises(ModelError, match=r"multiples of 2 \(got 15 x 16\)"):
        reader.latent_shape(15, 16)


@PIPELINES
def test_picture_prompt_level_and_noise_matter(kind: str) -> None:
    reader = AttentionReader(pipeline(kind), None, None)
    image, noise = picture(), seeds.normals([7, 8], (1, 4, 8, 8))
    base = reader.read(image, "a cat", [0.3], noise[0]).cross
    assert torch.equal(reader.read(image, "a cat", [0.3], noise[0]).cross, base)
    assert not torch.equal(reader.read(255 - image, "a cat", [0.3], noise[0]).cross, base)
    assert not torch.equal(reader.read(image, "a dog", [0.3], noise[0]).cross, base)
    assert not torch.equal(reader.read(image, "a cat", [0.4], noise[0]).cross, base)
    assert not torch.equal(reader.read(image, "a cat", [0.3], noise[1]).cross, base)


def test_what_is_no_stable_diffusion_is_refused() -> None:
    with pytest.raises(ModelError, match="StableDiffusion3Pipeline has no UNet that attends to words and to pixels"):
        AttentionReader(pipeline("StableDiffusion3Pipeline"), None, None)
    import diffusers

    made = pipeline("StableDiffusionPipeline")
    made.scheduler = diffusers.EDMEulerScheduler()
    with pytest.raises(ModelError, match="EDMEulerScheduler adds noise in another way"):
        AttentionReader(made, None, None)
    inpainting = pipeline("StableDiffusionPipeline")
    inpainting.unet.register_to_config(in_channels=9)
    with pytest.raises(ModelError, match="wants more than latents and words"):
        AttentionReader(inpainting, None, None)


@pytest.mark.parametrize(
    ("prompt", "phrase", "places"),
    [
        ("a cat", "cat", [2, 3, 4]),
        ("a Cat and a cat", "cat", [2, 3, 4, 9, 10, 11]),
        ("a red  cat", "Red cat", [2, 3, 4, 5, 6, 7]),
        ("a concat, cats", "cat", []),
        ("a cat's cat-like dog", "cat", [2, 3, 4, 7, 8, 9]),
        ("Öl, a cat", "cat", [6, 7, 8]),
        ("a dog (big)", "(big)", [5, 6, 7, 8, 9]),
        ("a dog", "cat", []),
        ("a dog", " ", []),
    ],
)
def test_words_are_found_by_their_letters(prompt: str, phrase: str, places: list[int]) -> None:
    tokenizer, _ = words.clip_tokenizer()
    assert positions(tokenizer, prompt, phrase) == places


def test_words_are_found_however_the_tokenizer_cuts_them() -> None:
    from transformers import CLIPTokenizer

    known = ["<|startoftext|>", "<|endoftext|>", "a", "a</w>", "b", "o", "t", "t</w>", "s</w>", "bo", "boa", "at</w>"]
    merges = [("b", "o"), ("a", "t</w>"), ("bo", "a")]
    tokenizer = CLIPTokenizer({word: i for i, word in enumerate(known)}, merges, unk_token="<|endoftext|>")
    assert tokenizer.tokenize("a boat") == ["a</w>", "bo", "at</w>"]
    assert positions(tokenizer, "a boat a boats a Boat", "boat") == [2, 3, 9, 10]


def test_a_prompt_that_is_not_read_to_its_end_is_an_error() -> None:
    reader = AttentionReader(pipeline("StableDiffusionPipeline"), None, None)
    with pytest.raises(DataError, match=r"the model reads 512 tokens and this prompt has 602: a+; shorten it"):
        reader.positions("a" * 600, "cat")
    with pytest.raises(DataError, match="602"):
        read(reader, picture(), "a" * 600)

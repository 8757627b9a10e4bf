"""`use: text-to-image` on a small Stable Diffusion with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import helpers
import tiny
from synthgen import seeds
from synthgen.errors import DataError, ModelError
from synthgen.fields import Text
from synthgen.models.sampling import torch_generator
from synthgen.models.text_to_image import families
from synthgen.parts.protocols import Slot
from synthgen.samplers.text_to_image import TextToImage

SCHEMA = {"prompt": Text()}


def sampler(**settings: Any) -> TextToImage:
    part = TextToImage(TextToImage.Config(**{"model": tiny.stable_diffusion(), "steps": 3, **settings}))
    assert part.bind(SCHEMA) == []
    part.setup("cpu")
    return part


def draw(part: TextToImage, prompts: list[str], stream: str = "s") -> np.ndarray:
    slots = [Slot(i, {"prompt": prompt}, "train") for i, prompt in enumerate(prompts)]
    drawn = part.sample(slots, [seeds.seed_of(0, stream, i) for i in range(len(prompts))])
    return np.stack(drawn["image"])


def test_prompt_negative_prompt_and_guidance_change_the_picture() -> None:
    plain = draw(sampler(), ["a cat", "a dog"])
    assert plain.shape == (2, 16, 16, 3) and plain.std() > 5
    other = draw(sampler(), ["a dog", "a dog"])
    assert not np.array_equal(plain[0], other[0])
    assert np.array_equal(plain[1], other[1])
    for changed in ({"negative_prompt": "zebra"}, {"guidance": 9.0}, {"guidance": 1.0}, {"steps": 4}):
        assert not np.array_equal(plain, draw(sampler(**changed), ["a cat", "a dog"])), changed


def test_every_prompt_is_encoded_once() -> None:
    part, n_encoded = sampler(), []
    part.prompted._drawing.pipeline.text_encoder.register_forward_hook(lambda *call: n_encoded.append(len(call[2][0])))
    for _ in range(3):
        draw(part, ["a cat", "a dog", "a cat", "a cat"])
    assert n_encoded == [1, 1, 1, 1], "a prompt and its negative prompt, for two prompts"


def test_pipelines_that_take_no_embeddings_get_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = draw(sampler(negative_prompt="zebra"), ["a cat", "a dog"])
    monkeypatch.setattr(families, "FAMILIES", {})
    passed = draw(sampler(negative_prompt="zebra"), ["a cat", "a dog"])
    assert np.abs(kept.astype(int) - passed.astype(int)).max() <= 2


def test_size_and_scheduler() -> None:
    part = sampler(size=[24, 8], scheduler="UniPCMultistepScheduler")
    assert type(part.prompted._drawing.pipeline.scheduler).__name__ == "UniPCMultistepScheduler"
    assert draw(part, ["a cat"]).shape == (1, 8, 24, 3)
    with pytest.raises(ModelError, match=r"does not fit this model; these do: .*UniPCMultistepScheduler"):
        sampler(scheduler="NoSuchScheduler")
    with pytest.raises(ModelError, match=r"multiples of 2 .*\(got \[9, 16\]\)"):
        sampler(size=[9, 16])


def test_a_prompt_that_is_not_read_to_its_end_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the model reads 512 tokens and this prompt has \d+: a+"):
        draw(sampler(), ["a" * 600])


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    for name in ("nowhere", "owner/name", "owner/name@main"):
        with pytest.raises(ModelError, match="neither a folder nor a hub id with a commit"):
            TextToImage(TextToImage.Config(model=name))
    with pytest.raises(ModelError, match=r"no model_index\.json"):
        TextToImage(TextToImage.Config(model=tiny.segmenter()))
    with pytest.raises(ModelError, match="cannot be loaded for Text2Image"):
        part = TextToImage(TextToImage.Config(model=tiny.layout_to_image(), size=[16, 16]))
        part.setup("cpu")
    assert (
        "condition with prompts"
        in helpers.bind_messages(TextToImage(TextToImage.Config(model=tiny.stable_diffusion())), {})[0]
    )
    copy = tmp_path / "copy"
    shutil.copytree(tiny.stable_diffusion(), copy)
    (copy / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        TextToImage(TextToImage.Config(model=str(copy))).setup("cpu")


def test_a_hub_model_is_planned_without_a_download() -> None:
    name = f"owner/name@{'0' * 40}"
    with pytest.raises(ModelError, match=r"size: \[width, height\]"):
        TextToImage(TextToImage.Config(model=name))
    part = TextToImage(TextToImage.Config(model=name, size=[64, 64]))
    assert part.sources[0].details == {"revision": "0" * 40}
    assert json.loads(json.dumps(part.identity()))["size"] == [64, 64]


def test_generators_use_all_bits_of_a_seed() -> None:
    def numbers(seed: int) -> torch.Tensor:
        return torch.randn(2000, generator=torch_generator(seed))

    assert torch.equal(numbers(3), numbers(3))
    assert not torch.equal(numbers(3), numbers(3 + (1 << 32)))
    assert not torch.equal(numbers(3), numbers(3 + (1 << 200)))
    both = torch.stack([numbers(0), numbers(1)])
    assert abs(both.mean()) < 0.05 and abs(both.std() - 1) < 0.05
    assert abs(torch.corrcoef(both)[0, 1]) < 0.08

"""LoRA adapters and learnt words, as `synthgen train` makes them, in the samplers of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from synthgen import seeds
from synthgen.errors import ModelError
from synthgen.fields import Text
from synthgen.parts.protocols import Slot
from synthgen.samplers.text_to_image import TextToImage
from synthgen.trainers.text_to_image.trainer import TextToImageTrainer

QUICK = {"steps": 4, "batch_size": 2, "checkpoint_every": 4, "sample_every": 4, "sample_steps": 1, "warmup_steps": 1}


def trained(out: Path, **settings: Any) -> str:
    base = {"base": tiny.stable_diffusion(), "data": tiny.wall(), "resolution": 16, "learning_rate": 5e-2, **QUICK}
    config = TextToImageTrainer.Config.model_validate({**base, **settings})
    return str(TextToImageTrainer(config).train(out, 0, device="cpu", quiet=True))


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> str:
    return trained(tmp_path_factory.mktemp("adapters") / "lora", method="lora")


@pytest.fixture(scope="module")
def word(tmp_path_factory: pytest.TempPathFactory) -> str:
    learnt = {"placeholder": "<mine>", "initialize_from": "wall"}
    data = tiny.wall(caption="a red <mine>")
    return trained(tmp_path_factory.mktemp("adapters") / "word", method="textual-inversion", word=learnt, data=data)


def sampler(**settings: Any) -> TextToImage:
    made = TextToImage(TextToImage.Config.model_validate({"model": tiny.stable_diffusion(), "steps": 3, **settings}))
    assert made.bind({"prompt": Text()}) == []
    return made


def draw(part: TextToImage, prompt: str = "a red wall") -> np.ndarray:
    part.setup("cpu")
    slots = [Slot(i, {"prompt": prompt}, "train") for i in range(2)]
    return np.stack(part.sample(slots, [seeds.seed_of(0, "s", i) for i in range(2)])["image"]).astype(int)


def test_a_lora_changes_pictures_as_much_as_its_weight_says(lora: str) -> None:
    plain = draw(sampler())
    half, whole, none = (draw(sampler(lora=[{"path": lora, "weight": weight}])) for weight in (0.5, 1.0, 0.0))
    assert np.abs(whole - plain).mean() > np.abs(half - plain).mean() > 0
    assert np.abs(none - plain).max() <= 1
    assert np.array_equal(plain, draw(sampler())), "a model without adapters is untouched by those of another part"


def test_adapters_belong_to_what_a_dataset_is_and_owes(lora: str) -> None:
    plain, one, half = (sampler(lora=chosen) for chosen in ([], [{"path": lora}], [{"path": lora, "weight": 0.5}]))
    assert len({str(part.identity()) for part in (plain, one, half)}) == 3
    assert [source.name for source in one.sources] == ["StableDiffusionPipeline", "lora"]
    assert "cc0-1.0" in one.sources[1].licence


def test_a_learnt_word_is_drawn_where_it_is_said(word: str) -> None:
    plain, taught = sampler(), sampler(embeddings=[word])
    assert np.array_equal(draw(plain, "a red wall"), draw(taught, "a red wall"))
    said = draw(taught, "a red <mine>")
    assert not np.array_equal(said, draw(plain, "a red <mine>"))
    assert not np.array_equal(said, draw(taught, "a red wall"))


def test_an_adapter_for_another_base_is_refused_before_anything_is_loaded(lora: str, word: str) -> None:
    other = tiny.stable_diffusion_xl()
    with pytest.raises(ModelError, match=r"was made for another base .*Take an adapter that was made for this model"):
        sampler(model=other, size=[16, 16], lora=[{"path": lora}])
    with pytest.raises(ModelError, match="was made for another base"):
        sampler(model=other, size=[16, 16], embeddings=[word])
    with pytest.raises(ModelError, match="is no adapter"):
        sampler(lora=[{"path": "nowhere"}])

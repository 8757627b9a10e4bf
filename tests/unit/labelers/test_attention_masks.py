"""`use: attention-masks`: which pixels become which class, and what is told before anything is generated."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import helpers
import tiny
from synthgen import seeds
from synthgen.errors import DataError, ModelError
from synthgen.fields import IGNORE, Columns, Image, Label, Schema, SegmentationMap, Text
from synthgen.labelers.attention_masks import AttentionMasks, class_map
from synthgen.models import hub
from synthgen.models.text_to_image.attention_maps import Maps, Recorder, layers, object_map
from synthgen.models.text_to_image.attention_maps import presence as presence_of
from synthgen.parts.protocols import Slot
from synthgen.samplers.text_to_image import TextToImage

OBJECTS = {"feline": "cat", "dog": "big dog"}
SCHEMA: Schema = {"image": Image(16, 16, 3), "condition.prompt": Text()}


def labeler(schema: Schema = SCHEMA, **settings: Any) -> AttentionMasks:
    given = {"model": tiny.stable_diffusion(), "levels": [0.2, 0.6], "min_presence": 0.0, **settings}
    part = AttentionMasks(AttentionMasks.Config(**({"objects": OBJECTS} | given if "of" not in given else given)))
    assert part.bind(schema) == []
    part.setup("cpu")
    return part


def sampler(**settings: Any) -> TextToImage:
    part = TextToImage(TextToImage.Config(**{"model": tiny.stable_diffusion(), "steps": 2, **settings}))
    assert part.bind({"prompt": Text()}) == []
    part.setup("cpu")
    return part


def given(*prompts: str, **more: Any) -> Columns:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (16, 16, 3), dtype=np.uint8) for _ in prompts]
    return {"image": images, "condition.prompt": list(prompts), **more}


def annotate(part: AttentionMasks, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    n = len(columns["image"])
    added = part.annotate(columns, [seeds.seed_of(0, "labeler", i) for i in range(n)])
    return np.stack(added["attention_segmentation"]), np.stack(added["attention_presence"])


def test_the_strongest_class_has_the_pixel_and_what_is_not_sure_is_ignored() -> None:
    first = np.array([[0.9, 0.6, 0.55, 0.5, 0.49, 0.0]], dtype=np.float32)
    second = np.array([[0.7, 0.8, 0.20, 0.1, 0.10, 0.6]], dtype=np.float32)
    maps = np.stack([first, second])
    assert class_map(maps, 0.6, 0.5).tolist() == [[1, 2, IGNORE, IGNORE, 0, 2]]
    assert class_map(maps, 0.6, 0.6).tolist() == [[1, 2, 0, 0, 0, 2]]
    assert class_map(maps[:1], 0.75, 0.55).tolist() == [[1, IGNORE, IGNORE, 0, 0, 0]]
    assert class_map(np.zeros_like(maps), 0.6, 0.5).tolist() == [[0] * 6]


def test_maps_are_spread_along_self_attention_and_stretched() -> None:
    cross = torch.zeros(3, 2, 2)
    cross[1, 0, 0], cross[2, 0, 0] = 0.2, 0.4
    linked = torch.eye(4)
    linked[3] = torch.tensor([0.5, 0, 0, 0.5])  # the last cell looks at the first one
    maps = Maps(cross, linked)
    assert object_map(maps, [1, 2], 0, (2, 2)).tolist() == [[1, 0], [0, 0]]
    assert object_map(maps, [1], 1, (2, 2)).tolist() == [[1, 0], [0, 0.5]]
    assert object_map(maps, [1], 2, (2, 2)).tolist() == [[1, 0], [0, 0.75]]
    large = object_map(maps, [1], 0, (6, 8))
    assert large.shape == (6, 8) and large.dtype == np.float32
    assert (large.min(), large.max()) == (0, 1)
    assert not object_map(Maps(torch.full((3, 2, 2), 0.1), linked), [1], 2, (4, 4)).any()


def test_presence_is_absolute() -> None:
    cross = torch.full((4, 2, 2), 0.25)
    even = Maps(cross, torch.eye(4))
    everywhere = np.ones((4, 4), dtype=bool)
    assert presence_of(even, [1, 2], everywhere) == 1
    assert presence_of(even, [1], np.zeros((4, 4), dtype=bool)) == 0
    cross = torch.tensor([0.7, 0.1, 0.15, 0.05])[:, None, None].repeat(1, 2, 2)
    cross[:, 0, 0] = torch.tensor([0.1, 0.6, 0.2, 0.1])
    corner = np.array([[True, False], [False, False]])
    assert presence_of(Maps(cross, torch.eye(4)), [1, 2], corner) == pytest.approx(4 * 0.4)
    assert presence_of(Maps(cross, torch.eye(4)), [3], ~corner) == pytest.approx(4 * 0.05)


def test_words_that_the_prompt_lacks_are_absent() -> None:
    part = labeler()
    maps, presence = annotate(part, given("a cat", "a big  Dog", "a dog", "a cat, a big dog"))
    assert maps.shape == (4, 16, 16)
    assert [set(np.unique(m)) - {0, IGNORE} for m in maps] == [{1}, {2}, set(), {1, 2}]
    assert (presence > 0).tolist() == [[True, False], [False, True], [False, False], [True, True]]
    assert not maps[2].any()


def test_classes_that_are_less_present_are_left_out() -> None:
    columns = given("a cat, a big dog", "a big dog and a cat")
    free, presence = annotate(labeler(), columns)
    limit = float(np.sort(presence.ravel())[1:3].mean())
    gated, again = annotate(labeler(min_presence=limit), columns)
    assert np.array_equal(presence, again), "the number is written whatever the limit"
    for one, other, numbers in zip(gated, free, presence, strict=True):
        kept = {cls for cls in (1, 2) if numbers[cls - 1] >= limit}
        assert set(np.unique(one)) - {0, IGNORE} == kept
        assert set(np.unique(other)) - {0, IGNORE} == {1, 2}


def test_the_object_of_each_sample_is_looked_for() -> None:
    schema = {**SCHEMA, "condition.animal": Label(("cat", "dog"))}
    part = labeler(schema, of="animal")
    columns = given("a cat", "a dog", "a cat near a dog", **{"condition.animal": [0, 1, 1]})
    maps, presence = annotate(part, columns)
    field = part.fields["attention_segmentation"]
    assert isinstance(field, SegmentationMap) and field.classes == ("cat", "dog")
    assert [set(np.unique(m)) - {0, IGNORE} for m in maps] == [{1}, {2}, {2}]
    assert presence[2, 0] == 0


def test_a_prompt_of_its_own_is_asked_of_every_picture() -> None:
    part = labeler({"image": SCHEMA["image"]}, prompt="a cat and a big dog")
    maps, presence = annotate(part, {"image": given("", "")["image"]})
    assert (presence > 0).all()
    same, _ = annotate(labeler(), given("a cat and a big dog", "a cat and a big dog"))
    assert np.array_equal(maps, same)
    with pytest.raises(DataError, match="the model reads 512 tokens"):
        labeler(prompt="a cat " * 200 + "a big dog")


def test_settings_change_the_masks() -> None:
    columns = given("a cat, a big dog", "a cat")
    base, _ = annotate(labeler(), columns)
    for changed in (
        {"self_power": 0},
        {"threshold": 0.8},
        {"uncertain": 0.3},
        {"levels": [0.9]},
        {"cross_scales": [1]},
        {"self_scale": 1},
    ):
        assert not np.array_equal(annotate(labeler(**changed), columns)[0], base), changed
    with pytest.raises(ValidationError, match=r"must not be above `threshold` \(got 0.7 and 0.6\)"):
        AttentionMasks.Config(model="x", objects=OBJECTS, uncertain=0.7)
    for settings in ({}, {"objects": OBJECTS, "of": "animal"}):
        with pytest.raises(ValidationError, match="either `objects` or `of`"):
            AttentionMasks.Config(model="x", **settings)


def test_half_precision_finds_nearly_the_same() -> None:
    """Spread twice: spread four times, maps of random weights have no contrast left but that of rounding."""
    columns = given("a cat, a big dog", "a cat")
    base, presence = annotate(labeler(self_power=2), columns)
    half, other = annotate(labeler(self_power=2, dtype="bfloat16"), columns)
    assert (half == base).mean() > 0.95, "with shares in bfloat16 it is less than half"
    np.testing.assert_allclose(other, presence, rtol=0.02)


def test_weights_that_the_sampler_draws_with_are_held_once() -> None:
    """By modules of its own: the sampler may draw while an image is read, and does so on a GPU."""
    columns, slots = given("a cat, a big dog"), [Slot(0, {"prompt": "a cat"}, "train")]
    alone, _ = annotate(labeler(), columns)
    drawer = sampler()
    drawn = drawer.sample(slots, [1])["image"][0]
    part = labeler()
    for name in ("unet", "vae", "text_encoder"):
        ours, its = (getattr(p, name) for p in (part._reader._pipeline, drawer.prompted._drawing.pipeline))
        assert ours is not its
        assert [p.data_ptr() for p in ours.parameters()] == [p.data_ptr() for p in its.parameters()]
    assert np.array_equal(annotate(part, columns)[0], alone)
    unet = part._reader._pipeline.unet
    with Recorder(unet, layers(unet)) as recorder:
        assert np.array_equal(drawer.sample(slots, [1])["image"][0], drawn)
    assert not recorder._sums, "what is generated meanwhile is not read"
    unet.half()
    assert np.array_equal(drawer.sample(slots, [1])["image"][0], drawn)


def test_weights_are_shared_only_as_they_were_loaded() -> None:
    def found(dtype: str = "float32", **settings: Any) -> set[str]:
        drawer = sampler(**settings)
        return set(hub.shared(drawer.prompted.reference, dtype, "cpu"))

    assert found() == {"unet", "vae", "text_encoder"}
    gc.collect()
    assert found(dtype="bfloat16") == found(vae_slicing=True) == found(vae_tiling=True) == set()
    reference = sampler().prompted.reference
    gc.collect()
    assert hub.shared(reference, "float32", "cpu") == {}, "the sampler is gone"


def test_what_is_wrong_is_told_before_setup() -> None:
    def problems(schema: Schema, **settings: Any) -> list[str]:
        return helpers.bind_messages(
            AttentionMasks(AttentionMasks.Config(model=tiny.stable_diffusion(), **settings)), schema
        )

    assert problems({}, objects=OBJECTS) == ["needs an `image` field"]
    assert "needs a condition with prompts" in problems({"image": Image(16, 16, 3)}, objects=OBJECTS)[0]
    assert "`of: animal` is no axis" in problems(SCHEMA, of="animal")[0]
    assert "`big dog`" in problems(SCHEMA, objects=OBJECTS, prompt="a cat and a dog")[0]


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelError, match="StableDiffusion3Pipeline, which has no UNet that attends to words"):
        labeler(model=tiny.small("StableDiffusion3Pipeline"))
    with pytest.raises(ModelError, match=r"multiples of 2 \(got 15 x 16\)"):
        labeler({**SCHEMA, "image": Image(15, 16, 3)})


def test_a_prompt_that_is_not_read_to_its_end_is_an_error() -> None:
    with pytest.raises(DataError, match="the model reads 512 tokens and this prompt has 602"):
        annotate(labeler(), given("a" * 600))


def test_a_recipe_can_be_tried_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {"model": f"owner/name@{'0' * 40}", "objects": OBJECTS, "dtype": "float16", "self_scale": 8}
    small = AttentionMasks.Config(**AttentionMasks.smoke(settings))
    assert small.objects == OBJECTS
    part = AttentionMasks(small)
    assert part.bind(SCHEMA) == []
    part.setup("cpu")
    assert annotate(part, given("a cat"))[0].shape == (1, 16, 16)

"""Samplers that stand on images: what they change, what they leave, and what they refuse."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

import helpers
import tiny
from synthgen import seeds
from synthgen.errors import ModelError
from synthgen.fields import Columns
from synthgen.models.gpu_memory import check_memory
from synthgen.parts.protocols import Slot
from synthgen.samplers.controlnet import ControlNet
from synthgen.samplers.image_to_image import ImageToImage
from synthgen.samplers.inpaint import Inpaint
from synthgen.samplers.text_to_image import TextToImage

N = 3
BASE: dict[str, Any] = {"steps": 4, "size": [tiny.SIDE, tiny.SIDE]}


def loaded(cls: Any, **settings: Any) -> Any:
    part = cls(cls.Config(**{"model": tiny.stable_diffusion(), **BASE, **settings}))
    assert part.bind(tiny.photo_condition(N)[0]) == []
    part.setup("cpu")
    return part


def asked(n: int = N, **changed: Any) -> list[Slot]:
    columns = {**tiny.photo_condition(n)[1], **changed}
    return [Slot(i, {name: values[i] for name, values in columns.items()}, "train") for i in range(n)]


def draw(part: Any, slots: list[Slot] | None = None) -> Columns:
    slots = slots or asked()
    drawn: Columns = part.sample(slots, [seeds.seed_of(0, "s", slot.index) for slot in slots])
    return drawn


def distance(a: Any, b: Any) -> float:
    return float(np.abs(np.stack(a).astype(float) - np.stack(b)).mean())


def test_the_prompt_may_be_said_by_the_recipe_and_is_kept() -> None:
    drawn = draw(loaded(TextToImage, prompt="a {label} cell, {prompt}"))
    assert drawn["prompt"] == ["a grey cell, a cat", "a colour cell, a dog", "a grey cell, a cat"]
    said = [slot.condition | {"prompt": text} for slot, text in zip(asked(), drawn["prompt"], strict=True)]
    same = draw(loaded(TextToImage), [Slot(i, condition, "train") for i, condition in enumerate(said)])
    assert distance(drawn["image"], same["image"]) == 0


def test_a_prompt_must_be_made_of_what_the_condition_has() -> None:
    part = TextToImage(TextToImage.Config(model=tiny.stable_diffusion(), prompt="a {labal} of {image}"))
    problems = helpers.bind_messages(part, tiny.photo_condition(1)[0])
    assert "did you mean `label`?" in problems[0] and "`image`" in problems[1]
    broken = TextToImage(TextToImage.Config(model=tiny.stable_diffusion(), prompt="a {label"))
    assert "cannot be read" in helpers.bind_messages(broken, tiny.photo_condition(1)[0])[0]


@pytest.mark.parametrize("model", [tiny.stable_diffusion, tiny.stable_diffusion_xl, tiny.stable_diffusion_3])
def test_a_batch_of_several_scales_draws_each_at_its_own(model: Any) -> None:
    scales = [1.0, 2.5, 4.0]
    mixed = loaded(TextToImage, model=model(), guidance=scales)
    slots, some = asked(8, label=[0] * 8), [seeds.seed_of(0, "s", i) for i in range(8)]
    together = mixed.sample(slots, some)["image"]
    used = set()
    for scale in scales[1:]:
        alone = loaded(TextToImage, model=model(), guidance=scale).sample(slots, some)["image"]
        used |= {i for i in range(8) if np.abs(together[i].astype(int) - alone[i]).max() <= 1}
    drawn = [int(3 * seeds.unit_interval(seeds.seed_of(seed, "guidance", 0))) for seed in some]
    assert used == {i for i, place in enumerate(drawn) if place > 0}
    assert len(set(drawn)) > 1


def test_a_guided_network_draws_one_sample_at_a_time_where_scales_differ() -> None:
    part = loaded(TextToImage, model=tiny.flux(), guidance=[2.0, 9.0])
    sizes: list[int] = []
    part.prompted._drawing.pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["hidden_states"])), with_kwargs=True
    )
    draw(part)
    assert set(sizes) == {1}


@pytest.mark.parametrize(
    "model",
    [tiny.stable_diffusion, tiny.stable_diffusion_xl, tiny.stable_diffusion_3, tiny.flux],
    ids=lambda m: m.__name__,
)
def test_latents_are_decoded_as_the_pipeline_itself_does(model: Any) -> None:
    """On a GPU they are decoded outside of the pipeline's call, beside the next batch."""
    part = loaded(TextToImage, model=model())
    inside = draw(part)["image"]
    drawing = part.prompted._drawing
    drawing._decodes_later, drawing._decoded_later = (
        True,
        lambda latents: list((drawing.decode(latents) * 255).round().clip(0, 255).astype(np.uint8)),
    )
    assert distance(inside, draw(part)["image"]) == 0


def test_strength_says_how_much_of_the_picture_stays() -> None:
    moved = asked(image=[np.roll(image, 7, axis=0) for image in tiny.photo_condition(N)[1]["image"]])
    parts = [loaded(ImageToImage, strength=strength) for strength in (0.25, 1.0)]
    near, far = (distance(draw(part)["image"], draw(part, moved)["image"]) for part in parts)
    assert near > 1 and near > 2 * far


def test_inpainting_leaves_all_else_as_it_was() -> None:
    columns = tiny.photo_condition(N)[1]
    for redraw in ("objects", "background"):
        drawn = draw(loaded(Inpaint, redraw=redraw))
        for image, original, instances in zip(drawn["image"], columns["image"], columns["instances"], strict=True):
            region = instances > 0 if redraw == "objects" else instances == 0
            assert np.array_equal(image[~region], original[~region])
            assert np.abs(image[region].astype(int) - original[region]).mean() > 3
        assert all(np.array_equal(a, b) for a, b in zip(drawn["instances"], columns["instances"], strict=True))
        assert set(drawn) == {"image", "instances", "segmentation"}


def test_a_grown_region_reaches_so_many_pixels_further() -> None:
    part = Inpaint(Inpaint.Config(model=tiny.stable_diffusion(), **BASE, grow_px=2))
    instances = np.zeros((9, 9), dtype=np.uint16)
    assert not part.region(instances).any()
    instances[4, 4] = 1
    region = part.region(instances)
    assert region[4, 2:7].all() and region[2:7, 4].all() and region.sum() == 13


def test_a_control_decides_what_is_drawn() -> None:
    settings = {"controlnet": tiny.controlnet(), "control": "segmentation"}
    part = loaded(ControlNet, **settings)
    plain = draw(part)["image"]
    columns = tiny.photo_condition(N)[1]
    moved = {name: [np.roll(value, 9, axis=0) for value in columns[name]] for name in ("instances", "segmentation")}
    assert distance(plain, draw(part, asked(**moved))["image"]) > 0.1
    assert distance(plain, draw(loaded(ControlNet, **settings, control_scale=0.0))["image"]) > 0.1


def test_control_pictures() -> None:
    slot = asked(1)[0].condition
    settings = {"controlnet": tiny.controlnet(), "colours": {"cell": "#112233"}}
    inside = slot["instances"] > 0
    painted = loaded(ControlNet, control="segmentation", **settings).control_of(slot)
    assert (painted[inside] == [0x11, 0x22, 0x33]).all() and not painted[~inside].any()
    lines = loaded(ControlNet, control="outlines", **settings).control_of(slot)[:, :, 0]
    assert 0 < (lines > 0).sum() < inside.sum() and not lines[~inside].any()
    edges = loaded(ControlNet, control="edges", **settings).control_of(slot)
    assert 0 < (edges > 0).mean() < 0.4
    assert np.array_equal(loaded(ControlNet, control="picture", **settings).control_of(slot), slot["image"])


def test_what_they_cannot_use_is_told_before_anything_is_loaded() -> None:
    schema = tiny.photo_condition(1)[0]
    model = tiny.stable_diffusion()
    small = ImageToImage(ImageToImage.Config(model=model, size=[32, 16]))
    assert "`size` [32, 16], and the condition's are [32, 32]" in helpers.bind_messages(small, schema)[0]
    assert "needs a condition with images" in helpers.bind_messages(small, {})[0]
    without = {name: field for name, field in schema.items() if name != "instances"}
    assert (
        "needs a condition with objects"
        in helpers.bind_messages(Inpaint(Inpaint.Config(model=model, **BASE)), without)[0]
    )
    control = ControlNet.Config(
        model=model, **BASE, controlnet=tiny.controlnet(), control="segmentation", colours={"dirt": "#000000"}
    )
    assert "colours: has none for cell" in helpers.bind_messages(ControlNet(control), schema)[0]


def test_what_does_not_fit_is_told_before_anything_is_drawn() -> None:
    with pytest.raises(ModelError, match="a FluxPipeline understands no `negative_prompt`"):
        loaded(TextToImage, model=tiny.flux(), negative_prompt="zebra")
    with pytest.raises(ModelError, match=r"must be multiples of 4 .*\(got \[32, 30\]\)"):
        loaded(TextToImage, model=tiny.flux(), size=[32, 30])
    with pytest.raises(ModelError, match=r"needs a GPU with 24 GB, and this runs on the CPU.*--smoke"):
        loaded(TextToImage, gpu_memory_gb=24)
    with pytest.raises(
        ModelError, match=r"needs a GPU with 40 GB, and this one has 24 GB: take a larger GPU .*`offload"
    ):
        check_memory("a model", 40, 23.9, "`offload: model`")
    check_memory("a model", 24, 23.6, "")  # as a card of 24 GB tells it
    with pytest.raises(ModelError, match="`offload` keeps weights off a GPU"):
        loaded(TextToImage, offload="model")
    with pytest.raises(ModelError, match="holds a Sam2Model; `controlnet` must name a ControlNet"):
        loaded(ControlNet, controlnet=tiny.sam2(), control="picture")


def test_what_saves_memory_changes_no_pixel() -> None:
    plain, sliced = (draw(loaded(TextToImage, vae_slicing=on))["image"] for on in (False, True))
    assert distance(plain, sliced) == 0
    parts = [TextToImage(TextToImage.Config(model=tiny.stable_diffusion(), vae_slicing=on)) for on in (False, True)]
    assert parts[0].identity() == parts[1].identity()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_compiled_network_draws_the_same_up_to_rounding() -> None:
    plain, compiled = (draw(loaded(TextToImage, compile=on, steps=2))["image"] for on in (False, True))
    assert distance(plain, compiled) < 0.5

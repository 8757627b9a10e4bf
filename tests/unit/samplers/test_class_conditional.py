"""The sampler's settings, and that its samples do not depend on their neighbours at equal batch size."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

import helpers
from synthgen import seeds
from synthgen.fields import Image, Label, Probabilities
from synthgen.parts.protocols import Slot
from synthgen.samplers.class_conditional import ClassConditional


def made(**settings: object) -> ClassConditional:
    part = ClassConditional(ClassConditional.Config.model_validate({"model": "starter/fashion-mnist"} | settings))
    assert part.bind({"label": Label(("Bag", "Shirt"))}) == []
    part.setup("cpu")
    return part


def draw(part: ClassConditional, classes: list[int]) -> np.ndarray:
    slots = [Slot(i, {"label": label}, "train") for i, label in enumerate(classes)]
    return np.stack(part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(len(slots))])["image"])


def test_classes_are_matched_by_name_whatever_their_order() -> None:
    part = made(steps=2)
    turned = ClassConditional(part.config)
    turned.bind({"label": Label(("Shirt", "Bag"))})
    turned.setup("cpu")
    assert np.array_equal(draw(part, [0, 1]), draw(turned, [1, 0]))
    assert not np.array_equal(draw(part, [0, 1]), draw(part, [1, 0]))


def soft(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def test_a_mixed_sample_stands_between_its_classes() -> None:
    part = ClassConditional(ClassConditional.Config.model_validate({"model": "starter/fashion-mnist", "steps": 6}))
    classes = ("Bag", "Shirt", "Coat")
    assert part.bind({"label": Label(classes), "soft_label": Probabilities(classes)}) == []
    part.setup("cpu")
    shown = [(0, soft(1, 0, 0)), (0, soft(0.5, 0.5, 0)), (1, soft(0, 1, 0)), (1, soft(0, 1, 0))]
    slots = [Slot(i, {"label": label, "soft_label": of}, "train") for i, (label, of) in enumerate(shown)]
    drawn = np.stack(part.sample(slots, [seeds.seed_of(0, "sampler", 0)] * 4)["image"]).astype(float)
    plain = draw(made(steps=6), [0]).astype(float)[0]
    assert np.abs(drawn[0] - plain).max() <= 1, "a sample of one class is the one that is not mixed"
    assert np.array_equal(drawn[2], drawn[3])
    apart = [np.abs(drawn[1] - drawn[i]).mean() for i in (0, 2)]
    assert min(apart) > 1
    assert max(apart) < np.abs(drawn[0] - drawn[2]).mean() * 1.2


def test_a_class_that_the_model_lacks() -> None:
    part = ClassConditional(ClassConditional.Config(model="starter/fashion-mnist"))
    (problem,) = helpers.bind_messages(part, {"label": Label(("Sneeker",))})
    assert "did you mean `Sneaker`?" in problem
    assert helpers.bind_messages(part, {}) == ["needs a condition with classes, such as `use: classes`"]


def test_every_setting_that_decides_pixels_is_in_the_identity() -> None:
    base = made(steps=2).identity()
    assert len(base["model"]) == 64
    for change in ({"steps": 3}, {"guidance": 2.0}, {"guidance_interval": [0.1, 0.9]}, {"dtype": "bfloat16"}):
        assert (
            ClassConditional(
                ClassConditional.Config.model_validate({"model": "starter/fashion-mnist", "steps": 2} | change)
            ).identity()
            != base
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"guidance_interval": [0.7, 0.2]},
        {"guidance_interval": [0.0, 1.5]},
        {"steps": 0},
        {"guidance": -1},
        {"guidance": {}},
    ],
)
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClassConditional.Config.model_validate({"model": "x"} | settings)


def test_real_images_are_generated_again_more_or_less_freely() -> None:
    ys, xs = np.mgrid[:28, :28]
    real = np.where((abs(xs - 14) < 9) & (abs(ys - 16) < 8), 200, 0).astype(np.uint8)
    given = np.repeat(real[..., None], 3, axis=2)
    far = []
    for strength in (0.1, 0.5, 1.0):
        part = ClassConditional(
            ClassConditional.Config.model_validate(
                {"model": "starter/fashion-mnist", "steps": 10, "strength": strength}
            )
        )
        assert part.bind({"label": Label(("Bag",)), "image": Image(28, 28, 3)}) == []
        part.setup("cpu")
        slots = [Slot(i, {"label": 0, "image": given}, "train") for i in range(4)]
        images = np.stack(part.sample(slots, [seeds.seed_of(0, "sampler", i) for i in range(4)])["image"])
        assert images.shape == (4, 28, 28, 1) and len({image.tobytes() for image in images}) == 4
        far.append(np.abs(images[..., 0].astype(float) - real).mean())
    assert far[0] < far[1] < far[2] and far[0] < 20


def test_strength_needs_images_of_the_model_size() -> None:
    config = ClassConditional.Config(model="starter/fashion-mnist", strength=0.5)
    label = {"label": Label(("Bag",))}
    assert "needs a condition with images" in helpers.bind_messages(ClassConditional(config), label)[0]
    wrong = {**label, "image": Image(32, 32, 3)}
    assert (
        "images of 28 x 28, and the condition's are 32 x 32"
        in helpers.bind_messages(ClassConditional(config), wrong)[0]
    )

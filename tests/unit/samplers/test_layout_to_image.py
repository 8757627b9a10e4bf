"""The layout-to-image sampler: what is generated is what the layout says, and what does not fit is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import helpers
import tiny
from synthgen import seeds
from synthgen.errors import ModelError
from synthgen.fields import Boxes, InstanceMap, Label, SegmentationMap
from synthgen.parts.protocols import Slot
from synthgen.samplers.layout_to_image import LayoutToImage


def sampler(**more: Any) -> LayoutToImage:
    settings = {"model": tiny.layout_to_image(), "steps": 2, **more}
    return LayoutToImage(LayoutToImage.Config.model_validate(settings))


def slots_of(columns: Any) -> list[Slot]:
    n = len(next(iter(columns.values())))
    return [Slot(i, {name: values[i] for name, values in columns.items()}, "train") for i in range(n)]


def test_layouts_of_the_condition_come_back_as_labels() -> None:
    part = sampler()
    schema, columns = tiny.layout_condition(3)
    assert part.bind(schema) == []
    part.setup("cpu")
    drawn = part.sample(slots_of(columns), [seeds.seed_of(0, "x", i) for i in range(3)])
    for name in ("instances", "segmentation"):
        assert all(np.array_equal(a, b) for a, b in zip(drawn[name], columns[name], strict=True))


def test_the_layout_decides_the_picture_and_an_empty_one_is_drawn_too() -> None:
    part = sampler()
    schema, columns = tiny.layout_condition(2)
    part.bind(schema)
    part.setup("cpu")
    empty = np.zeros_like(columns["instances"][0])
    asked = dict(columns, instances=[columns["instances"][0], empty], label=[0, 0])
    asked["segmentation"] = [columns["segmentation"][0], empty.astype(np.uint8)]
    same_seed = [seeds.seed_of(0, "x", 0)] * 2
    first, second = part.sample(slots_of(asked), same_seed)["image"]
    assert not np.array_equal(first, second)


def test_drawn_layouts_have_a_stream_of_their_own() -> None:
    """Another image model of the same objects gets the same layouts, and every try gets new ones."""
    schema, columns = tiny.style_condition(2)
    some = [seeds.seed_of(0, "sampler", i) for i in range(2)]
    found = []
    for steps in (2, 3):
        part = sampler(layout_model=tiny.layouts(), layout_steps=3, steps=steps)
        assert part.bind(schema) == []
        part.setup("cpu")
        found.append(part.sample(slots_of(columns), some))
        again = part.sample(slots_of(columns), [seeds.seed_of(0, "sampler", i, 1) for i in range(2)])
    assert all(np.array_equal(a, b) for a, b in zip(found[0]["instances"], found[1]["instances"], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(found[1]["instances"], again["instances"], strict=True))


def test_drawn_size_can_differ_from_the_trained_one() -> None:
    part = sampler(layout_model=tiny.layouts(), size=64)
    schema, columns = tiny.style_condition(1)
    assert part.bind(schema) == []
    part.setup("cpu")
    assert part.sample(slots_of(columns), [1])["image"][0].shape == (64, 64, 3)


def test_class_ids_are_matched_by_name() -> None:
    """The condition's class 1 is the model's class 2: what the network sees does not depend on the order."""
    model = tiny.layout_to_image(objects=("cell", "debris"))
    instances = tiny.discs(4, 32, 0)
    images = []
    for classes in (("cell", "debris"), ("debris", "cell")):
        part = sampler(model=model)
        ids = np.where(instances > 0, 1 + classes.index("debris"), 0).astype(np.uint8)
        schema = {
            "label": Label(tiny.STYLES),
            "instances": InstanceMap(32, 32),
            "segmentation": SegmentationMap(32, 32, classes),
        }
        assert part.bind(schema) == []
        part.setup("cpu")
        slot = Slot(0, {"label": 0, "instances": instances, "segmentation": ids}, "train")
        images.append(part.sample([slot], [1])["image"][0])
    assert np.array_equal(images[0], images[1])


@pytest.mark.parametrize(
    ("settings", "condition", "message"),
    [
        ({}, {"label": Label(tiny.STYLES)}, "needs layouts"),
        ({"layout_model": tiny.layouts}, tiny.layout_condition, "the condition brings layouts"),
        ({"layout_model": tiny.layouts}, {}, "needs a condition with classes, because the model has several"),
        ({"layout_model": tiny.layouts}, {"label": Label(("gray",))}, "unknown class `gray`; did you mean `grey`"),
        ({"layout_model": tiny.layouts, "size": 36}, tiny.style_condition, "size: must be a multiple of 8"),
        (
            {},
            {"boxes": Boxes(30, 30, ("cell",)), "label": Label(tiny.STYLES)},
            "multiples of 4 px; layouts are 30 x 30",
        ),
        ({}, {"boxes": Boxes(32, 32, ("rock",)), "label": Label(tiny.STYLES)}, "unknown object `rock`"),
    ],
)
def test_what_does_not_fit_is_told_before_weights(settings: dict, condition: Any, message: str) -> None:
    settings = {name: value() if callable(value) else value for name, value in settings.items()}
    schema = condition(1)[0] if callable(condition) else condition
    assert any(message in problem for problem in helpers.bind_messages(sampler(**settings), schema))


def test_other_models_are_refused() -> None:
    with pytest.raises(ModelError, match="a LayoutToImagePipeline is needed here"):
        sampler(model=tiny.segmenter())
    part = sampler(model=tiny.layout_to_image(objects=("cell", "debris")), layout_model=tiny.layouts())
    assert any("generates layouts of cell" in text for text in helpers.bind_messages(part, tiny.style_condition(1)[0]))


def streets(**more: Any) -> LayoutToImage:
    return sampler(model=tiny.street_painter(), **more)


def test_class_maps_alone_are_layouts_and_come_back_as_labels() -> None:
    part = streets()
    schema, columns = tiny.street_condition(3)
    assert part.bind(schema) == []
    assert set(part.fields) == {"image", "segmentation"}
    part.setup("cpu")
    drawn = part.sample(slots_of(columns), [1, 2, 3])
    assert set(drawn) == {"image", "segmentation"}
    assert [image.shape for image in drawn["image"]] == [(32, 48, 3)] * 3
    assert all(np.array_equal(a, b) for a, b in zip(drawn["segmentation"], columns["segmentation"], strict=True))


def test_the_classes_of_regions_decide_the_image_and_unknown_ones_are_none() -> None:
    part = streets()
    schema, columns = tiny.street_condition(1)
    part.bind(schema)
    part.setup("cpu")
    (known,) = columns["segmentation"]
    other = np.where(known == 2, 3, known).astype(np.uint8)
    background = np.where(known == 255, 0, known).astype(np.uint8)
    first, second, third = part.sample(
        slots_of({"label": [0] * 3, "segmentation": [known, other, background]}), [1] * 3
    )["image"]
    assert not np.array_equal(first, second)
    assert np.array_equal(first, third)


def test_class_maps_are_generated_by_a_layout_model_of_rectangles() -> None:
    part = streets(layout_model=tiny.street_layouts(), layout_steps=3)
    assert part.bind({}) == []
    assert part.fields["segmentation"] == SegmentationMap(*tiny.STREET_SHAPE, tiny.STREET, tiny.STREET)
    part.setup("cpu")
    drawn = part.sample([Slot(i, {}, "train") for i in range(2)], [1, 2])
    assert set(drawn) == {"image", "segmentation"}
    for ids, image in zip(drawn["segmentation"], drawn["image"], strict=True):
        assert ids.shape == tiny.STREET_SHAPE and image.shape == (*tiny.STREET_SHAPE, 3)
        assert set(np.unique(ids)) <= set(range(1, 6)), "the training maps have no background"
    other = streets(layout_model=tiny.street_layouts(), size=[40, 24])
    assert other.bind({}) == []
    other.setup("cpu")
    assert other.sample([Slot(0, {}, "train")], [1])["segmentation"][0].shape == (24, 40)


@pytest.mark.parametrize(
    ("settings", "schema", "messages"),
    [
        (
            {},
            {"instances": InstanceMap(32, 48), "segmentation": SegmentationMap(32, 48, tiny.STREET)},
            ["sky, building, road, car, person: objects in the layouts, regions in the model's training"],
        ),
        (
            {"model": lambda: tiny.layout_to_image(tiny.STREET, ("picture",))},
            {"segmentation": SegmentationMap(32, 48, tiny.STREET, tiny.STREET)},
            ["sky, building, road, car, person: regions in the layouts, objects in the model's training"],
        ),
        ({}, {"segmentation": SegmentationMap(32, 48, tiny.STREET)}, ["needs layouts"]),
        ({}, {"segmentation": SegmentationMap(32, 48, ("bus",), ("bus",))}, ["unknown object `bus`"]),
        ({}, {"segmentation": SegmentationMap(30, 48, ("car",), ("car",))}, ["multiples of 4 px; layouts are 48 x 30"]),
        ({}, {"boxes": Boxes(32, 48, ("car",))}, ["car: regions in the model's training, which have no boxes"]),
        ({"layout_model": tiny.street_layouts, "size": [40, 26]}, {}, ["size: must be a multiple of 4", "40 x 26"]),
        (
            {"model": lambda: tiny.layout_to_image(tiny.STREET, ("picture",)), "layout_model": tiny.street_layouts},
            {},
            ["has the regions without objects sky, building, road, car, person, "],
        ),
    ],
)
def test_class_maps_that_do_not_fit_are_one_problem(settings: dict, schema: Any, messages: list[str]) -> None:
    settings = {name: value() if callable(value) else value for name, value in settings.items()}
    found = helpers.bind_messages(sampler(**({"model": tiny.street_painter()} | settings)), schema)
    assert len(found) == len(messages), found
    assert all(message in text for message, text in zip(messages, found, strict=True)), found

"""Real images and windows that are generated again by `strength`: how far, with which labels, and what that needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen import seeds
from synthgen.conditions.masked_images import MaskedImages
from synthgen.conditions.real_layouts import RealLayouts
from synthgen.conditions.real_series import RealSeries
from synthgen.fields import Image, InstanceMap, Label, SegmentationMap
from synthgen.parts.protocols import Slot
from synthgen.samplers.layout_to_image import LayoutToImage
from synthgen.samplers.series import SeriesSampler

STRENGTHS = (0.05, 0.3, 0.5, 1.0)


def cells() -> dict[str, Any]:
    return {"data": tiny.mask_data(objects=["nucleus"]), "size": 32, "turn": True}


def layouts_and_images() -> MaskedImages:
    return MaskedImages(MaskedImages.Config.model_validate(cells()))


def layout_sampler(**more: Any) -> LayoutToImage:
    return LayoutToImage(LayoutToImage.Config.model_validate({"model": "starter/nuclei", "steps": 10, **more}))


def series_sampler(**more: Any) -> SeriesSampler:
    return SeriesSampler(SeriesSampler.Config.model_validate({"model": tiny.series(), "steps": 20, **more}))


def windows(**more: Any) -> RealSeries:
    settings = {"data": tiny.series_data(length=17), "generate": "variants", **more}
    return RealSeries(RealSeries.Config.model_validate(settings))


def sampled(part: Any, condition: Any, n: int = 4, at_once: int = 4) -> tuple[list[Slot], Mapping[str, list[Any]]]:
    """The first slots of a condition, and what a sampler makes of them in batches of `at_once`."""
    assert part.bind(condition.fields) == []
    part.setup("cpu")
    slots = [Slot(i, condition.condition(i)[0], "train") for i in range(n)]
    own = [seeds.seed_of(0, "sampler", i) for i in range(n)]
    batches = [part.sample(slots[i : i + at_once], own[i : i + at_once]) for i in range(0, n, at_once)]
    return slots, {name: [value for batch in batches for value in batch[name]] for name in part.fields}


def test_images_are_the_farther_from_real_ones_the_more_strength_and_keep_their_masks() -> None:
    condition, layouts = layouts_and_images(), RealLayouts(RealLayouts.Config.model_validate(cells()))
    far = []
    for strength in STRENGTHS:
        slots, made = sampled(layout_sampler(strength=strength), condition)
        for i, slot in enumerate(slots):
            of_real, _ = layouts.condition(i)
            for name in ("instances", "segmentation"):
                assert np.array_equal(made[name][i], slot.condition[name])
                assert np.array_equal(made[name][i], of_real[name])
        real = np.stack([slot.condition["image"] for slot in slots]).astype(float)
        far.append(np.abs(np.stack(made["image"]) - real).mean())
    assert far == sorted(far) and far[0] < 3 and far[-1] > 10


def test_windows_are_the_farther_from_real_ones_the_more_strength() -> None:
    far = []
    for strength in STRENGTHS:
        slots, made = sampled(series_sampler(strength=strength), windows())
        real = np.stack([slot.condition["real"] for slot in slots])
        far.append((np.abs(np.stack(made["series"]) - real).mean((0, 1)) / real.std((0, 1))).mean())
        assert all(np.array_equal(a, slot.condition["time"]) for a, slot in zip(made["time"], slots, strict=True))
    assert far == sorted(far) and far[0] < 0.05 and far[-1] > 0.5


def test_static_columns_covariates_and_gaps_stay() -> None:
    condition = windows(data=tiny.gaps_data(), repeats=2)
    assert condition.samples == 2 * windows(data=tiny.gaps_data()).samples
    slots, made = sampled(series_sampler(model=tiny.asking_series(), strength=0.3), condition)
    for i, slot in enumerate(slots):
        assert np.array_equal(np.isnan(made["series"][i]), np.isnan(slot.condition["real"]))
        for name in ("covariates", "static", "time"):
            assert np.array_equal(made[name][i], slot.condition[name])
    assert any(np.isnan(series).any() for series in made["series"]) and "real" not in made


def test_windows_longer_than_the_models_are_varied_to_their_end() -> None:
    condition = windows(data=tiny.series_data(length=60))
    slots, made = sampled(series_sampler(strength=0.05), condition)
    ratios = [np.abs(a - slot.condition["real"]) for a, slot in zip(made["series"], slots, strict=True)]
    assert made["series"][0].shape == (60, 2) and 0 < np.mean(ratios) < 0.1


@pytest.mark.parametrize(
    ("part", "condition"),
    [
        (lambda: layout_sampler(strength=0.5), layouts_and_images),
        (lambda: series_sampler(strength=0.5), windows),
    ],
    ids=["layout-to-image", "series"],
)
def test_one_at_a_time_and_four_at_once_are_equal(part: Any, condition: Any) -> None:
    _, one = sampled(part(), condition(), at_once=1)
    _, four = sampled(part(), condition(), at_once=4)
    assert one.keys() == four.keys()
    assert all(np.array_equal(a, b) for name in one for a, b in zip(one[name], four[name], strict=True))


MAPS = {"instances": InstanceMap(32, 32), "segmentation": SegmentationMap(32, 32, ("nucleus",))}
GREY = {"label": Label(("grey",))}
WITH_IMAGES = "strength: needs a condition with images and their layouts, such as `use: masked-images`"


@pytest.mark.parametrize(
    ("settings", "condition", "messages"),
    [
        ({}, MAPS, [WITH_IMAGES]),
        ({}, {**MAPS, "image": Image(32, 32, 3)}, []),
        (
            {},
            {**MAPS, "image": Image(48, 40, 3)},
            ["model starter/nuclei: generates images of 32 x 32, and the condition's are 40 x 48; set its `size`"],
        ),
        ({"layout_model": "starter/nuclei-layouts"}, {"image": Image(96, 96, 3)}, [WITH_IMAGES]),
    ],
)
def test_images_need_their_layouts(settings: dict[str, Any], condition: dict[str, Any], messages: list[str]) -> None:
    assert helpers.bind_messages(layout_sampler(strength=0.5, **settings), GREY | condition) == messages


def test_windows_need_values_and_their_own_length() -> None:
    given, others = windows().fields, windows(generate="all").fields
    assert helpers.bind_messages(series_sampler(strength=0.5), others) == [
        "strength: needs a condition with real values, such as `use: real-series` with `generate: variants`"
    ]
    assert helpers.bind_messages(series_sampler(), given) == [
        "the condition gives values to be generated again; `strength: 0.5` says how far"
    ]
    [problem] = helpers.bind_messages(series_sampler(strength=0.5, length=40), given)
    assert problem.startswith("length: the condition gives whole series of 17 steps; leave it out")


@pytest.mark.parametrize("strength", [0, 1.5])
def test_strength_is_above_0_and_up_to_1(strength: float) -> None:
    for part in (layout_sampler, series_sampler):
        with pytest.raises(ValueError, match="strength"):
            part(strength=strength)


def test_without_strength_the_identity_is_that_of_earlier_versions() -> None:
    for part in (layout_sampler, series_sampler):
        assert "strength" not in part().identity() and part(strength=0.5).identity()["strength"] == 0.5


def dataset(folder: Path, condition: dict[str, Any], sampler: dict[str, Any]) -> synthgen.Dataset:
    """Six samples in batches of three."""
    recipe = {
        **{"kind": "dataset", "name": "varied", "samples": 6, "batch_size": 3, "condition": condition},
        "sampler": {"steps": 4, "strength": 0.5, **sampler},
        "labelers": ["class-label"],
        "output": {"writers": ["parquet"]},
    }
    return synthgen.load(helpers.run(helpers.write(folder, recipe), folder / "out").out)


def test_a_dataset_says_which_image_each_sample_was(tmp_path: Path) -> None:
    sampler = {"use": "layout-to-image", "model": "starter/nuclei"}
    for sample in dataset(tmp_path, {"use": "masked-images", **cells()}, sampler):
        shown, _ = layouts_and_images().condition(sample["meta"]["index"])
        assert sample["meta"]["condition"]["source"] == shown["source"]
        assert sample["label"] == shown["label"] and np.array_equal(sample["instances"], shown["instances"])
        assert not np.array_equal(sample["image"], shown["image"])


def test_a_dataset_says_which_window_each_sample_was(tmp_path: Path) -> None:
    condition = {"use": "real-series", "data": tiny.series_data(length=17), "generate": "variants"}
    for sample in dataset(tmp_path, condition, {"use": "series", "model": tiny.series()}):
        shown, _ = windows().condition(sample["meta"]["index"])
        asked = sample["meta"]["condition"]
        assert (asked["source"], asked["start"]) == (shown["source"], shown["start"])
        assert sample["label"] == shown["label"] and not np.array_equal(sample["series"], shown["real"])

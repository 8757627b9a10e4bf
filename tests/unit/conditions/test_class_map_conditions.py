"""Conditions that bring class maps without objects: parts of real ones, with what is required, and edited ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

import tiny
from synthgen.conditions.edited_layouts import EditedLayouts, footprint, random_part, zoomed
from synthgen.conditions.masked_images import MaskedImages
from synthgen.conditions.placed_objects import PlacedObjects
from synthgen.conditions.real_layouts import RealLayouts, class_shares
from synthgen.errors import DataError
from synthgen.vision.layouts import Layout

SIZE = [32, 24]
PERSON, CAR = tiny.STREET.index("person") + 1, tiny.STREET.index("car") + 1


def real(**more: Any) -> RealLayouts:
    return RealLayouts(RealLayouts.Config.model_validate({"data": tiny.street_data(), "size": SIZE, **more}))


def edited(**more: Any) -> EditedLayouts:
    return EditedLayouts(EditedLayouts.Config.model_validate({"data": tiny.street_data(), "size": SIZE, **more}))


def values(part: RealLayouts, n: int) -> list[dict[str, Any]]:
    return [dict(part.condition(i)[0]) for i in range(n)]


def map_of(classes: np.ndarray) -> Layout:
    return Layout(np.zeros(classes.shape, np.uint16), classes.astype(np.uint8))


def test_parts_of_class_maps_have_no_instances_and_are_where_they_say() -> None:
    part = real()
    assert set(part.fields) == {"label", "segmentation", "source"}
    field = part.fields["segmentation"]
    assert (field.height, field.width) == (24, 32)  # type: ignore[attr-defined]
    assert field.stuff == tiny.STREET  # type: ignore[attr-defined]
    by_name = {item.name: item for item in part._items}
    for one in values(part, 12):
        name, _, place = one["source"].partition(" at ")
        left, top = map(int, place.split(","))
        whole = by_name[name].layout.segmentation  # type: ignore[union-attr]
        assert np.array_equal(one["segmentation"], whole[top : top + 24, left : left + 32])


def test_mirrored_parts_are_mirrored_sideways_alone() -> None:
    plain, mirrored = values(real(), 24), values(real(mirror=True), 24)
    flipped = 0
    for one, other in zip(plain, mirrored, strict=True):
        if other["source"].endswith("mirrored"):
            flipped += 1
            assert np.array_equal(other["segmentation"], one["segmentation"][:, ::-1])
        else:
            assert np.array_equal(other["segmentation"], one["segmentation"])
    assert 4 < flipped < 20


def test_rectangles_cannot_be_turned() -> None:
    with pytest.raises(ValidationError, match="`turn` needs squares"):
        real(turn=True)
    assert real(turn=True, size=24).condition(0)[0]["segmentation"].shape == (24, 24)


@pytest.mark.parametrize("make", [real, edited])
def test_every_required_slot_shows_enough(make: Any) -> None:
    part = make(require={"person": 2, "car": 1, "anything": 3}, require_share=0.015, mirror=True)
    assert part.samples == 6
    names = [part._required.names[part._required.at(i)] for i in range(60)]
    assert [names.count(name) for name in ("person", "car", "anything")] == [20, 10, 30]
    shares: dict[str, list[float]] = {name: [] for name in names}
    found = values(part, 60)
    for name, one in zip(names, found, strict=True):
        if name != "anything":
            shares[name].append((one["segmentation"] == tiny.STREET.index(name) + 1).mean())
    assert min(shares["person"]) >= 0.015 and min(shares["car"]) >= 0.015
    places = {one["source"] for name, one in zip(names, found, strict=True) if name == "person"}
    assert len(places) > 8, "parts are cut at different places"


def test_what_is_required_holds_in_images_that_are_smaller_than_the_layouts(tmp_path: Path) -> None:
    """Small images are mirrored on, which changes the share of a class."""
    classes = np.full((16, 16), 1, dtype=np.uint8)
    classes[0, 0] = 2  # never mirrored: 1 of the 576 pixels of a layout
    corner = np.full((16, 16), 1, dtype=np.uint8)
    corner[15, 15] = 2  # mirrored to 4 pixels
    for i, numbers in enumerate((classes, corner)):
        for name, pixels in (("images", np.zeros((16, 16, 3), np.uint8)), ("masks", numbers)):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.png")
    data = {"path": str(tmp_path), "mask_kind": "semantic", "objects": ["road", "person"]}
    part = real(data=data, size=24, require={"person": 1}, require_share=3 / 576)
    for one in values(part, 6):
        assert one["source"].startswith("1 ")
        assert (one["segmentation"] == 2).sum() == 4


def test_shares_are_those_of_every_part() -> None:
    inside = np.random.default_rng(0).random((9, 11)) < 0.3
    shares = class_shares(inside, (4, 5))
    assert shares.shape == (6, 7)
    for top in range(6):
        for left in range(7):
            assert shares[top, left] == pytest.approx(inside[top : top + 4, left : left + 5].mean())
    assert class_shares(inside, (9, 11)).tolist() == [[pytest.approx(inside.mean())]]


def test_a_class_that_covers_too_little_is_an_error_that_says_how_much() -> None:
    with pytest.raises(DataError, match=r"require: `person` covers 2\.34% of a part of 32 x 24 pixels at most"):
        real(require={"person": 1}, require_share=0.2).condition(0)
    with pytest.raises(ValidationError, match="unknown class `persons`; did you mean `person`"):
        real(require={"persons": 1})
    with pytest.raises(ValidationError, match="`require`, `balance` and `quotas` all"):
        real(require={"person": 1}, quotas={"picture": 1})


def test_a_class_that_never_occurs_is_no_error_unless_it_is_required() -> None:
    data = tiny.street_data(objects=[*tiny.STREET[:4], "person", "bus"], unknown=[6], zero="class")
    part = edited(data=data, paste={"bus": 1.0})
    assert all("+ bus" not in one["source"] for one in values(part, 4))
    data = tiny.street_data(objects=[*tiny.STREET, "bus"], unknown=[5])
    data["objects"][4:] = ["person", "void", "bus"]
    with pytest.raises(DataError, match=r"`bus` covers 0\.00%"):
        real(data=data, require={"bus": 1}).condition(0)


@pytest.mark.parametrize("make", [real, edited])
def test_a_larger_dataset_begins_with_the_smaller_one(make: Any) -> None:
    """Samples that are asked for are proportions: ten times as many of each change no slot."""
    few, many = make(require={"person": 1, "anything": 2}), make(require={"person": 10, "anything": 20})
    assert few.identity() == many.identity()
    for one, other in zip(values(few, 9), values(many, 9), strict=True):
        assert one["source"] == other["source"]
        assert np.array_equal(one["segmentation"], other["segmentation"])


@pytest.mark.parametrize(
    "more",
    [{"seed": 1}, {"mirror": True}, {"require": {"car": 1}}, {"require": {"car": 1}, "require_share": 0.02}],
)
def test_settings_are_in_the_identity(more: dict[str, Any]) -> None:
    assert real(**more).identity() != real().identity()
    assert real(require={"car": 1}, require_share=0.02).identity() != real(require={"car": 1}).identity()


def test_the_order_of_what_is_required_decides_which_slot_shows_it_and_is_in_the_identity() -> None:
    one, other = (real(require=dict.fromkeys(names, 1)) for names in (("car", "person"), ("person", "car")))
    assert one.condition(0)[0]["source"] != other.condition(0)[0]["source"]
    assert one.identity()["required"] != other.identity()["required"]


def test_images_come_with_their_class_maps() -> None:
    part = MaskedImages(
        MaskedImages.Config.model_validate({"data": tiny.street_data(), "size": SIZE, "require": {"person": 1}})
    )
    assert list(part.fields) == ["label", "segmentation", "source", "image"]
    for one in values(part, 6):
        yellow = (one["image"][..., 0] > 190) & (one["image"][..., 1] > 150) & (one["image"][..., 2] < 110)
        assert np.array_equal(yellow & (one["segmentation"] != 255), one["segmentation"] == PERSON)


def test_placed_objects_need_objects() -> None:
    with pytest.raises(
        DataError, match="`mask_kind: semantic` has none; take `use: real-layouts`, or `edited-layouts`"
    ):
        PlacedObjects(PlacedObjects.Config.model_validate({"data": tiny.street_data(), "size": SIZE}))


def test_edited_layouts_are_the_same_every_time_and_show_known_classes_alone() -> None:
    settings = {"zoom": [0.8, 1.5], "paste": {"car": 0.7, "person": 0.7}}
    first, second = values(edited(**settings), 20), values(edited(**settings), 20)
    known = {*range(1, 6), 255}
    for one, other in zip(first, second, strict=True):
        assert one["source"] == other["source"]
        assert np.array_equal(one["segmentation"], other["segmentation"])
        assert set(np.unique(one["segmentation"])) <= known
    sources = " ".join(one["source"] for one in first)
    assert "+ car" in sources and "+ person" in sources and " x 1." in sources


def test_the_order_of_the_parts_does_not_matter() -> None:
    one, other = (edited(paste=paste) for paste in ({"car": 0.5, "person": 0.8}, {"person": 0.8, "car": 0.5}))
    assert all(a["source"] == b["source"] for a, b in zip(values(one, 8), values(other, 8), strict=True))


def test_without_zoom_and_parts_a_layout_is_cut_out_as_it_is() -> None:
    part = edited(zoom=[1, 1])
    by_name = {item.name: item for item in part._items}
    for one in values(part, 6):
        name, _, place = one["source"].partition(" at ")
        left, top = map(int, place.split(","))
        whole = by_name[name].layout.segmentation  # type: ignore[union-attr]
        assert np.array_equal(one["segmentation"], whole[top : top + 24, left : left + 32])


def test_an_edit_that_hides_what_is_required_is_not_made() -> None:
    """Enlarged four times, most parts show no person: these stay as they were, and say so."""
    part = edited(require={"person": 1}, require_share=0.015, zoom=[4, 4])
    sources = [one["source"] for one in values(part, 30)]
    assert 0 < sum(" x 4.00" in source for source in sources) < 30


def test_pasted_parts_stand_on_what_they_stood_on() -> None:
    """All that a paste changes is a part of one class, and most of what is below it is road, as in its own map."""
    plain, pasted = edited(zoom=[1, 1]), edited(zoom=[1, 1], paste={"car": 1.0}, min_area_px=30)
    n_pasted = 0
    for index in range(30):
        before, after = (part.condition(index)[0]["segmentation"] for part in (plain, pasted))
        changed = before != after
        if not changed.any():
            continue
        n_pasted += 1
        assert (after[changed] == CAR).all()
        bottom = np.nonzero(changed.any(1))[0].max()
        assert bottom < 23, "parts that the border cuts are not pasted"
        foot = after[bottom + 1, changed[bottom]]
        assert (foot == tiny.STREET.index("road") + 1).mean() >= 0.5
    assert n_pasted > 10


def test_a_part_is_placed_where_enough_below_it_is_as_it_was() -> None:
    donor = np.full((12, 16), 1)
    donor[8:] = 3
    donor[5:8, 4:8] = 4
    part = random_part(map_of(donor), 4, False, 4, np.random.default_rng(0))
    assert part is not None
    assert (part.below, part.left, part.width) == (3, 4, 4)
    assert np.array_equal(np.argwhere(footprint(part.inside)), [[y, x] for y in (8, 9) for x in range(4, 8)])
    target = np.full((12, 16), 1)
    target[8:, 10:] = 3
    assert part.standing(target.astype(np.uint8)).tolist() == [0] * 7 + [0.25, 0.5, 0.75, 1, 1, 1]
    placed = part.placed(map_of(target), 4, False, 12 - part.left)
    assert np.array_equal(np.argwhere(placed.segmentation == 4), [[y, x] for y in (5, 6, 7) for x in range(12, 16)])
    assert not placed.instances.any()
    assert part.placed(map_of(target), 4, True, 0).instances.max() == 1, "a class of objects gets a number"


def test_parts_that_are_cut_small_or_stand_on_unknown_ground_are_not_taken() -> None:
    random = np.random.default_rng(0)
    donor = np.full((12, 16), 1)
    donor[4:8, 4:8] = 4
    assert random_part(map_of(donor), 4, False, 17, random) is None
    assert random_part(map_of(donor), 3, False, 1, random) is None
    assert random_part(map_of(donor[:8]), 4, False, 1, random) is None
    assert random_part(map_of(donor[:, :8]), 4, False, 1, random) is None
    donor[8:] = 255
    assert random_part(map_of(donor), 4, False, 1, random) is None


def test_objects_that_touch_are_pasted_one_by_one() -> None:
    instances = np.zeros((12, 16), np.uint16)
    instances[4:8, 3:6], instances[4:8, 6:9] = 1, 2
    layout = Layout(instances, (instances > 0).astype(np.uint8))
    widths = {random_part(layout, 1, True, 1, np.random.default_rng(i)).width for i in range(4)}  # type: ignore[union-attr]
    assert widths == {3}
    assert random_part(layout, 1, False, 1, np.random.default_rng(0)).width == 6  # type: ignore[union-attr]


def test_pasted_objects_are_numbered() -> None:
    data = tiny.mask_data()
    part = edited(data=data, size=40, zoom=[1, 1], paste={"cell": 1.0}, footing=0.0)
    plain = edited(data=data, size=40, zoom=[1, 1])
    more = 0
    for one, other in zip(values(part, 12), values(plain, 12), strict=True):
        assert np.array_equal(one["instances"] > 0, one["segmentation"] == 1)
        assert len(np.unique(one["instances"])) == one["instances"].max() + 1
        more += int(one["instances"].max()) - int(other["instances"].max())
    assert more > 3


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.3, 1.4, 4.0])
def test_zooming_keeps_the_shape_and_the_classes(factor: float) -> None:
    classes = np.arange(1, 10 * 14 + 1, dtype=np.uint8).reshape(10, 14)
    found = zoomed(map_of(classes), factor, np.random.default_rng(0)).segmentation
    assert found.shape == classes.shape
    repeats = np.bincount(found.ravel(), minlength=256)
    if factor > 1:
        assert len(np.unique(found)) <= (np.ceil(10 / factor) + 1) * (np.ceil(14 / factor) + 1)
        assert repeats.max() >= int(factor) ** 2
    else:
        assert found[0, 0] in (1, 16) and repeats.max() <= 8
    assert zoomed(map_of(classes), 1, np.random.default_rng(0)).segmentation is not found


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"zoom": [2, 1]}, "`zoom` must name the least first"),
        ({"zoom": [0.1, 1]}, "greater than or equal to 0.5"),
        ({"paste": {"cars": 0.5}}, "`paste`: unknown class `cars`; did you mean `car`"),
        ({"paste": {"car": 2}}, "less than or equal to 1"),
        ({"size": [32, 4]}, "greater than or equal to 8"),
    ],
)
def test_odd_settings_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        edited(**more)

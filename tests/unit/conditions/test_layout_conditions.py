"""Conditions that bring layouts: real ones, placed objects, random boxes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

import tiny
from synthgen.conditions.lazy import Lazy
from synthgen.conditions.placed_objects import PlacedObjects, objects_of, place
from synthgen.conditions.quotas import Quotas
from synthgen.conditions.random_boxes import RandomBoxes, iou
from synthgen.conditions.real_layouts import LayoutSettings, RealLayouts
from synthgen.errors import DataError
from synthgen.vision.layouts import Layout


def real(**more: Any) -> RealLayouts:
    return RealLayouts(LayoutSettings.model_validate({"data": tiny.mask_data(), "size": 32, **more}))


def placed(**more: Any) -> PlacedObjects:
    return PlacedObjects(PlacedObjects.Config.model_validate({"data": tiny.mask_data(), "size": 64, **more}))


def test_quotas_are_met_and_ranks_count_each_class() -> None:
    quotas = Quotas({"a": 4, "b": 2})
    ids = [quotas.at(i) for i in range(12)]
    assert Counter(ids) == {0: 8, 1: 4}
    for cls in (0, 1):
        assert [quotas.rank(i) for i in range(12) if ids[i] == cls] == list(range(ids.count(cls)))


def test_maps_are_made_when_looked_at() -> None:
    made: list[int] = []
    values = Lazy({"label": 1}, ("a", "b"), lambda: made.append(1) or {"a": 2, "b": 3})
    assert values["label"] == 1
    assert set(values) == {"label", "a", "b"}
    assert not made
    assert (values["a"], values["b"], len(made)) == (2, 3, 1)
    with pytest.raises(KeyError):
        values["c"]


def test_real_layouts_are_parts_of_real_masks() -> None:
    part = real(quotas={"colour": 1, "grey": 3})
    assert part.samples == 4
    by_name = {item.name: item for item in part._items}
    for index in range(8):
        values, family = part.condition(index)
        name, _, rest = values["source"].partition(" at ")
        assert family == name
        left, top = map(int, rest.split(" ")[0].split(","))
        item = by_name[name]
        assert ("grey", "colour")[item.label] == ("colour", "grey")[values["label"]]
        whole = item.layout.segmentation[top : top + 32, left : left + 32]
        assert np.array_equal(values["segmentation"], whole)
        assert values["instances"].max() == len(np.unique(values["instances"])) - 1


def test_turned_layouts_hold_the_same_pixels() -> None:
    part = real(turn=True, size=48)
    by_name = {item.name: item for item in part._items}
    turned = 0
    for index in range(12):
        values, name = part.condition(index)
        assert values["segmentation"].sum() == by_name[name].layout.segmentation.sum()
        turned += "turned" in values["source"]
    assert turned


def test_small_masks_are_mirrored_on() -> None:
    values, _ = real(size=64).condition(0)
    assert values["instances"].shape == (64, 64)
    assert np.array_equal(values["segmentation"][:48, 63], values["segmentation"][:48, 32])


def test_data_not_where_it_lies_is_in_the_identity() -> None:
    identity = real().identity()
    assert "path" not in identity["data"]
    assert identity["data_sha256"] == real().sources[0].sha256
    assert real(seed=1).identity() != identity


def test_unknown_classes_are_refused() -> None:
    with pytest.raises(DataError, match="unknown class `colours`; did you mean `colour`"):
        real(quotas={"colours": 2})


def test_placed_objects_come_in_the_densities_asked_for_and_keep_apart() -> None:
    part = placed(densities={"none": [0, 0], "few": [1, 3], "many": [8, 10]}, quotas={"grey": 2, "colour": 1}, gap_px=2)
    seen: dict[tuple[int, int], list[int]] = {}
    for index in range(18):
        values, family = part.condition(index)
        assert family in values["source"]
        n = int(values["instances"].max())
        seen.setdefault((values["label"], values["density"]), []).append(n)
        ids = values["instances"]
        grown = ndimage.grey_dilation(ids.astype(int), structure=np.zeros((3, 3)))
        assert ((grown == ids) | (ids == 0)).all()  # no two objects touch
    assert set(seen) == {(label, density) for label in (0, 1) for density in (0, 1, 2)}
    for (_, density), counts in seen.items():
        low, high = [(0, 0), (1, 3), (8, 10)][density]
        assert all(low <= n <= high for n in counts)


def test_crowds_that_do_not_fit_end() -> None:
    layout = Layout(tiny.discs(5, 48, 0), (tiny.discs(5, 48, 0) > 0).astype(np.uint8))
    full = place(layout, 5000, (40, 40), 1, np.random.default_rng(0))
    assert 3 < full.instances.max() < 5000


def test_objects_cut_by_the_border_are_not_stamps() -> None:
    instances = np.zeros((20, 20), dtype=np.uint16)
    instances[0:4, 5:9], instances[8:12, 8:12] = 1, 2
    stamps = objects_of(Layout(instances, (instances > 0).astype(np.uint8)))
    assert len(stamps) == 1
    assert stamps[0][0].shape == (4, 4)


def test_empty_sources_give_empty_layouts() -> None:
    empty = Layout(np.zeros((9, 9), np.uint16), np.zeros((9, 9), np.uint8))
    assert place(empty, 5, (16, 16), 1, np.random.default_rng(0)).instances.max() == 0


def test_random_boxes_are_what_was_asked_for() -> None:
    objects = {"big": {"count": [1, 2], "side_px": [20, 24]}, "small": {"count": [0, 3], "side_px": [4, 6]}}
    part = RandomBoxes(RandomBoxes.Config.model_validate({"size": 64, "objects": objects, "overlap": 0.05}))
    for index in range(30):
        boxes = part.condition(index)[0]["boxes"]
        part.fields["boxes"].check("boxes", boxes)
        assert (boxes[:, :4] >= 0).all()
        assert (boxes[:, :4] <= 64).all()
        counts = Counter(boxes[:, 4].astype(int).tolist())
        assert 1 <= counts[1] <= 2
        assert counts[2] <= 3
        for i in range(len(boxes)):
            assert (iou(boxes[i], np.delete(boxes, i, 0)) <= 0.05 + 1e-6).all()


@pytest.mark.parametrize("wrong", [{"count": [3, 1], "side_px": [4, 5]}, {"count": [1, 3], "side_px": [9, 5]}])
def test_ranges_must_rise(wrong: dict) -> None:
    with pytest.raises(ValidationError, match="must name the least first"):
        RandomBoxes.Config.model_validate({"objects": {"a": wrong}})


def test_densities_must_rise() -> None:
    with pytest.raises(ValidationError, match="must name the least number first"):
        placed(densities={"odd": [5, 2]})

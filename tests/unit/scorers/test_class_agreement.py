"""`use: class-agreement`: IoU of class maps by hand, classes matched by name, and what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import helpers
import tiny
from synthgen.fields import InstanceMap, SegmentationMap
from synthgen.recipe import rules
from synthgen.scorers.class_agreement import ClassAgreement

NAMES = ("road", "traffic light", "car")


def agreement(**settings: Any) -> ClassAgreement:
    return ClassAgreement(ClassAgreement.Config.model_validate({"name": "filter", **settings}))


def schema(predicted: tuple[str, ...] = NAMES) -> dict[str, Any]:
    return {
        "segmentation": SegmentationMap(2, 4, NAMES, NAMES),
        "segmenter_segmentation": SegmentationMap(2, 4, predicted, predicted),
    }


def scores(reference: list[list[int]], predicted: list[list[int]], names: tuple[str, ...] = NAMES) -> dict[str, float]:
    part = agreement(classes=["car", "traffic light"])
    assert part.bind(schema(names)) == []
    maps = {"segmentation": reference, "segmenter_segmentation": predicted}
    found = part.annotate({name: [np.array(ids, dtype=np.uint8)] for name, ids in maps.items()}, [0])
    assert list(found) == list(part.fields)
    return {name: float(values[0]) for name, values in found.items()}


def test_scores_by_hand() -> None:
    found = scores([[1, 1, 3, 3], [1, 1, 3, 255]], [[1, 1, 1, 3], [1, 0, 3, 2]])
    assert found == {
        "filter_miou": pytest.approx((3 / 5 + 2 / 3) / 2),
        "filter_accuracy": pytest.approx(5 / 7),
        "filter_iou.car": pytest.approx(2 / 3),
        "filter_iou.traffic_light": 1,
    }


def test_classes_are_matched_by_name() -> None:
    reference, predicted = [[1, 1, 3, 3], [2, 2, 3, 3]], [[3, 3, 1, 1], [2, 2, 1, 4]]
    found = scores(reference, predicted, ("car", "traffic light", "road", "sky"))
    assert found["filter_iou.car"] == pytest.approx(3 / 4), "sky is no class of the reference"
    assert found["filter_accuracy"] == pytest.approx(7 / 8)


def test_scores_of_classes_can_be_asked_for_in_rules() -> None:
    part = agreement(classes=["traffic light"])
    assert str(rules.parse("filter_iou.traffic_light >= 0.4", part.fields)) == "filter_iou.traffic_light >= 0.4"


def test_a_map_of_which_nothing_is_known_agrees() -> None:
    found = scores([[255] * 4] * 2, [[1, 2, 3, 0]] * 2)
    assert set(found.values()) == {1}


@pytest.mark.parametrize(
    ("settings", "fields", "messages"),
    [
        ({}, {}, ["`segmentation` is no class map; there are: none", "`segmenter_segmentation` is no class map"]),
        (
            {"predicted": "instances"},
            {**schema(), "instances": InstanceMap(2, 4)},
            ["`instances` is no class map; there"],
        ),
        ({}, schema(("road", "car")), ["`segmenter_segmentation`: unknown class `traffic light`; accepted: road, car"]),
        ({"classes": ["cars"]}, schema(), ["classes: unknown class `cars`; did you mean `car`"]),
    ],
)
def test_what_does_not_fit(settings: dict[str, Any], fields: dict[str, Any], messages: list[str]) -> None:
    found = helpers.bind_messages(agreement(**settings), fields)
    assert len(found) == len(messages), found
    assert all(message in text for message, text in zip(messages, found, strict=True)), found


def test_it_reads_what_a_segmenter_wrote() -> None:
    from synthgen.labelers.segmenter import Segmenter

    fields, columns = tiny.street_pictures(3)
    del fields["segmenter_segmentation"], columns["segmenter_segmentation"]
    labeler = Segmenter(Segmenter.Config(model=tiny.street_segmenter()))
    assert labeler.bind(fields) == []
    labeler.setup("cpu")
    seen = labeler.annotate(columns, [0] * 3)
    part = agreement()
    assert part.bind({**fields, **labeler.fields}) == []
    found = part.annotate({**columns, **seen}, [0] * 3)["filter_accuracy"]
    for score, true, ids in zip(found, columns["segmentation"], seen["segmenter_segmentation"], strict=True):
        assert score == pytest.approx((ids == true)[true != 255].mean())

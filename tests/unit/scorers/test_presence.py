"""`use: presence`: the best score of the object that was asked for, and what is told when it cannot be known."""

from __future__ import annotations

from typing import Any

import numpy as np

import helpers
import tiny
from synthgen.fields import Boxes, Label, Numbers
from synthgen.scorers.presence import Presence

SCHEMA = {
    "condition.animal": Label(("dog", "cat")),  # not in the order of the boxes' classes
    "found_boxes": Boxes(9, 9, ("cat", "tree", "dog")),
    "found_score": Numbers(),
}


def presence(**settings: Any) -> Presence:
    return Presence(Presence.Config(**{"boxes": "found_boxes", "scores": "found_score", "of": "animal", **settings}))


def score(classes: list[int], scores: list[float], asked: int) -> float:
    part = presence()
    assert part.bind(SCHEMA) == []
    boxes = np.array([[0, 0, 4, 4, cls] for cls in classes], dtype=np.float32).reshape(-1, 5)
    columns = {"condition.animal": [asked], "found_boxes": [boxes], "found_score": [np.array(scores)]}
    (value,) = part.annotate(columns, [0])["presence"]
    return float(value)


def test_presence_falls_as_boxes_of_the_object_are_removed() -> None:
    dog, cat = 0, 1
    assert score([2, 3, 1, 3], [0.9, 0.8, 0.7, 0.4], dog) == 0.8
    assert score([2, 1, 3], [0.9, 0.7, 0.4], dog) == 0.4
    assert score([2, 1], [0.9, 0.7], dog) == 0
    assert score([2, 1], [0.9, 0.7], cat) == 0.7
    assert score([], [], cat) == 0


def test_what_does_not_fit_is_told() -> None:
    assert presence().bind(SCHEMA) == []
    (text,) = helpers.bind_messages(presence(boxes="found_boxs"), SCHEMA)
    assert "boxes: unknown boxes `found_boxs`; did you mean `found_boxes`?" in text
    (text,) = helpers.bind_messages(presence(scores="found_boxes"), SCHEMA)
    assert "scores: unknown numbers `found_boxes`" in text and "found_score" in text
    (text,) = helpers.bind_messages(presence(of="label"), SCHEMA)
    assert text == "of: unknown class of the condition `label`; accepted: animal"
    (text,) = helpers.bind_messages(presence(), {**SCHEMA, "condition.animal": Label(("dog", "horse"))})
    assert text == "`found_boxes`: unknown object `horse`; accepted: cat, tree, dog"


def test_it_reads_what_a_labeler_wrote() -> None:
    from synthgen.labelers.owlv2 import Owlv2

    schema, columns = tiny.asked(4)
    objects = {"cat": "a cat", "dog": "a dog"}
    settings = {"model": tiny.owlv2(), "objects": objects, "nms_iou": 1.0, "field": "seen", "min_score": 0.0}
    labeler = Owlv2(Owlv2.Config(**settings))
    assert labeler.bind(schema) == []
    labeler.setup("cpu")
    seen = labeler.annotate(columns, [0] * 4)
    part = presence(boxes="seen_boxes", scores="seen_score")
    assert part.bind({**schema, **labeler.fields}) == []
    scores = part.annotate({**columns, **seen}, [0] * 4)["presence"]
    for i, value in enumerate(scores):
        cls = 1 + columns["condition.animal"][i]
        assert value == max(seen["seen_score"][i][seen["seen_boxes"][i][:, 4] == cls]) > 0

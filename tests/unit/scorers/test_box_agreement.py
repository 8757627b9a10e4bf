"""`use: box-agreement`: missed and extra boxes, classes by their names, and what is said when fields do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.fields import Boxes, Image
from synthgen.scorers.box_agreement import BoxAgreement

SCHEMA = {"boxes": Boxes(40, 40, ("red", "white")), "found_boxes": Boxes(40, 40, ("white", "dust", "red"))}


def agreement(**settings: object) -> BoxAgreement:
    return BoxAgreement(BoxAgreement.Config.model_validate({"against": "found_boxes", "name": "critic", **settings}))


def test_classes_are_compared_by_name() -> None:
    """A red cell is found, a white one is not, and of what nobody asked for, dust is of no class that is asked for."""
    part = agreement()
    assert part.bind(SCHEMA) == []
    intended = np.array([[0, 0, 10, 10, 1], [20, 20, 30, 30, 2]], dtype=np.float32)
    found = np.array([[0, 0, 10, 8, 3], [1, 30, 9, 38, 1], [30, 0, 39, 9, 2]], dtype=np.float32)
    scores = part.annotate({"boxes": [intended, intended[:0]], "found_boxes": [found, found[:0]]}, [0, 0])
    assert scores == {"critic_iou": [pytest.approx(0.8), 1.0], "critic_missed": [1.0, 0.0], "critic_extra": [1.0, 0.0]}


def test_fields_that_do_not_fit_are_named() -> None:
    assert agreement(against="image").bind({"boxes": SCHEMA["boxes"], "image": Image(40, 40, 3)}) == [
        "`image` holds no boxes; there are: boxes"
    ]
    (problem,) = agreement().bind({**SCHEMA, "found_boxes": Boxes(40, 40, ("white",))})
    assert "`red`" in problem

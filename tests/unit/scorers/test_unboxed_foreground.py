"""`use: unboxed-foreground`: shares and blobs that are known, and what is said when fields do not fit."""

from __future__ import annotations

import numpy as np
import pytest

import helpers
from synthgen.fields import Boxes, Image
from synthgen.scorers.unboxed_foreground import UnboxedForeground

SCHEMA = {"image": Image(60, 60, 3), "boxes": Boxes(60, 60, ("cell",))}


def scores(boxes: list[list[float]], invert: bool = False, **settings: object) -> tuple[float, float]:
    """Of an image with three squares of 12 x 12 pixels and a speck of 4 x 4."""
    image = np.full((60, 60, 3), 225, np.uint8)
    for left, top, side in ((6, 6, 12), (36, 6, 12), (6, 36, 12), (44, 44, 4)):
        image[top : top + side, left : left + side] = (150, 90, 90)
    image = 255 - image if invert else image
    part = UnboxedForeground(UnboxedForeground.Config.model_validate(settings))
    assert part.bind(SCHEMA) == []
    found = part.annotate({"image": [image], "boxes": [np.array(boxes, np.float32).reshape(-1, 5)]}, [0])
    return found["unboxed_share"][0], found["unboxed_blobs"][0]


FIRST, SECOND, THIRD = [6, 6, 18, 18, 1], [36, 6, 48, 18, 1], [6, 36, 18, 48, 1]
SPECK = [44, 44, 48, 48, 1]


@pytest.mark.parametrize("invert", [False, True])
def test_share_and_blobs(invert: bool) -> None:
    assert scores([FIRST, SECOND, THIRD, SPECK], invert) == (0, 0)
    share, blobs = scores([FIRST, SECOND, SPECK], invert)
    assert share == pytest.approx(144 / (3 * 144 + 16), abs=0.015)
    assert blobs == 1
    share, blobs = scores([SPECK], invert)
    assert share > 0.9
    assert blobs == 3
    assert scores([], invert) == (1, 3)


def test_small_blobs_count_if_they_are_asked_for() -> None:
    assert scores([FIRST, SECOND, THIRD])[1] == 0
    assert scores([FIRST, SECOND, THIRD], min_px=10)[1] == 1


def test_fields_that_do_not_fit_are_named() -> None:
    part = UnboxedForeground(UnboxedForeground.Config(boxes="image"))
    assert helpers.bind_messages(part, SCHEMA) == ["`image` holds no boxes; there are: boxes"]
    part = UnboxedForeground(UnboxedForeground.Config())
    assert helpers.bind_messages(part, {}) == ["needs an `image` field", "`boxes` holds no boxes; there are: none"]

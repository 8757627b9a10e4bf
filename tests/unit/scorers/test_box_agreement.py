"""`use: box-agreement`: missed and extra boxes, classes by their names, and what is said when fields do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import helpers
import synthgen
import tiny
from synthgen.fields import Boxes, Image
from synthgen.models.images.detections import BoxMatch
from synthgen.scorers.box_agreement import BoxAgreement

SCHEMA = {"boxes": Boxes(40, 40, ("red", "white")), "found_boxes": Boxes(40, 40, ("white", "dust", "red"))}


def agreement(**settings: object) -> BoxAgreement:
    return BoxAgreement(BoxAgreement.Config.model_validate({"predicted": "found_boxes", "name": "filter", **settings}))


def test_classes_are_compared_by_name() -> None:
    """A red cell is found, a white one is not, and of what nobody asked for, dust is of no class that is asked for."""
    part = agreement()
    assert part.bind(SCHEMA) == []
    intended = np.array([[0, 0, 10, 10, 1], [20, 20, 30, 30, 2]], dtype=np.float32)
    found = np.array([[0, 0, 10, 8, 3], [1, 30, 9, 38, 1], [30, 0, 39, 9, 2]], dtype=np.float32)
    scores = part.annotate({"boxes": [intended, intended[:0]], "found_boxes": [found, found[:0]]}, [0, 0])
    assert scores == {
        "filter_iou": [pytest.approx(0.8), 1.0],
        "filter_found": [1.0, 0.0],
        "filter_missed": [1.0, 0.0],
        "filter_extra": [1.0, 0.0],
    }


def test_fields_that_do_not_fit_are_named() -> None:
    assert helpers.bind_messages(
        agreement(predicted="image"), {"boxes": SCHEMA["boxes"], "image": Image(40, 40, 3)}
    ) == ["`image` holds no boxes; there are: boxes"]
    (problem,) = helpers.bind_messages(agreement(), {**SCHEMA, "found_boxes": Boxes(40, 40, ("white",))})
    assert "`red`" in problem


def test_the_card_says_how_complete_boxes_are(tmp_path: Path) -> None:
    recipe = {
        **{"kind": "dataset", "name": "cells", "samples": 6, "shard_size": 4, "batch_size": 2, "tries": 3},
        "condition": {"use": "random-boxes", "size": 32, "objects": {"cell": {"count": [1, 3], "side_px": [8, 12]}}},
        "sampler": {"use": "layout-to-image", "model": tiny.one_style(), "steps": 2},
        "labelers": [{"use": "detector", "model": tiny.detector()}],
        "scorers": [
            {"use": "box-agreement", "name": name, "predicted": "detector_boxes"} for name in ("filter", "evaluator")
        ],
        "keep": ["filter_extra <= 1000"],
        "output": {"writers": ["parquet"]},
    }
    result = helpers.run(helpers.write(tmp_path, recipe), tmp_path / "out")
    found = missed = extra = 0
    for sample in synthgen.load(tmp_path / "out"):
        match = BoxMatch(sample["boxes"], sample["detector_boxes"])
        found, missed, extra = found + match.n_matched, missed + match.n_missed, extra + match.n_extra
    assert result.complete
    assert found + missed >= 6
    card = " ".join((tmp_path / "out" / "README.md").read_text().split())
    sentence = f"`detector_boxes` has {found} of the {found + missed} `boxes` ({100 * found / (found + missed):.1f} %)"
    assert f"- {sentence}, and {extra} objects that have no box there" in card
    assert card.count(sentence) == 2
    assert card.count("so the numbers flatter") == 1, "no rule names the evaluator's scores"
    assert (
        "on 4 real images (test), the detector detector finds 15 of 20 boxes (75 %) with scores of 0.1 or more, and 5"
        in card
    )

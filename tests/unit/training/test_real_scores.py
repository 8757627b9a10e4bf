"""Rules that real images pass: which thresholds, what they say, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from synthgen.training.real_scores import RealScores

SCORER = {"use": "some-agreement", "predicted": "found"}


def measured(n: int = 100, **more: object) -> RealScores:
    """Of images whose IoU is 0.005, 0.015, ... and of which every tenth has many extra objects."""
    scores = [{"iou": (i + 0.5) / n, "extra": 40.0 if i % 10 == 0 else float(i % 4)} for i in range(n)]
    settings = {"at_least": ("iou",), "at_most": ("extra",), "scorer": SCORER} | more
    return RealScores.measured("images", scores, **settings)  # type: ignore[arg-type]


def test_each_rule_passes_nineteen_of_twenty() -> None:
    found = measured()
    assert [str(rule) for rule in found.rules] == ["filter_iou >= 0.05", "filter_extra <= 40"]
    assert [rule.passed for rule in found.rules] == [0.95, 1.0]
    assert found.together == 0.95


@pytest.mark.parametrize("seed", range(20))
def test_never_fewer_than_promised_pass(seed: int) -> None:
    """Also where many images have the same score, and thresholds are rounded."""
    random = np.random.default_rng(seed)
    scores = [{"iou": float(v), "extra": float(n)} for v, n in zip(random.beta(3, 2, 57), random.poisson(2, 57))]  # noqa: B905
    found = RealScores.measured("images", scores, ("iou",), ("extra",))
    for rule in found.rules:
        values = np.array([one[rule.score] for one in scores])
        passed = (values >= rule.threshold) if rule.operator == ">=" else (values <= rule.threshold)
        assert passed.mean() == pytest.approx(rule.passed, abs=1e-4) and passed.mean() >= 0.95
    assert found.together <= min(rule.passed for rule in found.rules)


def test_few_images_are_said_to_be_few() -> None:
    found = measured(8)
    assert "all of only 8 images" in found.title and all(rule.passed == 1 for rule in found.rules)


def test_a_rule_that_rejects_nothing_is_no_rule() -> None:
    found = RealScores.measured("images", [{"iou": 0.0}] * 10 + [{"iou": 0.9}] * 90, ("iou",), scorer=SCORER)
    assert not found.rules and found.lines == [] and "more than 5 % of 100 images" in found.title


def test_a_class_decides_by_the_images_that_show_it() -> None:
    """Of all images most have 1, as scorers give where no map has the class; a class that few show has no rule."""
    scores = [{"miou": 0.8, "iou.car": 0.5 if i < 30 else 1.0, "iou.bus": 0.1 if i < 19 else 1.0} for i in range(400)]
    shown = {"iou.car": [i < 30 for i in range(400)], "iou.bus": [i < 19 for i in range(400)]}
    found = RealScores.measured("images", scores, ("miou", *shown), shown=shown, scorer=SCORER)
    assert [(str(rule), rule.n) for rule in found.of_classes] == [("filter_iou.car >= 0.5", 30)]
    assert found.together == 1


def test_the_lines_are_a_part_of_a_recipe() -> None:
    found = measured(shown={}, at_least=("iou",))
    assert yaml.safe_load("\n".join(found.lines)) == {
        "scorers": [{"use": "some-agreement", "name": "filter", "predicted": "found"}],
        "keep": ["filter_iou >= 0.05", "filter_extra <= 40"],
    }


def test_what_a_card_keeps_makes_them_again() -> None:
    found = measured()
    assert RealScores.from_json(yaml.safe_load(yaml.safe_dump(found.as_json()))) == found

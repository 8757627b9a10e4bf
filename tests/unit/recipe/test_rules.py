"""Keep rules."""

from __future__ import annotations

import pytest

from synthgen.recipe import rules


@pytest.mark.parametrize(
    ("text", "kept", "dropped"),
    [
        ("score >= 0.5", 0.5, 0.4999999),
        ("score > 0.5", 0.5000001, 0.5),
        ("score <= -1e-3", -0.001, 0.0),
        (" score<.5 ", 0.0, 0.5),
    ],
)
def test_thresholds(text: str, kept: float, dropped: float) -> None:
    rule = rules.parse(text, ["score"])
    assert rule.holds({"score": kept})
    assert not rule.holds({"score": dropped})


@pytest.mark.parametrize("text", ["score", "score = 1", "score == 1", "1 < score", "score >= x", "score >= 1 or 2", ""])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must have the form"):
        rules.parse(text, ["score"])


def test_unknown_score_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean `agreement`"):
        rules.parse("agrement >= 1", ["agreement", "sharpness"])


def test_equal_rules_have_equal_texts() -> None:
    texts = {str(rules.parse(text, ["s"])) for text in ("s >= 1", "s>=1.0", "s  >=  +1e0")}
    assert texts == {"s >= 1"}
    assert str(rules.parse("s < 0.1", ["s"])) == "s < 0.1"


def test_the_first_broken_rule_is_named() -> None:
    some = [rules.parse(text, ["a", "b"]) for text in ("a >= 1", "b >= 1")]
    assert rules.first_broken(some, {"a": 1, "b": 1}) is None
    assert str(rules.first_broken(some, {"a": 0, "b": 0})) == "a >= 1"
    assert str(rules.first_broken(some, {"a": 1, "b": 0})) == "b >= 1"


@pytest.mark.parametrize("text", ["score >= 1e999", "score < -1e400"])
def test_a_threshold_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="too large for a number"):
        rules.parse(text, ["score"])

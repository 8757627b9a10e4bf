"""`use: prompts`: how often each value and each combination comes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from synthgen.conditions.prompts import Prompts

AXES: dict[str, Any] = {"animal": ["cat", "dog"], "place": {"on a sofa": 3, "in snow": 1}, "light": ["day", "night"]}
TEMPLATE = "a {animal} {place}, {light}"


def prompts(**settings: Any) -> Prompts:
    return Prompts(Prompts.Config.model_validate({"template": TEMPLATE, "axes": AXES, **settings}))


def seen(part: Prompts, n: int, *names: str) -> Counter:
    rows = [part.condition(i)[0] for i in range(n)]
    return Counter(tuple(part.fields[name].classes[row[name]] for name in names) for row in rows)


def test_a_prompt_says_what_its_axes_say() -> None:
    part = prompts(label="animal")
    assert list(part.fields) == ["label", "prompt", "animal", "place", "light"]
    for i in range(20):
        row, family = part.condition(i)
        values = {name: part.fields[name].classes[row[name]] for name in AXES}
        assert row["prompt"] == TEMPLATE.format(**values)
        assert row["label"] == row["animal"] and family is None


def test_balanced_axes_meet_their_weights_in_every_turn() -> None:
    part = prompts()
    assert part.samples is None
    for n in (8, 40):
        assert seen(part, n, "animal") == {("cat",): n / 2, ("dog",): n / 2}
        assert seen(part, n, "place") == {("on a sofa",): 3 * n / 4, ("in snow",): n / 4}
    assert len(seen(part, 400, *AXES)) == 8


def test_a_grid_has_every_combination_exactly() -> None:
    part = prompts(combine="grid")
    assert part.samples == 16
    for turns in (1, 3):
        found = seen(part, 16 * turns, *AXES)
        assert found["cat", "on a sofa", "day"] == 3 * turns
        assert found["dog", "in snow", "night"] == turns
        assert len(found) == 8


@pytest.mark.parametrize("combine", ["balanced", "grid"])
def test_quotas_ask_for_rare_combinations(combine: str) -> None:
    rare = {"when": {"animal": "dog", "place": "in snow"}, "samples": 20}
    part = prompts(combine=combine, quotas=[{"when": {"animal": "cat"}, "samples": 60}, rare])
    assert part.samples == 80
    found = seen(part, 80, "animal", "place")
    assert found["dog", "in snow"] == 20 and found["dog", "on a sofa"] == 0
    assert seen(part, 80, "animal")["cat",] == 60


def test_another_seed_shuffles_otherwise() -> None:
    def rows(part: Prompts) -> list[str]:
        return [part.condition(i)[0]["prompt"] for i in range(20)]

    assert rows(prompts()) == rows(prompts())
    assert rows(prompts()) != rows(prompts(seed=1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"template": "a {anmal} {place} {light}"}, "did you mean `animal`"),
        ({"template": "a {animal} {place}"}, "axis `light` is not in the template"),
        ({"template": "a {animal} {place} {light"}, "cannot be read"),
        ({"template": "a {animal.__class__} {place} {light}"}, "unknown axis"),
        ({"label": "animals"}, "did you mean `animal`"),
        ({"quotas": [{"when": {"animal": "cow"}, "samples": 1}]}, "unknown value of `animal` `cow`"),
        ({"quotas": [{"when": {"beast": "cat"}, "samples": 1}]}, "unknown axis `beast`"),
        ({"axes": {**AXES, "light": ["day", "day"]}}, "each once"),
        ({"axes": {**AXES, "prompt": ["day"]}}, "cannot be called `prompt`"),
        ({"combine": "grid", "axes": {name: [str(i) for i in range(99)] for name in AXES}}, "combinations"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        prompts(**settings)

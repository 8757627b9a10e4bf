"""`use: plan-values`: the share of a plan's values that its messages say."""

from __future__ import annotations

from typing import Any

import pytest

from synthgen.fields import Chat, Plan, Text
from synthgen.scorers.plan_values import PlanValues

PLAN = Plan(("user", "assistant"), ("INFORM", "REQUEST"), ("city", "city"), (1, 1))


def act(value: str, slot: str = "city") -> dict[str, str]:
    return {"act": "INFORM", "slot": slot, "value": value}


def score(plan: list[list[dict[str, str]]], messages: list[str], **settings: Any) -> float:
    part = PlanValues(PlanValues.Config.model_validate(settings))
    roles = ["user", "assistant"]
    columns = {
        "condition.plan": [[{"role": roles[i % 2], "acts": acts} for i, acts in enumerate(plan)]],
        "messages": [[{"role": roles[i % 2], "content": text} for i, text in enumerate(messages)]],
    }
    assert part.bind({"condition.plan": PLAN, "messages": Chat()}) == []
    return float(part.annotate(columns, [0])["plan_values"][0])


@pytest.mark.parametrize(
    ("plan", "messages", "wanted"),
    [
        ([[act("Lyon")], [act("Bern")]], ["To LYON, please.", "Not to Rome?"], 0.5),
        ([[act("Lyon")], []], ["Please.", "To Lyon?"], 0.0),
        ([[act("San  Jose")]], ["in san jose!"], 1.0),
        ([[act("ten")]], ["often"], 0.0),
        ([[act("里昂")]], ["请帮我在里昂订一张桌子。"], 1.0),
        ([[act("$10")]], ["it is $10."], 1.0),
        ([[act("")], []], ["what city?", ""], 1.0),
        ([[act("Lyon")], [act("Bern")]], ["Lyon"], 0.5),
        ([[act("Cafe\u0301")]], ["the café"], 1.0),
    ],
)
def test_values_count_in_the_message_of_their_turn(
    plan: list[list[dict[str, str]]], messages: list[str], wanted: float
) -> None:
    assert score(plan, messages) == wanted


def test_slots_can_be_ignored() -> None:
    plan = [[act("Lyon"), act("FindBus", "intent")]]
    assert score(plan, ["to Lyon"]) == 0.5
    assert score(plan, ["to Lyon"], ignore=["intent"]) == 1.0


def test_what_is_missing_is_named_with_what_there_is() -> None:
    part = PlanValues(PlanValues.Config(messages="text"))
    problems = part.bind({"text": Text(), "messages": Chat()})
    assert [(problem.message, problem.place) for problem in problems] == [
        (
            "`condition.plan` is no plan; a condition such as `use: dialogue-plans` gives one; there are: none",
            ("plan",),
        ),
        ("`text` is no dialogue; there are: messages", ("messages",)),
    ]

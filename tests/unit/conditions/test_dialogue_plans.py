"""`use: dialogue-plans`: plans of one's own and of real dialogues, with other values."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from synthgen.conditions.dialogue_plans import DialoguePlans
from synthgen.errors import DataError
from synthgen.fields import Plan

CITIES = ["Lyon", "Bern", "Ulm", "Rome"]


def turn(role: str, *acts: list[Any], content: str = "") -> dict[str, Any]:
    return {"role": role, "acts": list(acts), **({"content": content} if content else {})}


DIALOGUES = [
    [
        turn("user", ["INFORM", "city", "Paris"], ["INFORM", "day", "dontcare"], content="To Paris."),
        turn("assistant", ["OFFER", "city", ["PARIS", "Nice"]], ["REQUEST", "day"], content="PARIS or Nice?"),
        turn("user", ["INFORM", "day", "Monday"], content="Monday"),
    ],
    [turn("user", ["GREET"], content="hi"), turn("assistant", content="hello")],
    [turn("user", content="no acts at all")],
]


def write(folder: Path, dialogues: list[Any], name: str = "plans.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in dialogues))
    return str(path)


def part(**settings: Any) -> DialoguePlans:
    return DialoguePlans(DialoguePlans.Config.model_validate(settings))


def plan_of(found: DialoguePlans, index: int) -> list[list[tuple[str, str, str]]]:
    turns = found.condition(index)[0]["plan"]
    return [[(act["act"], act["slot"], act["value"]) for act in turn["acts"]] for turn in turns]


def test_plans_are_those_of_dialogues_with_acts(tmp_path: Path) -> None:
    found = part(data={"texts": write(tmp_path, DIALOGUES)}, repeats=2)
    assert found.samples == 4
    assert found.fields["plan"] == Plan(
        ("user", "assistant"),
        ("GREET", "INFORM", "INFORM", "OFFER", "REQUEST"),
        ("", "city", "day", "city", "day"),
        (1, 1, 1, 1, 1),
    )
    origins = Counter(found.condition(i)[0]["origin"].rpartition(":")[2] for i in range(4))
    assert origins == {"1": 2, "2": 2}
    families = {found.condition(i)[0]["origin"]: found.condition(i)[1] for i in range(4)}
    assert len(set(families.values())) == 2
    first = next(i for i in range(2) if found.condition(i)[0]["origin"].endswith(":1"))
    assert plan_of(found, first) == [
        [("INFORM", "city", "Paris"), ("INFORM", "day", "dontcare")],
        [("OFFER", "city", "PARIS"), ("OFFER", "city", "Nice"), ("REQUEST", "day", "")],
        [("INFORM", "day", "Monday")],
    ]
    assert "1 dialogues without acts are not planned" in found.data_facts().notes


def test_equal_values_get_one_new_value_and_others_get_others(tmp_path: Path) -> None:
    found = part(
        data={"texts": write(tmp_path, DIALOGUES[:1])}, values={"city": CITIES, "day": ["Friday"]}, repeats=200
    )
    seen = Counter()
    for i in range(200):
        (first, day), (second, third, request), (last,) = plan_of(found, i)
        assert first[2] == second[2] != third[2]
        assert {first[2], third[2]} <= set(CITIES)
        assert day[2] == "dontcare" and request[2] == "" and last[2] == "Friday"
        seen[first[2]] += 1
    assert set(seen) == set(CITIES) and min(seen.values()) > 30


def test_values_that_are_fewer_than_the_old_ones_come_again(tmp_path: Path) -> None:
    found = part(plans=write(tmp_path, DIALOGUES[:1]), values={"city": ["Lyon"]})
    assert {value for acts in plan_of(found, 0) for _, slot, value in acts if slot == "city"} == {"Lyon"}


def test_plans_without_content_are_told_apart_by_their_acts(tmp_path: Path) -> None:
    plans = [
        [{"role": "user", "acts": [["inform", "city", city]]}, {"role": "assistant", "acts": [["bye"]]}]
        for city in ("Lyon", "Bern", "Lyon")
    ]
    path = tmp_path / "plans.jsonl"
    path.write_text("".join(json.dumps({"messages": plan}) + "\n" for plan in plans))
    assert part(plans=str(path)).data_facts().notes == ("1 of 3 records repeat an earlier one",)


def test_plans_of_ones_own_need_no_content(tmp_path: Path) -> None:
    path = write(tmp_path, [[turn("user", ["INFORM", "city", "Paris"]), turn("assistant", ["BYE"])]])
    found = part(plans=path, values={"city": {"Lyon": 3, "Bern": 1}}, licence="cc0-1.0")
    assert found.samples == 1 and found.sources[0].licence == "cc0-1.0"
    values = Counter(plan_of(found, i)[0][0][2] for i in range(400))
    assert set(values) == {"Lyon", "Bern"} and 240 < values["Lyon"] < 360


def test_samples_follow_from_their_numbers_and_the_seed(tmp_path: Path) -> None:
    path = write(tmp_path, DIALOGUES[:1])
    found = [part(plans=path, values={"city": CITIES}, seed=seed) for seed in (0, 0, 1)]
    plans = [[plan_of(each, i) for i in range(20)] for each in found]
    assert plans[0] == plans[1] != plans[2]
    assert plan_of(found[0], 7) == plans[0][7]
    assert found[0].identity() == found[1].identity() != found[2].identity()


def test_what_cannot_be_planned_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, DIALOGUES)
    with pytest.raises(DataError) as error:
        part(plans=path, values={"town": ["Lyon"], "city": [], "day": str(tmp_path / "days.txt")})
    assert len(error.value.messages) == 3
    assert error.value.messages[0] == "values: unknown slot of the dialogues `town`; accepted: city, day"
    with pytest.raises(DataError, match="needs `plans`, a file of planned dialogues, or `data`"):
        part()
    with pytest.raises(DataError, match="no message has `acts`"):
        part(plans=write(tmp_path, DIALOGUES[2:], "bare.jsonl"))
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("source\ttarget\na\tb\n")
    with pytest.raises(DataError, match="holds pairs, and dialogues with acts are needed"):
        part(data={"texts": str(pairs)})

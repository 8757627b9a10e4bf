"""Slot values, facts and plans of dialogues that a recipe asks for: from training to samples that have them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import synthgen
from synthgen import api
from synthgen.conditions.dialogue_plans import DialoguePlans
from synthgen.conditions.facts import Facts
from synthgen.conditions.slot_values import SlotValues
from synthgen.errors import RecipeError
from synthgen.models.text import roles
from synthgen.samplers.text import TextSampler
from synthgen.trainers.text.trainer import TextTrainer

CITIES, DAYS = ("Lyon", "Bern", "Ulm"), ("Monday", "Friday")


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def utterance(label: str, **slots: str) -> dict[str, Any]:
    parts: list[dict[str, str]] = [{"text": f"{label} now"}]
    for name, value in slots.items():
        parts += [{"text": " for "}, {"text": value, "entity": name}]
    return {"label": label, "slots": parts}


UTTERANCES = [
    row
    for city in CITIES
    for day in DAYS
    for row in (
        utterance("book", city=city, day=day),
        utterance("book", day=day, city=city),
        utterance("book", city=city),
        utterance("ask", day=day),
        utterance("ask"),
    )
]
FACTS = [
    {"subject": f"town {i}", "relation": relation, "answer": f"name {i}", "question": f"who is {relation} of town {i}?"}
    for i in range(20)
    for relation in ("mayor", "poet")
]
DIALOGUES = [
    {
        "messages": [
            {"role": "user", "content": f"to {city}", "acts": [["INFORM", "city", city]]},
            {"role": "assistant", "content": "what day?", "acts": [["REQUEST", "day"]]},
            {
                "role": "user",
                "content": f"on {day}, to {city}",
                "acts": [["INFORM", "day", day], ["INFORM", "city", city]],
            },
            {"role": "assistant", "content": "good bye", "acts": [["say goodbye"]]},
        ]
    }
    for city in CITIES
    for day in DAYS
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A model of each kind that knows these few records."""
    root, found = tmp_path_factory.mktemp("models"), {}
    for kind, rows in (("utterances", UTTERANCES), ("facts", FACTS), ("dialogues", DIALOGUES)):
        data = {"texts": lines(root / f"{kind}.jsonl", rows), "kind": kind, "validation": 0}
        settings = {"data": data, "preset": "tiny", "steps": 3, "batch_size": 8}
        trainer = TextTrainer(TextTrainer.Config.model_validate(settings))
        trainer.train(root / kind, 0, device="cpu", quiet=True)
        found[kind] = str(root / kind)
    return found


def generated(folder: Path, model: str, condition: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    recipe = {
        "kind": "dataset",
        "name": "asked",
        "condition": condition,
        "sampler": {"use": "text", "model": model, "steps": 8},
        "shard_size": 5,
        "batch_size": 5,
        "output": {"writers": ["jsonl"]},
        **more,
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(recipe))
    out = api.run(path, folder / "out", executor="local", workers=1, device="cpu").out
    return [dict(sample) for sample in synthgen.load(out)]


def test_utterances_have_the_slots_that_are_asked_for(models: Mapping[str, str], tmp_path: Path) -> None:
    slots = {"*": {"day": list(DAYS)}, "book": {"city": list(CITIES)}}
    condition = {"use": "slot-values", "quotas": {"book": 20, "ask": 10}, "slots": slots, "optional": {"day": 0.5}}
    samples = generated(tmp_path, models["utterances"], condition)
    assert Counter(sample["meta"]["condition"]["label"] for sample in samples) == {"book": 20, "ask": 10}
    slots = Counter(
        tuple(name for name, value in sample["meta"]["condition"].items() if name.startswith("slot: ") and value)
        for sample in samples
    )
    assert slots == {("slot: city", "slot: day"): 10, ("slot: city",): 10, ("slot: day",): 5, (): 5}
    names = ("city", "day")
    for sample in samples:
        said = {f"slot: {names[s['label']]}": sample["text"][s["start"] : s["end"]] for s in sample["slots"]}
        asked = {name: value for name, value in sample["meta"]["condition"].items() if name.startswith("slot: ")}
        assert said == {name: value for name, value in asked.items() if value}


def test_exactly_the_given_slots_are_in_a_record(models: Mapping[str, str]) -> None:
    from synthgen.models import registry

    pipeline = registry.load_pipeline(Path(models["utterances"]), "cpu", None)
    orders = set()
    for seed in range(20):
        both = {"label": "book", "slot: city": " Lyon", "slot: day": " Monday"}
        record = pipeline.form(seed, both, closed=(roles.SLOT,))
        orders.add(tuple(segment.role for segment in record))
        assert {segment.role: segment.content for segment in record} == {**both, "text": None}
        alone = pipeline.form(seed, {"label": "book", "slot: city": " Lyon"}, closed=(roles.SLOT,))
        assert [segment.role for segment in alone] == ["label", "text", "slot: city", "text"]
        none = pipeline.form(seed, {"label": "ask"}, closed=(roles.SLOT,))
        assert [segment.role for segment in none] == ["label", "text"]
    slots = ["slot: city", "slot: day"]
    assert orders == {("label", "text", a, "text", b, "text") for a, b in (slots, slots[::-1])}


def test_slots_that_no_training_record_has_together_are_generated_all_the_same(
    models: Mapping[str, str], tmp_path: Path
) -> None:
    known = [row for row in UTTERANCES if len(row["slots"]) < 5]
    settings = {"data": {"texts": lines(tmp_path / "a.jsonl", known), "validation": 0}, "preset": "tiny", "steps": 1}
    TextTrainer(TextTrainer.Config.model_validate(settings)).train(tmp_path / "model", 0, device="cpu", quiet=True)
    slots = {"book": {"city": ["Lyon"], "day": ["Monday"]}}
    samples = generated(
        tmp_path, str(tmp_path / "model"), {"use": "slot-values", "quotas": {"book": 3}, "slots": slots}
    )
    assert len(samples) == 3 and all(sample["text"] for sample in samples)


def test_questions_are_generated_for_every_fact(models: Mapping[str, str], tmp_path: Path) -> None:
    rows = [("town 3", "mayor", "name 3"), ("a new town", "poet", "a new name")]
    table = tmp_path / "base.tsv"
    table.write_text("\n".join("\t".join(row) for row in [("subject", "relation", "answer"), *rows]) + "\n")
    condition = {"use": "facts", "data": {"texts": str(table)}, "repeats": 3}
    samples = generated(tmp_path, models["facts"], condition)
    asked = Counter((sample["subject"], sample["relation"], sample["answer"]) for sample in samples)
    assert asked == dict.fromkeys(rows, 3)
    assert len({sample["question"] for sample in samples}) == 6


def test_dialogues_follow_their_plans(models: Mapping[str, str], tmp_path: Path) -> None:
    plans = [
        [
            {"role": "user", "acts": [["INFORM", "city", "Lyon"], ["INFORM", "day", "Friday"]]},
            {"role": "assistant", "acts": [["say goodbye"]]},
        ],
        DIALOGUES[0]["messages"],
    ]
    path = lines(tmp_path / "plans.jsonl", [{"messages": messages} for messages in plans])
    condition = {"use": "dialogue-plans", "plans": path, "values": {"city": ["Oslo", "Rome"]}, "repeats": 3}
    scorers = [{"use": "plan-values"}]
    samples = generated(tmp_path, models["dialogues"], condition, scorers=scorers)
    assert len(samples) == 6
    for sample in samples:
        plan = sample["meta"]["condition"]["plan"]
        assert [turn["role"] for turn in plan] == [message["role"] for message in sample["messages"]]
        assert [turn["acts"] for turn in plan] == sample["acts"]
        assert {act["value"] for acts in sample["acts"] for act in acts if act["slot"] == "city"} <= {"Oslo", "Rome"}
        assert all(message["content"] for message in sample["messages"])
        assert 0 <= sample["plan_values"] <= 1


def said(model: str, condition: Any) -> list[str]:
    part, start = TextSampler(TextSampler.Config(model=model)), f"model {model}"
    return [problem.message.removeprefix(start).removeprefix(": ") for problem in part.bind(condition.fields)]


def test_what_a_model_does_not_know_is_said_before_anything_runs(models: Mapping[str, str], tmp_path: Path) -> None:
    slots = {"book": {"place": ["Lyon"], "day": ["Monday"]}}
    asked = SlotValues(SlotValues.Config(quotas={"book": 1, "pay": 1}, slots=slots))
    assert said(models["utterances"], asked) == [
        "unknown class `pay`; accepted: ask, book",
        "unknown slot `place`; accepted: city, day",
    ]
    assert said(models["facts"], asked) == [" is one of facts, which have no slots"]
    table = tmp_path / "base.tsv"
    table.write_text("subject\trelation\tanswer\na\tmayor\tb\na\tpoets\tb\n")
    facts = Facts(Facts.Config.model_validate({"data": {"texts": str(table)}}))
    assert said(models["facts"], facts) == ["unknown relation `poets`; did you mean `poet`? Accepted: mayor, poet"]
    turns = [{"role": "system", "acts": [["INFORM", "town", "a"]]}, {"role": "user", "acts": [["say goodbye"]]}]
    path = lines(tmp_path / "plans.jsonl", [{"messages": turns}, {"messages": turns}])
    plans = DialoguePlans(DialoguePlans.Config(plans=path))
    accepted = "Accepted: INFORM city, INFORM day, REQUEST day, say goodbye"
    assert said(models["dialogues"], plans) == [
        "unknown role `system`; accepted: user, assistant",
        f"unknown act `INFORM town`; did you mean `INFORM city`? {accepted} (in 2 plans)",
    ]
    assert said(models["utterances"], plans)[-1] == " is one of utterances, and the condition plans dialogues"


def test_a_recipe_names_the_key_of_what_a_model_does_not_know(models: Mapping[str, str], tmp_path: Path) -> None:
    slots = {"book": {"place": ["Lyon"]}}
    with pytest.raises(RecipeError, match="unknown slot `place`; accepted: city, day"):
        generated(tmp_path, models["utterances"], {"use": "slot-values", "quotas": {"book": 1}, "slots": slots})

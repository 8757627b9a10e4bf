"""Datasets of every kind of texts beside real ones: what is measured, what is said, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import helpers
import synthgen
from synthgen.errors import DataError, UsageError
from synthgen.measures.texts.measure import TextMeasure
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

ONCE = Evaluation(seeds=1, split="all")
CITIES, DAYS = ("Lyon", "Bern", "Paris", "Rome"), ("Monday", "Friday")


def row(kind: str, i: int) -> dict[str, Any]:
    """A record of a kind, as files and the replayed fields have it."""
    rng = np.random.default_rng(i)
    city, day, n = str(rng.choice(CITIES)), str(rng.choice(DAYS)), i
    if kind == "utterances":
        before = ("train to ", "hotel in ")[i % 2]
        mark = {"start": len(before), "end": len(before) + len(city), "label": "city"}
        return {"text": f"{before}{city} on {day} {n}", "label": ("train", "hotel")[i % 2], "slots": [mark]}
    if kind == "pairs":
        return {"source": f"to {city} on {day} number {n}", "target": f"nach {city} am {day} Nummer {n}"}
    if kind == "facts":
        relation = ("mayor", "river")[i % 2]
        return {
            "subject": f"{city} {n}",
            "relation": relation,
            "answer": "x",
            "question": f"which {relation} has {city} {n}",
        }
    if kind == "questions":
        context = f"The station {n} is in {city}. It opens on {day}."
        return {
            "context": context,
            "question": f"where is station {n}",
            "answers": {"text": [city], "answer_start": [context.index(city)]},
        }
    if kind == "dialogues":
        said = [
            {"role": "user", "content": f"a room in {city} {n}", "acts": [["inform", "city", city]]},
            {"role": "assistant", "content": "when?", "acts": [["ask", "day", ""]]},
            {"role": "user", "content": f"on {day}", "acts": [["inform", "day", day]]},
        ]
        return {"messages": said}
    return {"text": f"about {city} and {day}, part {n}"}


def as_fields(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    """The record as values of the fields that are replayed."""
    if kind == "utterances":
        return {**found, "slots": [{**mark, "label": 0} for mark in found["slots"]]}
    if kind == "pairs":
        return {"translation": {"en": found["source"], "de": found["target"]}}
    if kind == "dialogues":
        messages = [{"role": m["role"], "content": m["content"]} for m in found["messages"]]
        acts = [[dict(zip(("act", "slot", "value"), act, strict=True)) for act in m["acts"]] for m in found["messages"]]
        return {"messages": messages, "acts": acts}
    return found


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return str(path)


def dataset(folder: Path, kind: str, numbers: range) -> str:
    """A dataset of such records, those of `utterances` with their classes."""
    rows = [row(kind, i) for i in numbers]
    path = lines(folder / "replayed.jsonl", [as_fields(kind, one) for one in rows])
    quotas = {"train": len(rows) // 2, "hotel": len(rows) // 2} if kind == "utterances" else {"text": len(rows)}
    recipe = {
        "kind": "dataset",
        "name": kind,
        "condition": {"use": "classes", "quotas": quotas},
        "sampler": {"use": "replay", "path": path, "kind": kind},
        "output": {"writers": ["jsonl"]},
    }
    place = folder / "recipe.yaml"
    place.write_text(json.dumps(recipe))
    plugin = str(helpers.ROOT / "tests/replay_plugin.py")
    return str(
        synthgen.run(place, folder / "out", executor="local", workers=1, device="cpu", plugin_files=[plugin]).out
    )


def data(folder: Path, kind: str, **more: Any) -> dict[str, Any]:
    languages = {"languages": ["en", "de"]} if kind == "pairs" else {}
    path = lines(folder / "real.jsonl", [row(kind, i) for i in range(1000, 1200)])
    return {"texts": path, "kind": kind, "test": 0.3, **languages, **more}


TASKS = {
    "utterances": {"classes", "slots"},
    "pairs": {"translation memory"},
    "facts": {"classes", "answers by facts"},
    "questions": {"answers"},
    "dialogues": {"states"},
    "passages": set(),
}


@pytest.mark.parametrize("kind", TASKS)
def test_every_kind_of_texts_is_measured(kind: str, tmp_path: Path) -> None:
    folder = dataset(tmp_path, kind, range(80))
    found = evaluation.compare(folder, data(tmp_path, kind), ONCE, lambda line: None)
    values = found["texts"]
    assert set(found) == {"dataset", "texts"} and values["kind"] == kind and values["tested_on"] == "test"
    assert set(values.get("usefulness", {})) == TASKS[kind] and "not_measured" not in values
    for part, sets in values["copies"].items():
        assert sets["synthetic"]["n"] == 80, part
    assert set(values["fidelity"]) == set(values["discriminative"]) == {"synthetic", "real"}
    json.dumps(values, allow_nan=False)
    assert evaluation.compare(folder, data(tmp_path, kind), ONCE, lambda line: None) == found
    text = evaluation.text(found)
    assert (
        f"80 synthetic {kind} beside " in text
        and "a classifier between them and real test texts" in text
        and "nan" not in text
    )


def test_copies_of_training_texts_are_seen(tmp_path: Path) -> None:
    """The dataset is the real data: it copies what they hold, less what is held out for tests."""
    folder = dataset(tmp_path, "passages", range(1000, 1200))
    values = evaluation.compare(folder, data(tmp_path, "passages"), ONCE, lambda line: None)["texts"]
    assert values["n_synthetic"] == 200
    assert values["copies"]["text"]["synthetic"]["exact"] == values["n_train"] / 200
    assert values["copies"]["text"]["real"]["exact"] == 0


def test_what_lacks_is_said_and_validation_takes_the_place_of_tests(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "passages", range(12))
    notes: list[str] = []
    real = data(tmp_path, "passages", test=0, validation=0.2)
    found = evaluation.compare(folder, real, ONCE, notes.append)
    assert found["texts"]["tested_on"] == "validation" and any("validation part takes" in note for note in notes)
    assert found["texts"]["not_measured"]["fidelity"].startswith("needs 40 texts of each; there are 12 synthetic")
    assert "fidelity: not measured; needs 40 texts" in evaluation.text(found)


def test_what_does_not_suit_is_refused(tmp_path: Path) -> None:
    folder = dataset(tmp_path, "passages", range(12))
    nothing = data(tmp_path, "passages", test=0, validation=0)
    assert "holds texts out" in TextMeasure.lack(nothing) and TextMeasure.lack(data(tmp_path, "passages")) == ""
    assert TextMeasure.lack({"path": "images"}) == ""
    with pytest.raises(DataError, match=r"neither `test` nor `validation` of the data holds texts out"):
        evaluation.compare(folder, nothing, ONCE, lambda line: None)
    with pytest.raises(DataError, match=r"records are dialogues: they need a dialogue, and its fields are text"):
        evaluation.compare(folder, data(tmp_path, "dialogues"), ONCE, lambda line: None)
    with pytest.raises(UsageError, match=r"must be a file or a folder of texts"):
        evaluation.compare(folder, {"path": "images"}, ONCE, lambda line: None)
    with pytest.raises(UsageError, match=r"is in braces, and must hold settings"):
        evaluation.compare(folder, "{texts", ONCE, lambda line: None)
    with pytest.raises(UsageError, match=r"--evaluator: is not used for texts"):
        evaluation.compare(folder, nothing, Evaluation(evaluator="x"), lambda line: None)


def test_the_command_takes_a_file_or_settings_and_the_report_shows_both(cli: Any, tmp_path: Path) -> None:
    folder = dataset(tmp_path, "utterances", range(40))
    real = data(tmp_path, "utterances")
    words = ("--seeds", 1, "--split", "all")
    done = cli("evaluate", folder, "--real", json.dumps(real), *words, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out.rpartition("report ")[0] or done.out)["texts"]["n_synthetic"] == 40
    assert cli("evaluate", folder, "--real", real["texts"], *words).code == 0
    assert cli("report", folder).out.count("real texts of") == 1
    page = (Path(folder) / "reports" / "report.html").read_text(encoding="utf-8")
    assert "train: real texts" not in page and "real texts" in page and "texts: usefulness: classes" in page
    assert "real training texts stand" in page
    assert cli("report", folder, "--no-real").code == 0
    page = (Path(folder) / "reports" / "report.html").read_text(encoding="utf-8")
    assert "real training texts stand" not in page

"""Texts of every kind: from a file through training to samples whose fields say what they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import synthgen
import tiny
from synthgen import api
from synthgen.readers.texts import reader
from synthgen.readers.texts.reader import TextData
from synthgen.trainers.text.segments import records_of


def lines(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


UTTERANCES = [
    {
        "text": f"play {song} {i}",
        "label": ("music", "more music")[i % 2],
        "slots": [{"start": 5, "end": 5 + len(song), "label": "song"}],
    }
    for i in range(12)
    for song in ("Hallelujah", "99 Luftballons")
]
FACTS = [
    {"subject": f"town {i}", "relation": ("mayor", "river")[i % 2], "answer": f"name {i}", "question": f"who? {i}"}
    for i in range(30)
]
QUESTIONS = [
    {"context": f"The river {i} is long.", "question": f"What is long? {i}", "answers": [f"river {i}"]}
    for i in range(30)
]
DIALOGUES = [
    {"messages": [{"role": "user", "content": f"hello {i}"}, {"role": "assistant", "content": "good day"}]}
    for i in range(30)
]
KINDS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], set[str]]] = {
    "utterances": (UTTERANCES, {"music": 3, "more music": 3}, {"text", "slots"}),
    "facts": (FACTS, {"fact": 6}, {"relation", "subject", "answer", "question"}),
    "questions": (QUESTIONS, {"question": 6}, {"context", "answers", "question"}),
    "dialogues": (DIALOGUES, {"dialogue": 6}, {"messages"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_every_kind_are_learned_and_generated(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows, quotas, fields = KINDS[kind]
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        json.dumps(
            {
                "kind": "dataset",
                "name": "texts",
                "data": {"texts": lines(tmp_path / "texts.jsonl", rows), "kind": kind},
                "train": {"use": "text", "preset": "tiny", "steps": 2, "batch_size": 8},
                "condition": {"use": "classes", "quotas": quotas},
                "sampler": {"use": "text", "model": "trained", "steps": 4},
                "shard_size": 3,
                "batch_size": 3,
                "output": {"writers": ["jsonl"]},
            }
        )
    )
    found = api.run(recipe, executor="local", workers=1, device="cpu")
    samples = list(synthgen.load(found.out))
    assert len(samples) == 6
    for sample in samples:
        assert fields | {"log_likelihood"} <= set(sample)
        assert sample["log_likelihood"] < 0


def test_what_is_given_is_kept_and_the_same_in_every_shard(tmp_path: Path) -> None:
    recipe: dict[str, Any] = {
        "kind": "dataset",
        "name": "translated",
        "condition": {"use": "real-texts", "data": tiny.text_data(), "part": "train"},
        "sampler": {"use": "text", "model": tiny.text_model(), "steps": 3},
        "output": {"writers": ["jsonl"]},
    }
    found = []
    for size in (4, 12):
        path = tmp_path / f"{size}.yaml"
        path.write_text(json.dumps({**recipe, "shard_size": size, "batch_size": 4}))
        out = api.run(path, tmp_path / str(size), samples=12, executor="local", workers=1, device="cpu").out
        found.append([sample["translation"] for sample in synthgen.load(out)])
    given = reader.read(TextData(**tiny.text_data())).take("train").texts["source"][:12]
    assert [pair["en"] for pair in found[0]] == list(given)
    assert found[0] == found[1] and len({pair["de"] for pair in found[0]}) > 6


def test_values_of_slots_stand_in_place(tmp_path: Path) -> None:
    texts = reader.read(TextData(texts=lines(tmp_path / "a.jsonl", UTTERANCES), kind="utterances"))
    assert [(segment.role, segment.content) for segment in records_of(texts)[0]] == [
        ("label", "music"),
        ("text", " play"),
        ("slot: song", " Hallelujah"),
        ("text", " 0"),
    ]

"""The scorer that translates back: with a model that has learned a few words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import helpers
import text_files
import tiny
from synthgen.errors import ModelError
from synthgen.fields import Text, Translation
from synthgen.scorers.round_trip import RoundTrip
from synthgen.trainers.text.trainer import TextTrainer

WORDS = {"red": "rot", "old": "alt", "big": "groß", "cold": "kalt", "young": "jung", "green": "grün"}
SCHEMA = {"translation": Translation(("en", "de"))}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that knows six words by heart."""
    folder = tmp_path_factory.mktemp("words")
    rows = [f"{en}\t{de}" for en, de in WORDS.items()] * 8
    path = text_files.write(folder, "words.tsv", "\n".join(["en\tde", *rows]) + "\n")
    settings = {"data": {"texts": str(path), "languages": ["en", "de"], "validation": 0}, "preset": "tiny"}
    more = {"steps": 70, "batch_size": 32, "dropout": 0.0, "ema_decay": 0.9, "whole": 0.0}
    trainer = TextTrainer(TextTrainer.Config.model_validate({**settings, **more}))
    return str(trainer.train(folder / "model", 0, device="cpu", quiet=True))


def scored(model: str, pairs: list[dict[str, str]], **settings: Any) -> list[float]:
    part = RoundTrip(RoundTrip.Config(model=model, steps=4, **settings))
    assert part.bind({"translation": Translation(tuple(pairs[0]))}) == []
    part.setup("cpu")
    found = part.annotate({"translation": pairs}, list(range(len(pairs))))
    assert set(found) == {"round_trip_chrf"}
    return list(found["round_trip_chrf"])


@pytest.mark.slow
def test_right_translations_come_back_and_wrong_ones_do_not(model: str) -> None:
    right = [{"en": en, "de": de} for en, de in WORDS.items()]
    wrong = [{"en": en, "de": de} for en, de in zip(WORDS, [*list(WORDS.values())[1:], "rot"], strict=True)]
    for settings in ({}, {"back": "en"}):
        good, bad = scored(model, right, **settings), scored(model, wrong, **settings)
        assert min(good) > 90 and sum(bad) / len(bad) < 50
    turned = [{"de": pair["de"], "en": pair["en"]} for pair in right]
    assert min(scored(model, turned)) > 90


@pytest.mark.slow
def test_a_score_depends_on_its_own_pair(model: str) -> None:
    pairs = [{"en": en, "de": de} for en, de in WORDS.items()]
    assert scored(model, pairs)[:2] == scored(model, pairs[:2])


def test_what_is_too_long_has_nothing_left() -> None:
    pairs = [{"en": "the red house", "de": "x" * 500}, {"en": "the red house", "de": "das alte Auto"}]
    assert scored(tiny.text_model(), pairs, temperature=1.0)[0] == 0
    assert scored(tiny.text_model(), pairs[:1]) == [0]


def test_what_it_cannot_use(tmp_path: Path) -> None:
    part = RoundTrip(RoundTrip.Config(model=tiny.text_model(), back="fr"))
    assert helpers.bind_messages(part, SCHEMA) == ["back: unknown language `fr`; accepted: en, de"]
    other = {"translation": Translation(("en", "fr"))}
    assert helpers.bind_messages(part, other) == [
        f"`translation` is in en and fr, and model {tiny.text_model()} knows en and de"
    ]
    assert helpers.bind_messages(part, {"translation": Text()}) == [
        "translation: unknown translation `translation`; accepted: none"
    ]
    folder = shutil.copytree(tiny.text_model(), tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"kind": "facts", "languages": []}))
    with pytest.raises(ModelError, match="generates facts of unknown languages; a model of pairs is needed"):
        RoundTrip(RoundTrip.Config(model=str(folder)))

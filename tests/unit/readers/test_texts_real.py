"""Real texts that lie beside the project: all of them are read, and what their page says of them holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import helpers
from synthgen.readers.texts.reader import TextData, Texts, read
from synthgen.readers.texts.records import Act, Answer
from synthgen.readers.texts.types import SPLITS

REAL = helpers.ROOT.parent / "shared" / "data" / "text"

pytestmark = [pytest.mark.realdata, pytest.mark.skipif(not REAL.is_dir(), reason="the data sets are not here")]


def load(name: str, **settings: Any) -> Texts:
    return read(TextData(texts=str(REAL / name), **settings))


def counts(texts: Texts) -> list[int]:
    return [int(np.sum(texts.splits == i)) for i in range(len(SPLITS))]


def test_banking77() -> None:
    found = load("banking77")
    assert found.kind == "utterances" and len(found.classes) == 77
    assert counts(found) == [9003, 1000, 3080], "10,003 for training, of which a tenth is validation"
    assert found.take("test").texts["text"][0] == "How do I locate my card?"
    assert any(note.startswith("7 texts are in train and in test") for note in found.notes)
    assert found.labels is not None
    share = np.bincount(found.labels[found.splits == 1]) / np.bincount(found.labels[found.splits != 2])
    assert share.min() > 0.07 and share.max() < 0.13


def test_snips() -> None:
    found = load("snips")
    assert found.kind == "utterances" and (len(found.classes), len(found.slot_classes)) == (7, 39)
    assert counts(found) == [12406, 1378, 700]
    assert found.spans is not None
    first = found.take("test")
    assert first.spans is not None
    named = [(first.texts["text"][0][a:b], first.slot_classes[slot]) for a, b, slot in first.spans[0]]
    assert named == [("track", "music_item"), ("my", "playlist_owner"), ("Classical Relaxations", "playlist")]
    assert sum(map(len, found.spans)) == 35748 + 1794


def test_tatoeba() -> None:
    found = load("tatoeba_en_de", languages=["en", "de"])
    assert found.kind == "pairs" and counts(found) == [40239, 4766, 4996]
    assert found.take("train").texts["source"][0] == "Hi."
    assert 'Say "aah."' in found.texts["source"] and 'Sein Vater nennt ihn "Tom".' in found.texts["target"]
    assert not any('""' in text for texts in found.texts.values() for text in texts)


def test_simplequestions() -> None:
    found = load("simplequestions")
    assert found.kind == "facts" and counts(found) == [17267, 2233, 2187]
    assert '"Weird Al" Yankovic' in found.texts["subject"] + found.texts["answer"]
    assert found.take("test").texts["answer"][0] == "Believe"


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_xquad(language: str) -> None:
    found = load(f"xquad/xquad.{language}.json")
    assert found.kind == "questions" and len(found) == 1190
    assert len(set(found.texts["context"])) == 240
    assert found.answers is not None and all(len(one) == 1 for one in found.answers)
    for context, (answer,) in zip(found.texts["context"], found.answers, strict=True):
        assert (
            isinstance(answer, Answer) and answer.start is not None and context[answer.start :].startswith(answer.text)
        )
    train, held = found.take("train"), found.take("validation")
    assert not set(train.texts["context"]) & set(held.texts["context"]) and 110 <= len(held) <= 130


def test_dialogues() -> None:
    found = load("sgd", columns={"label": "service"})
    assert found.kind == "dialogues" and counts(found) == [3200, 400, 600]
    assert found.dialogues is not None and sum(map(len, found.dialogues)) == 60834
    first = found.take("test").dialogues
    assert first is not None
    assert first[0][0].acts == (Act("INFORM", "date", "the 8th"), Act("INFORM_INTENT", "intent", "ReserveRestaurant"))
    assert "1 message has no content, and acts alone" in found.notes
    assert "Restaurants_2" in found.classes

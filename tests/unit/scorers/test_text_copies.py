"""The scorer that finds what stands in other texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import helpers
import text_files
from synthgen.errors import DataError
from synthgen.fields import Chat, Text, Translation
from synthgen.readers.texts.reader import TextData
from synthgen.scorers.text_copies import TextCopies

ROWS = "text,split\nI would like to book a table for two,train\nWhere is my card?,train\nCancel my order now,test\n"


def part_of(tmp_path: Path, **settings: Any) -> TextCopies:
    path = text_files.write(tmp_path, "texts.csv", ROWS)
    data = text_files.data(path, kind="passages", licence="cc-by-4.0", source="desk")
    return TextCopies(TextCopies.Config(data=data, **settings))


def scored(part: TextCopies, texts: list[str]) -> dict[str, Any]:
    assert part.bind({"text": Text()}) == []
    part.setup("cpu")
    return dict(part.annotate({"text": texts}, [0] * len(texts)))


def test_copies_near_copies_and_other_texts(tmp_path: Path) -> None:
    texts = [
        "where IS my  card?",
        "Please: I would like to book a table for ten",
        "The weather is fine",
        "",
    ]
    found = scored(part_of(tmp_path), texts)
    assert found["copy_words"] == [4, 8, 1, 0]
    assert found["copy_share"] == pytest.approx([1, 0.8, 0.25, 0])
    copy, near, other, empty = found["copy_similarity"]
    assert copy == 1 and 0.5 < near < 1 and other < 0.2 and empty == 0


def test_only_the_training_part(tmp_path: Path) -> None:
    text = ["Cancel my order now"]
    assert scored(part_of(tmp_path), text)["copy_similarity"] == [1]
    assert scored(part_of(tmp_path, part="train", name="seen"), text)["seen_words"] == [1]
    with pytest.raises(DataError, match="the split `validation` has no records"):
        part_of(tmp_path, part="validation")


def test_the_worst_of_several_texts_and_those_of_a_dialogue(tmp_path: Path) -> None:
    schema = {"pair": Translation(("en", "de")), "chat": Chat()}
    columns = {
        "pair": [{"en": "A new text", "de": "Wo ist my card?"}],
        "chat": [[{"role": "user", "content": "Cancel my"}, {"role": "assistant", "content": "order now"}]],
    }
    for names, words in (([], 4), (["pair"], 2), (["pair.en"], 1), (["chat.assistant"], 2)):
        part = part_of(tmp_path, texts=names)
        assert part.bind(schema) == []
        part.setup("cpu")
        assert part.annotate(columns, [0])["copy_words"] == [words], names


def test_sources_and_what_is_refused(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    assert [(source.name, source.licence) for source in part.sources] == [("desk", "cc-by-4.0")]
    assert part.identity() != part_of(tmp_path, part="test").identity()
    assert str(tmp_path) not in str(part.identity())
    assert helpers.bind_messages(part, {}) == ["needs a field of texts: a text, a translation or a dialogue"]
    with pytest.raises(DataError, match=r"none\.csv"):
        TextCopies(TextCopies.Config(data=TextData(texts=str(tmp_path / "none.csv"))))

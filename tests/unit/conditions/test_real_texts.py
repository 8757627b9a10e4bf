"""`use: real-texts`: what is given, by which name, and what stays in one split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synthgen.conditions.real_texts import RealTexts
from synthgen.errors import DataError
from synthgen.fields import Text


def part(path: Path, content: str, **settings: Any) -> RealTexts:
    path.write_text(content, encoding="utf-8")
    data = {"texts": str(path), **settings.pop("data", {})}
    return RealTexts(RealTexts.Config.model_validate({"data": data, **settings}))


def test_sentences_of_a_text_file_are_given_as_sources(tmp_path: Path) -> None:
    lines, data = "One.\nTwo.\n\nThree.\n", {"unit": "line", "kind": "passages"}
    found = part(tmp_path / "mine.txt", lines, data=data, give={"text": "source"})
    assert found.fields == {"source": Text(), "origin": Text()}
    assert [found.condition(i)[0]["source"] for i in range(4)] == ["One.", "Two.", "Three.", "One."]
    assert found.condition(2)[0]["origin"] == f"{tmp_path}/mine.txt:4"


def test_both_sides_of_pairs_can_be_given(tmp_path: Path) -> None:
    rows = "source\ttarget\nred\trot\nold\talt\n"
    for give, wanted in (("source", ["red", "old"]), ("target", ["rot", "alt"])):
        found = part(tmp_path / "pairs.tsv", rows, give=[give])
        assert [found.condition(i)[0][give] for i in range(2)] == wanted


def test_records_that_share_a_text_are_one_family_however_often_they_come(tmp_path: Path) -> None:
    found = part(tmp_path / "pairs.tsv", "source\ttarget\nred\trot\nRed \tkirschrot\nold\talt\n")
    families = [found.condition(i)[1] for i in range(6)]
    assert families[0] == families[1] != families[2]
    assert families[:3] == families[3:] and None not in families


def test_parts_that_are_not_there_and_names_that_are_taken_are_refused(tmp_path: Path) -> None:
    rows = "source\ttarget\nred\trot\n"
    with pytest.raises(DataError) as error:
        part(tmp_path / "pairs.tsv", rows, give=["sources", "box"])
    assert [text.partition("give: ")[2] for text in error.value.messages] == [
        "unknown part of a record `sources`; did you mean `source`? Accepted: source, target",
        "unknown part of a record `box`; accepted: source, target",
    ]
    for give in ({"source": "a", "target": "a"}, {"source": "origin"}):
        with pytest.raises(DataError, match="have the same name"):
            part(tmp_path / "pairs.tsv", rows, give=give)

"""`use: facts`: every fact equally often, relations by quota, samples on one subject in one split."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from synthgen.conditions.facts import Facts
from synthgen.errors import DataError

ROWS = [(f"town {i // 2}", ("mayor", "river")[i % 2], f"name {i}") for i in range(20)] + [("town 0", "twin", "Ulm")]


def table(folder: Path, rows: list[tuple[str, str, str]] = ROWS) -> str:
    path = folder / "facts.tsv"
    path.write_text("\n".join("\t".join(row) for row in [("subject", "relation", "answer"), *rows]) + "\n")
    return str(path)


def part(path: str, **settings: Any) -> Facts:
    return Facts(Facts.Config.model_validate({"data": {"texts": path}, **settings}))


def test_every_fact_is_used_equally_often_without_a_question(tmp_path: Path) -> None:
    found = part(table(tmp_path), repeats=3)
    assert found.samples == 63 and set(found.fields) == {"relation", "subject", "answer", "origin"}
    rows = [found.condition(i) for i in range(63)]
    names = found.fields["relation"].sample_classes
    asked = Counter((row["subject"], names[row["relation"]], row["answer"]) for row, _ in rows)
    assert asked == dict.fromkeys(ROWS, 3)
    assert {len({(row["subject"], row["answer"]) for row, _ in rows[i : i + 21]}) for i in (0, 21, 42)} == {21}
    assert [row["answer"] for row, _ in rows[:21]] != [answer for _, _, answer in ROWS]
    assert found.class_counts(30) == [Counter(row["relation"] for row, _ in rows[:30])[i] for i in range(3)]
    assert rows[0][0]["origin"].startswith(str(tmp_path))


def test_samples_on_one_subject_are_one_family(tmp_path: Path) -> None:
    found = part(table(tmp_path, [("Bern", "a", "1"), ("bern ", "b", "2"), ("Ulm", "a", "3")]))
    families = {row["answer"]: family for row, family in (found.condition(i) for i in range(3))}
    assert families["1"] == families["2"] != families["3"]


def test_relations_have_quotas_and_their_facts_come_equally_often(tmp_path: Path) -> None:
    found = part(table(tmp_path), relations={"twin": 2, "river": 20})
    assert found.samples == 22 and found.class_counts(22) == [2, 20]
    assert found.fields["relation"].sample_classes == ("twin", "river")
    rows = [found.condition(i)[0] for i in range(22)]
    assert Counter(row["relation"] for row in rows) == {0: 2, 1: 20}
    assert set(Counter(row["answer"] for row in rows).values()) == {2}


def test_the_order_follows_from_the_seed(tmp_path: Path) -> None:
    path = table(tmp_path)
    found = [[part(path, seed=seed).condition(i)[0]["answer"] for i in range(21)] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert part(path).identity() != part(path, seed=1).identity()
    assert part(path).identity() == part(path, repeats=2).identity()


def test_a_split_of_the_data_can_be_asked_for(tmp_path: Path) -> None:
    path = table(tmp_path)
    parts = [part(path, part=split) for split in ("train", "validation")]
    seen = [{found.condition(i)[1] for i in range(found.samples)} for found in parts]
    assert all(seen) and not seen[0] & seen[1]


def test_what_cannot_be_asked_for_is_named(tmp_path: Path) -> None:
    path = table(tmp_path)
    with pytest.raises(DataError) as error:
        part(path, relations={"rivers": 1, "twin": 1, "lake": 2})
    assert [text.partition(": ")[2] for text in error.value.messages] == [
        "relations: unknown relation `rivers`; did you mean `river`? Accepted: mayor, river, twin",
        "relations: unknown relation `lake`; accepted: mayor, river, twin",
    ]
    with pytest.raises(DataError, match="leave out `repeats`"):
        part(path, relations={"river": 1}, repeats=2)
    pairs = tmp_path / "pairs.tsv"
    pairs.write_text("source\ttarget\na\tb\n")
    with pytest.raises(DataError, match="subject"):
        part(str(pairs))
    with pytest.raises(DataError, match="holds pairs, and facts are needed"):
        Facts(Facts.Config.model_validate({"data": {"texts": str(pairs), "kind": "pairs"}}))

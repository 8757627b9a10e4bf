"""Entities that are shorter than a window: left out, counted and named."""

from __future__ import annotations

from pathlib import Path

import pytest

import series_files as files
from synthgen.readers.series import reader
from synthgen.readers.series.scaffold import look
from synthgen.readers.series.short import bulk_length


def table(path: Path, lengths: dict[str, int], label: dict[str, str] | None = None) -> Path:
    """`who,t,v` (and `kind`) of entities with so many rows."""
    rows = [
        f"{who},{t},{(t * 7 + i) % 13}" + (f",{label[who]}" if label else "")
        for i, (who, n) in enumerate(lengths.items())
        for t in range(n)
    ]
    return files.csv(path, "\n".join(["who,t,v" + (",kind" if label else ""), *rows]) + "\n")


def test_short_entities_are_left_out_and_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"a": 15, "b": 500, "c": 40, "d": 500})
    data = files.data(path, entity="who", time="t", length=96)
    found = reader.read(data)
    assert [item.entity for item in found.items] == ["b", "d"]
    assert found.notes == (
        "2 of 4 entities are shorter than `length: 96` and are left out, with 5.2 % of all rows: a (15 rows), "
        "c (40 rows); `pad: true` keeps them",
    )
    assert len(reader.windows(found, data, "train")) == 2 * 405
    padded = reader.read(files.data(path, entity="who", time="t", length=96, pad=True))
    assert len(padded) == 4 and not padded.notes


def test_with_padding_two_rows_are_needed(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"a": 1, "b": 9})
    found = reader.read(files.data(path, entity="who", time="t", length=5, pad=True))
    assert [item.entity for item in found.items] == ["b"]
    assert "1 of 2 entities is shorter than the two rows that are needed and is left out" in found.notes[0]
    assert found.notes[0].endswith("a (1 row)")


def test_a_class_of_short_entities_only_is_not_there(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"a": 3, "b": 30, "c": 30}, {"a": "p", "b": "q", "c": "r"})
    found = reader.read(files.data(path, entity="who", time="t", label="kind", channels=["v"], length=8))
    assert found.classes == ("q", "r") and [item.label for item in found.items] == [0, 1]
    assert "no entity of class p is left, so that class is not there" in found.notes[0]


@pytest.mark.parametrize(
    ("lengths", "expected"), [([500, 500, 15], 500), ([10], 10), ([50] * 9 + [100] * 5, 50), ([7, 7, 7, 100], 7)]
)
def test_nine_tenths_of_the_rows_are_in_entities_as_long_as_a_window(lengths: list[int], expected: int) -> None:
    assert bulk_length(lengths) == expected
    assert sum(n for n in lengths if n >= expected) >= 0.9 * sum(lengths)


def test_init_does_not_shrink_the_window_to_the_shortest_entity(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", {"a": 15, **{f"e{i}": 500 for i in range(5)}})
    found = look(str(path))
    assert found.settings["entity"] == "who" and found.length == 24
    assert any(
        note.startswith("1 of 6 entities is shorter than `length: 24` and is left out") for note in found.facts.notes
    )
    assert found.facts.rows["windows"].startswith("of 24 steps")

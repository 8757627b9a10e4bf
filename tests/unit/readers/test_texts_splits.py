"""Splits of texts: no sentence is on two sides, shares are met, classes keep theirs, and files say their own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.errors import DataError
from synthgen.readers.texts.dividing import divided
from synthgen.readers.texts.reader import Texts, read
from synthgen.readers.texts.sameness import compared, same
from synthgen.readers.texts.types import SPLITS
from text_files import data, read_file, write


def pairs(rows: list[tuple[str, str]]) -> Texts:
    n = len(rows)
    sides = {"source": tuple(a for a, _ in rows), "target": tuple(b for _, b in rows)}
    ints = np.zeros(n, dtype=np.int32)
    return Texts("pairs", sides, ("t.tsv",), ints, ints + 1, ints.astype(np.int8))


def split_of(texts: Texts) -> dict[str, set[int]]:
    """The splits of each text, as texts are compared."""
    found: dict[str, set[int]] = {}
    for keys, split in zip(compared(texts), texts.splits.tolist(), strict=True):
        for key in keys:
            found.setdefault(key, set()).add(split)
    return found


WORDS = st.sampled_from(["a", "A ", " a", "b", "c", "d", "e", "f", "caf\u00e9", "cafe\u0301", "\u1e9e", "ss"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=30), st.integers(0, 5))
def test_no_text_is_on_two_sides(rows: list[tuple[str, str]], seed: int) -> None:
    texts = pairs(rows)
    given_splits = np.full(len(rows), -1, dtype=np.int8)
    splits, _ = divided(texts, given_splits, [], {"validation": 0.2, "test": 0.2}, seed)
    sides: dict[str, int] = {}
    for keys, split in zip(compared(texts), splits.tolist(), strict=True):
        assert all(sides.setdefault(key, split) == split for key in keys)
    assert (splits == 0).any(), "something is left to train on"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(rows: list[tuple[str, str]], random: object) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    none = np.full(len(rows), -1, dtype=np.int8)
    first, _ = divided(pairs(rows), none, [], {"validation": 0.3}, 1)
    second, _ = divided(pairs([rows[i] for i in order]), none, [], {"validation": 0.3}, 1)
    assert [int(first[i]) for i in order] == second.tolist()


def test_texts_are_compared_without_capitals_blanks_and_composition() -> None:
    assert same(" Caf\u00c9\u00a0 au\tlait\u2028") == same("cafe\u0301 AU LAIT") == "caf\u00e9 au lait"
    assert same("Stra\u00dfe") == same("STRASSE")
    assert same("a.") != same("a")


def test_shares_are_met_and_classes_keep_theirs(tmp_path: Path) -> None:
    rows = [f"text {i},{'rare' if i % 50 == 0 else 'ab'[i % 2]}" for i in range(1000)]
    found = read_file(tmp_path, "t.csv", "text,label\n" + "\n".join(rows), validation=0.1, test=0.2)
    assert np.bincount(found.splits).tolist() == [700, 100, 200]
    for label in range(3):
        shares = np.bincount(found.splits[found.labels == label]) / np.sum(found.labels == label)
        np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.03)
    other = read(data(tmp_path / "t.csv", validation=0.1, test=0.2, seed=1))
    assert (other.splits != found.splits).any() and np.bincount(other.splits).tolist() == [700, 100, 200]
    test = found.take("test")
    assert len(test) == 200 and test.classes == found.classes and test.where(0).startswith(f"{tmp_path}/t.csv:")


def test_a_class_of_one_record_is_for_training(tmp_path: Path) -> None:
    rows = "".join(f"text {i},class {i}\n" for i in range(40))
    found = read_file(tmp_path, "t.csv", "text,label\n" + rows, validation=0.4)
    assert (found.splits == 0).all()
    with pytest.raises(DataError, match=r"the split `validation` has no records \(there are train 40"):
        found.take("validation")


def test_many_small_classes_give_their_share_together(tmp_path: Path) -> None:
    rows = "".join(f"text {i},class {i % 100}\n" for i in range(300))
    found = read_file(tmp_path, "t.csv", "text,label\n" + rows, validation=0.1)
    assert np.sum(found.splits == 1) == 30
    assert found.labels is not None
    assert max(Counter(found.labels[found.splits == 1].tolist()).values()) == 1


def test_groups_ids_and_contexts_stay_together(tmp_path: Path) -> None:
    rows = "".join(f"text {i},{'ab'[i % 2]},g{i // 5}\n" for i in range(100))
    found = read_file(tmp_path, "t.csv", "text,label,who\n" + rows, validation=0.2, group="who")
    groups = [i // 5 for i in range(100)]
    assert not set(np.array(groups)[found.splits == 1]) & set(np.array(groups)[found.splits == 0])
    assert np.sum(found.splits == 1) == 20
    lines = [{"id": str(i // 2), "prompt": f"p{i}", "completion": "yes"} for i in range(100)]
    chats = read_file(tmp_path, "t.jsonl", "\n".join(map(json.dumps, lines)), validation=0.2)
    assert (chats.splits[::2] == chats.splits[1::2]).all() and np.sum(chats.splits == 1) == 20
    asked = "".join(f"context {i // 4},question {i},answer\n" for i in range(100))
    questions = read_file(tmp_path, "q.csv", "context,question,answer\n" + asked, validation=0.2)
    assert (questions.splits.reshape(-1, 4) == questions.splits[::4, None]).all()
    about = "".join(f"subject {i // 4},r,a{i}\n" for i in range(100))
    facts = read_file(tmp_path, "f.csv", "subject,relation,answer\n" + about, validation=0.2)
    assert (facts.splits.reshape(-1, 4) == facts.splits[::4, None]).all()


def test_one_large_component_is_noted(tmp_path: Path) -> None:
    rows = "".join(f"text {i},{'same' if i < 60 else i}\n" for i in range(100))
    found = read_file(tmp_path, "t.csv", "source,target\n" + rows, validation=0.1)
    assert (found.splits[:60] == 0).all() and np.sum(found.splits == 1) == 10
    assert any(note.startswith("60 of 100 records are connected") for note in found.notes)


def test_files_of_splits(tmp_path: Path) -> None:
    for name, text in {"train-00000-of-00001": "A b", "dev": "c", "Test": "a  B"}.items():
        write(tmp_path, f"d/{name}.csv", f"text,label\n{text},x\n")
    found = read(data(tmp_path / "d", validation=None))
    assert [found.take(split).texts["text"] for split in SPLITS] == [("A b",), ("c",), ("a  B",)]
    assert any(note.startswith("1 text is in train and in test") for note in found.notes)
    with pytest.raises(DataError, match="has files of the split `validation`; leave out the share"):
        read(data(tmp_path / "d", validation=0.1))
    with pytest.raises(DataError, match=r"has files of the split `test`; leave out `test: .*Test\.csv`"):
        read(data(tmp_path / "d", validation=None, test=str(tmp_path / "d" / "Test.csv")))
    write(tmp_path, "d/extra.csv", "text,label\na,x\n")
    with pytest.raises(DataError, match=r"Test\.csv is called as a split, and extra\.csv is not"):
        read(data(tmp_path / "d"))
    write(tmp_path, "e/test.csv", "text,label\na,x\n")
    with pytest.raises(DataError, match="and none called train"):
        read(data(tmp_path / "e"))


def test_validation_is_drawn_of_training_files_alone(tmp_path: Path) -> None:
    write(tmp_path, "d/train.csv", "text,label\n" + "".join(f"t{i},x\n" for i in range(20)))
    write(tmp_path, "d/test.csv", "text,label\n" + "".join(f"u{i},x\n" for i in range(20)))
    found = read(data(tmp_path / "d", validation=None))
    assert np.bincount(found.splits).tolist() == [18, 2, 20]
    assert all(text.startswith("t") for text in found.take("validation").texts["text"])


def test_files_that_settings_name_as_splits(tmp_path: Path) -> None:
    train, test = write(tmp_path, "a.csv", "text,label\na,x\n"), write(tmp_path, "b.csv", "text,label\nb,y\n")
    found = read(data(train, test=str(test)))
    assert found.take("test").texts["text"] == ("b",) and found.classes == ("x", "y")
    for name in ("train", "test"):
        write(tmp_path, f"other/{name}.csv", f"text,label\nother {name},x\n")
    assert read(data(train, test=str(tmp_path / "other"))).take("test").texts["text"] == ("other test",)
    with pytest.raises(DataError, match="has files of other splits, and none of `validation`"):
        read(data(train, validation=str(tmp_path / "other")))
    with pytest.raises(DataError, match="is named for two splits"):
        read(data(train, test=str(train)))


def test_a_column_of_splits(tmp_path: Path) -> None:
    found = read_file(tmp_path, "t.csv", "text,label,split\na,x,train\nb,x,TEST\nc,x,dev\n", validation=None)
    assert [SPLITS[i] for i in found.splits] == ["train", "test", "validation"]
    with pytest.raises(DataError, match=r"t\.csv:2: split: 'first' is no split; train, validation, test are accepted"):
        read_file(tmp_path, "t.csv", "text,label,split\na,x,first\n")
    with pytest.raises(DataError, match="has records of the split `test`; leave out the share"):
        read_file(tmp_path, "t.csv", "text,label,split\na,x,train\nb,x,test\n", test=0.1)


def test_passages_of_many_files_stay_with_their_file(tmp_path: Path) -> None:
    for i in range(20):
        write(tmp_path, f"d/{i}.txt", f"one {i}\n\ntwo {i}\n")
    found = read(data(tmp_path / "d", validation=0.2))
    assert (found.splits[::2] == found.splits[1::2]).all() and np.sum(found.splits == 1) == 8
    assert "passages of one file stay in one split (20 files)" in found.notes

"""What is held out of labelled steps, and which of very many are learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthgen.readers.series import reader
from synthgen.readers.series.reader import SeriesData, Windows
from synthgen.trainers.series import held_out


def windows(folder: Path, states: list[str], length: int, machine: list[str] | None = None) -> Windows:
    path = folder / "table.csv"
    rows = [f"{i % 7},{state},{machine[i] if machine else ''}" for i, state in enumerate(states)]
    path.write_text("x,state,machine\n" + "\n".join(rows) + "\n")
    given = {"path": str(path), "step_label": "state", "length": length, "channels": ["x"], "validation": 0.0}
    given |= {"stride": length // 2, "time": "none", **({"entity": "machine"} if machine else {})}
    data = SeriesData.model_validate(given)
    return reader.windows(reader.read(data), data, "train", to_the_end=True)


def parts(found: Windows) -> list[set[int]]:
    """The parts of each row that is labelled and takes part."""
    held = held_out.parts_of(found)
    return [set(held.groups[held.inside & (found.places == row)].tolist()) for row in range(len(found.rows))]


def test_entities_are_held_out_where_each_class_is_in_two(tmp_path: Path) -> None:
    states = ["a" if i // 5 % 2 else "b" for i in range(120)]
    found = windows(tmp_path, states, 8, [f"m{i // 40}" for i in range(120)])
    each = parts(found)
    assert held_out.parts_of(found).apart and all(len(part) == 1 for part in each)
    assert [len(set.union(*each[i : i + 40])) for i in (0, 40, 80)] == [1, 1, 1] and len(set.union(*each)) == 3


def test_marked_stretches_are_parts_however_long_a_window_is(tmp_path: Path) -> None:
    """Four stretches of 20 rows far apart: the classes of each are in two, though they have less rows than a window."""
    states = [""] * 2000
    for i, state in enumerate("abab"):
        states[400 * i : 400 * i + 20] = [state] * 20
    found = windows(tmp_path, states, 128)
    each = parts(found)
    assert held_out.parts_of(found).apart
    stretches = [set.union(*each[400 * i : 400 * i + 20]) for i in range(4)]
    assert all(len(part) == 1 for part in stretches) and len(set.union(*stretches)) == 4


def test_no_window_has_steps_of_two_parts_where_they_are_long(tmp_path: Path) -> None:
    states = ["a" if i // 11 % 2 else "b" for i in range(800)]
    found = windows(tmp_path, states, 16)
    held = held_out.parts_of(found)
    assert held.apart and 6 <= len(np.unique(held.groups[held.inside])) <= 20
    for groups, inside in zip(held.groups, held.inside, strict=True):
        assert len(np.unique(groups[inside])) <= 1
    left_out = (found.step_labels > 0) & ~held.inside
    assert 0 < left_out.mean() < 0.3


def test_short_parts_and_stretches_of_a_class_are_what_is_left(tmp_path: Path) -> None:
    states = ["a" if i // 12 % 2 else "b" for i in range(60)]
    held = held_out.parts_of(windows(tmp_path, states, 32))
    assert not held.apart and not held.lacking(windows(tmp_path, states, 32).step_labels, 2)
    once = ["b"] * 10 + ["a"] * 2 + ["b"] * 20
    found = windows(tmp_path, once, 16)
    assert held_out.parts_of(found).lacking(found.step_labels, 2) == {1: 1}


def test_rare_classes_are_among_the_chosen_in_two_parts() -> None:
    for seed in range(20):
        labels = np.repeat([1, 2, 3], [100_000, 6, 100_000])
        groups = np.concatenate(
            [np.arange(100_000) // 1000, [500, 500, 500, 501, 501, 501], np.arange(100_000) // 1000]
        )
        some = held_out.chosen(labels, groups, 8000, seed)
        assert len(some) == 8000 and (np.diff(some) > 0).all()
        assert (labels[some] == 2).sum() == 6
        assert abs((labels[some] == 1).sum() - 4000) < 200
    few = held_out.chosen(np.repeat([1, 2], [50_000, 300]), np.repeat([0, 7, 8], [50_000, 299, 1]), 8000, 0)
    assert 50_299 in few, "the only step of a part"
    assert held_out.chosen(labels, groups, 200_006, 0).tolist() == list(range(200_006))

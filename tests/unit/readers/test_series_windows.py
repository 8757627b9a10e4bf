"""Windows of series: splits without leaks, padding, events."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from series_files import csv, data, parquet, walk
from synthgen.errors import DataError
from synthgen.readers.series import reader, views
from synthgen.readers.series.reader import Channel, Recording, Recordings, SeriesData, Split, Windows

SPLITS: tuple[Split, ...] = get_args(Split)
ROLES = {"entity": "name", "time": "t"}


def recordings(lengths: list[int]) -> Recordings:
    """Series in which every value occurs once."""
    items, first = [], 0
    for i, n in enumerate(lengths):
        values = np.arange(first, first + n, dtype=np.float32)[:, None]
        nothing = np.zeros((n, 0), dtype=np.float32)
        items.append(Recording(f"e{i}", np.arange(n, dtype=np.float64), "", values, nothing, nothing[0], None))
        first += n
    return Recordings(tuple(items), (Channel("v"),), (), (), (), "step", 1.0)


def all_splits(found: Recordings, config: SeriesData) -> dict[Split, Windows]:
    """The splits that have windows."""
    result = {}
    for split in SPLITS:
        try:
            result[split] = reader.windows(found, config, split)
        except DataError:
            continue
    return result


@given(
    lengths=st.lists(st.integers(2, 60), min_size=1, max_size=14),
    length=st.integers(2, 9),
    stride=st.integers(1, 5),
    shares=st.tuples(st.sampled_from([0.0, 0.1, 0.3]), st.sampled_from([0.0, 0.2, 0.5])),
)
@settings(max_examples=60, deadline=None)
def test_splits_share_no_step(lengths: list[int], length: int, stride: int, shares: tuple[float, float]) -> None:
    config = SeriesData(path="x", length=length, stride=stride, pad=True, validation=shares[0], test=shares[1])
    found = all_splits(recordings(lengths), config)
    steps = [set(w.values[np.isfinite(w.values)].tolist()) for w in found.values()]
    assert sum(map(len, steps)) == len(set().union(*steps))
    for windows in found.values():
        real = np.arange(length) < windows.lengths[:, None]
        assert np.array_equal(np.isfinite(windows.values[..., 0]), real)
        assert (np.diff(windows.times, axis=1) > 0).all()
        assert (windows.times[:, 0] == 0).all()
        assert (windows.lengths >= 2).all()


def test_few_entities_are_divided_in_time(tmp_path: Path) -> None:
    config = data(walk(tmp_path / "a.csv", 100, ("a", "b")), **ROLES, length=10, validation=0.2, test=0.1)
    found = all_splits(reader.read(config), config)
    first, last = ({s: f(w.values % 1000) for s, w in found.items()} for f in (np.min, np.max))
    assert first == {"train": 0, "validation": 70, "test": 90}
    assert last == {"train": 69, "validation": 89, "test": 99}
    assert {split: len(w) for split, w in found.items()} == {"train": 122, "validation": 22, "test": 2}


def test_a_held_out_part_has_one_window_at_least(tmp_path: Path) -> None:
    config = data(walk(tmp_path / "a.csv", 50), **ROLES, length=20, validation=0.01)
    found = all_splits(reader.read(config), config)
    assert {split: len(w) for split, w in found.items()} == {"train": 11, "validation": 1}


def test_of_many_entities_whole_ones_are_held_out(tmp_path: Path) -> None:
    names = tuple(f"p{i}" for i in range(20))
    config = data(walk(tmp_path / "a.csv", 6, names), **ROLES, length=4, validation=0.1, test=0.25)
    read = reader.read(config)
    found = all_splits(read, config)
    entities = {split: {read.items[i].entity for i in w.entities} for split, w in found.items()}
    assert {split: len(e) for split, e in entities.items()} == {"train": 13, "validation": 2, "test": 5}
    assert set().union(*entities.values()) == set(names)
    shuffled = data(walk(tmp_path / "b.csv", 6, names[::-1]), **ROLES, length=4, validation=0.1, test=0.25)
    again = reader.read(shuffled)
    assert {again.items[i].entity for i in reader.windows(again, shuffled, "test").entities} == entities["test"]


def test_windows_of_one_long_series(tmp_path: Path) -> None:
    config = data(csv(tmp_path / "a.csv", "v,c\n" + "".join(f"{i},{-i}\n" for i in range(20))), length=5, stride=4,
                  covariates=["c"])  # fmt: skip
    found = reader.windows(reader.read(config), config, "train")
    assert found.values[:, 0, 0].tolist() == [0, 4, 8, 12]
    assert (found.values[..., 0] == -found.covariates[..., 0]).all()
    assert found.times.tolist() == [[0, 1, 2, 3, 4]] * 4
    assert (found.starts.tolist(), found.entities.tolist()) == ([0, 4, 8, 12], [0] * 4)
    assert (found.labels.tolist(), found.lengths.tolist()) == ([0] * 4, [5] * 4)
    taken = found.take(np.array([3, 0]))
    assert (taken.starts.tolist(), taken.values[:, 0, 0].tolist(), len(taken)) == ([12, 0], [12, 0], 2)
    assert taken.channels == found.channels


def test_windows_have_what_their_entity_has(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "who,v,size,kind\na,1,5,x\na,2,5,x\nb,3,6,y\nb,4,6,y\nb,5,6,y\n")
    config = data(path, entity="who", static=["size"], label="kind")
    found = reader.windows(reader.read(config), config, "train")
    assert found.entities.tolist() == [0, 1, 1]
    assert found.static.tolist() == [[5], [6], [6]]
    assert found.labels.tolist() == [0, 1, 1]
    assert (found.static_names, found.classes) == (("size",), ("x", "y"))


def test_irregular_times_count_from_the_windows_start(tmp_path: Path) -> None:
    config = data(csv(tmp_path / "a.csv", "t,v\n1,1\n2,2\n4,3\n8,4\n"), time="t", length=3)
    found = reader.windows(reader.read(config), config, "train")
    assert (found.interval, found.times.tolist()) == (None, [[0, 1, 3], [0, 2, 6]])


@pytest.mark.parametrize("irregular", [False, True])
def test_short_series_are_padded(tmp_path: Path, irregular: bool) -> None:
    last = 4 if irregular else 3
    text = f"who,t,v,c\na,1,5,1\na,2,6,2\na,{last},7,3\nb,1,1,1\nb,2,2,2\nb,3,3,3\nb,4,4,4\nb,5,5,5\n"
    config = data(csv(tmp_path / "a.csv", text), entity="who", time="t", length=5, pad=True, covariates=["c"])
    found = reader.windows(reader.read(config), config, "train")
    assert found.lengths.tolist() == [3, 5]
    assert np.isnan(found.values[0, 3:]).all() and np.isfinite(found.values[1]).all()
    assert found.covariates[0, :, 0].tolist() == [1, 2, 3, 3, 3]
    assert found.times[0].tolist() == ([0, 1, 3, 4.5, 6] if irregular else [0, 1, 2, 3, 4])


def test_windows_without_any_value_are_left_out(tmp_path: Path) -> None:
    config = data(csv(tmp_path / "a.csv", "t,v\n0,1\n1,2\n8,3\n9,5\n"), time="t", step=1, length=3)
    found = reader.windows(reader.read(config), config, "train")
    assert found.starts.tolist() == [0, 1, 6, 7]
    assert found.skipped == 4


def event_data(tmp_path: Path, events: str, **more: Any) -> SeriesData:
    """Two series of 100 steps with a value a step, and events."""
    series_path = walk(tmp_path / "a.csv", 100, ("a", "b"))
    path = csv(tmp_path / "events.csv", "whose,at,kind\n" + events)
    settings = {"path": str(path), "entity": "whose", "time": "at", "label": "kind", "before": 2, "after": 3, **more}
    return data(series_path, **ROLES, length=5, events=settings)


def test_windows_around_events(tmp_path: Path) -> None:
    config = event_data(tmp_path, "b,50,N\na,10,A\na,1,N\na,98,A\nb,2,A\nb,40,other\nb,97,N\n", classes=["N", "A"])
    read = reader.read(config)
    assert read.classes == ("N", "A")
    found = reader.windows(read, config, "train")
    assert found.values[:, 2, 0].tolist() == [10, 1002, 1050, 1097]
    assert (found.labels.tolist(), found.entities.tolist()) == ([1, 1, 0, 0], [0, 1, 1, 1])
    assert found.skipped == 2


def test_events_near_the_border_of_a_part_are_counted(tmp_path: Path) -> None:
    events = "".join(f"a,{t},N\n" for t in range(2, 98)) + "".join(f"b,{t},N\n" for t in range(2, 98))
    config = event_data(tmp_path, events).model_copy(update={"validation": 0.2, "test": 0.1})
    found = all_splits(reader.read(config), config)
    steps = {split: (int((w.values % 1000).min()), int((w.values % 1000).max())) for split, w in found.items()}
    assert steps == {"train": (0, 69), "validation": (70, 89), "test": (90, 99)}
    assert sum(len(w) + w.skipped for w in found.values()) == 2 * 96
    assert {split: w.skipped for split, w in found.items()} == {"train": 4, "validation": 8, "test": 4}


def test_events_of_timestamps_and_between_rows(tmp_path: Path) -> None:
    stamps = [f"2024-01-01T{h:02}:{m:02}:00" for h in range(4) for m in range(0, 60, 5)]
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{stamp},{i}\n" for i, stamp in enumerate(stamps)))
    events = csv(tmp_path / "e.csv", "t,kind\n2024-01-01T01:00,x\n2024-01-01T01:32:10,y\n")
    around = {"path": str(events), "time": "t", "label": "kind", "before": 10, "after": 15}
    config = data(path, time="t", time_unit="min", length=5, events=around)
    found = reader.windows(reader.read(config), config, "train")
    assert found.values[..., 0].tolist() == [[10, 11, 12, 13, 14], [17, 18, 19, 20, 21]]
    assert found.labels.tolist() == [0, 1]


def test_events_in_irregular_series_have_as_many_steps_as_there_are(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", t=[0, 1, 2, 5, 9, 10, 11, 12, 30], v=list(range(9)))
    events = csv(tmp_path / "e.csv", "t,kind\n2,x\n10,x\n25,x\n")
    around = {"path": str(events), "time": "t", "label": "kind", "before": 2, "after": 4}
    config = data(path, time="t", length=5, pad=True, events=around)
    found = reader.windows(reader.read(config), config, "train")
    assert (found.lengths.tolist(), found.starts.tolist(), found.skipped) == ([4, 4], [0, 4], 1)
    assert found.times.tolist() == [[0, 1, 2, 5, 6], [0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("settings", "split", "message"),
    [
        ({"length": 10}, "validation", "nothing is held out for `validation`; set `validation` to a share, as 0.1"),
        ({"length": 60, "validation": 0.1}, "validation", "has no windows of 60 steps for `validation`; use a smaller"),
    ],
)
def test_splits_without_windows(tmp_path: Path, settings: dict, split: Split, message: str) -> None:
    config = data(walk(tmp_path / "a.csv", 100), **ROLES, **settings)
    with pytest.raises(DataError, match=message):
        reader.windows(reader.read(config), config, split)


def test_lengths_that_events_do_not_have(tmp_path: Path) -> None:
    config = event_data(tmp_path, "a,50,N\n", after=6)
    with pytest.raises(DataError, match="length: 5: from `before` to `after` of `events` there are 8 steps; set `leng"):
        reader.windows(reader.read(config), config, "train")


def test_windows_share_the_rows_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred windows over two series take no more than these; all at once are laid out only if they fit."""
    config = data(walk(tmp_path / "a.csv", 100, ("a", "b")), **ROLES, length=50)
    found = reader.windows(reader.read(config), config, "train")
    assert len(found) == 102 and found.rows.shape == (200, 1) and len(found.places) == 102
    assert (found.take(np.array([60])).values[0, :, 0] == 1000 + 9 + np.arange(50)).all()
    monkeypatch.setattr("synthgen.readers.series.views.MAX_BYTES", 10_000)
    assert found.take(np.arange(20)).values.base is not None, "equally far apart, they are a view and cost nothing"
    with pytest.raises(DataError, match=r"102 windows of 50 steps do not fit .* raise `stride`"):
        _ = found.values


def test_covered_rows_are_those_in_windows(tmp_path: Path) -> None:
    config = event_data(tmp_path, "a,10,N\na,12,N\nb,50,N\n")
    found = reader.windows(reader.read(config), config, "train")
    assert np.flatnonzero(found.covered).tolist() == [*range(8, 15), *range(148, 153)]


def test_the_median_step_is_of_rows_in_one_window(tmp_path: Path) -> None:
    """Steps from one recording, or one part, to the next do not count, and windows are not laid out for it."""
    path = csv(tmp_path / "a.csv", "who,t,v\n" + "".join(f"{who},{t},{t}\n" for who in "ab" for t in (0, 2, 4, 7, 900)))
    config = data(path, entity="who", time="t", length=3)
    cut = reader.windows(reader.read(config), config, "train")
    assert cut.interval is None and cut.median_step == 2.5
    near = cut.take(np.flatnonzero(cut.starts == 0))
    assert near.median_step == 2


def test_times_that_do_not_fit_into_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path / "a.csv", "t,v\n" + "".join(f"{t * t},{t}\n" for t in range(50)))
    config = data(path, time="t", length=10)
    cut = reader.windows(reader.read(config), config, "train")
    monkeypatch.setattr(views, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="raise `stride`"):
        _ = cut.times

"""Anomalies in series: labels tell all that changes, batches do not matter, cuts are generated again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen import seeds
from synthgen.fields import Columns, Events, Label, Schema, Series, StepClasses, Times, check_columns
from synthgen.labelers.anomalies.kinds import KINDS
from synthgen.labelers.anomalies.labeler import Anomalies

L = 200
CHANNELS = ("a", "b", "c")
SCHEMA: Schema = {"series": Series(L, CHANNELS, ("1", "mm", "1")), "time": Times(L, "h")}
SEVERE = ("point", "level-shift", "drift")
CUT = ("level-shift", "drift", "stuck", "frequency", "decoupling")


def bound(schema: Schema = SCHEMA, **settings: Any) -> Anomalies:
    part = Anomalies(Anomalies.Config.model_validate(settings))
    assert part.bind(schema) == []
    part.setup("cpu")
    return part


def normal(n: int) -> Columns:
    """Waves of three speeds with noise, some values missing."""
    random = np.random.default_rng(5)
    steps = np.arange(L)[:, None]
    series = [np.sin(steps / [3, 5, 8] + i) + random.normal(0, 0.05, (L, 3)) for i in range(n)]
    for values in series:
        values[random.random((L, 3)) < 0.05] = np.nan
    return {"series": [values.astype(np.float32) for values in series], "time": [2.0 * np.arange(L)] * n}


def seed_list(n: int) -> list[int]:
    return [seeds.seed_of(1, "labeler", i) for i in range(n)]


def taken(columns: Columns, places: list[int]) -> Columns:
    return {name: [values[i] for i in places] for name, values in columns.items()}


def kinds_by_value(events: list[dict[str, Any]], channels: tuple[str, ...] = CHANNELS, length: int = L) -> np.ndarray:
    """What `anomaly` must be, and that no two events meet in a channel."""
    found = np.zeros((length, len(channels)), np.uint8)
    for event in events:
        where = slice(event["start"], event["end"]), [channels.index(name) for name in event["channels"]]
        assert not found[where].any(), "two events overlap"
        found[where] = 1 + KINDS.index(event["kind"])
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_events_and_labels_tell_all_that_is_different(kind: str) -> None:
    part, columns = bound(kinds={kind: 1}, count=(2, 4), length=(6, 30)), normal(12)
    added = part.annotate(columns, seed_list(12))
    check_columns(added, part.fields, 12)
    for before, after, classes, events, times in zip(
        columns["series"], added["anomalous"], added["anomaly"], added["events"], columns["time"], strict=True
    ):
        assert 2 <= len(events) <= 4
        assert np.array_equal(classes, kinds_by_value(events))
        assert np.array_equal(before[classes == 0], after[classes == 0], equal_nan=True)
        assert np.isnan(after[np.isnan(before)]).all(), "a missing value came back"
        assert [e["start"] for e in events] == sorted(e["start"] for e in events)
        for event in events:
            n_steps = event["end"] - event["start"]
            assert event["kind"] == kind and (n_steps == 1 if kind == "point" else 6 <= n_steps <= 30)
            assert event["start_time"] == times[event["start"]] and event["end_time"] == 2.0 * event["end"]
            inside = slice(event["start"], event["end"]), [CHANNELS.index(name) for name in event["channels"]]
            assert not np.array_equal(before[inside], after[inside], equal_nan=True), "nothing happens in an event"
            if kind in SEVERE:
                assert 3 <= event["severity"] <= 8
    assert any(len(event["channels"]) > 1 for events in added["events"] for event in events)


def test_a_level_shift_has_the_size_it_says() -> None:
    part, columns = bound(kinds={"level-shift": 1}, count=(1, 1), length=(20, 20), severity=(4, 4)), normal(8)
    added = part.annotate(columns, seed_list(8))
    for before, after, [event] in zip(columns["series"], added["anomalous"], added["events"], strict=True):
        for name in event["channels"]:
            i = CHANNELS.index(name)
            known = before[:, i][~np.isnan(before[:, i])]
            deviation = 1.4826 * np.median(np.abs(known - np.median(known)))
            moved = np.abs(after - before)[event["start"] : event["end"], i]
            assert np.nanmin(moved) == pytest.approx(4 * deviation, rel=1e-4)
            assert np.nanmax(moved) == pytest.approx(4 * deviation, rel=1e-4)


def test_counts_and_weights_are_followed() -> None:
    part = bound(kinds={"point": 3, "stuck": 1, "drift": 0}, count=(0, 2), length=(5, 9))
    events = part.annotate(normal(300), seed_list(300))["events"]
    counts = np.bincount([len(found) for found in events], minlength=3)
    assert len(counts) == 3 and (counts > 70).all(), "0, 1 and 2 events are equally likely"
    kinds = [event["kind"] for found in events for event in found]
    assert set(kinds) == {"point", "stuck"} and 0.68 < kinds.count("point") / len(kinds) < 0.82


def test_no_events_leave_series_as_they_were() -> None:
    columns = normal(2)
    added = bound(count=(0, 0)).annotate(columns, seed_list(2))
    assert added["events"] == [[], []] and not np.stack(added["anomaly"]).any()
    assert np.array_equal(added["anomalous"], columns["series"], equal_nan=True)


def test_lengths_may_be_shares_and_channels_are_limited() -> None:
    part = bound(kinds={"drift": 1}, count=(3, 3), length=(0.1, 0.2), channels=(2, 2))
    for events in part.annotate(normal(20), seed_list(20))["events"]:
        for event in events:
            assert 20 <= event["end"] - event["start"] <= 40 and len(event["channels"]) == 2


def test_decoupling_leaves_a_channel_to_be_decoupled_from() -> None:
    part = bound(kinds={"decoupling": 1}, count=(1, 1))
    assert {len(e["channels"]) for [e] in part.annotate(normal(40), seed_list(40))["events"]} == {1, 2}


def test_dropout_is_missing_or_held_at_the_floor_and_missing_has_no_severity() -> None:
    columns = normal(10)
    gone = bound(kinds={"dropout": 1}, count=(1, 1), missing=1.0).annotate(columns, seed_list(10))
    held = bound(kinds={"dropout": 1}, count=(1, 1), missing=0.0).annotate(columns, seed_list(10))
    for i, before in enumerate(columns["series"]):
        assert np.isnan(gone["anomalous"][i][gone["anomaly"][i] > 0]).all()
        assert gone["events"][i][0]["severity"] is None
        for channel in range(3):
            there = (held["anomaly"][i][:, channel] > 0) & ~np.isnan(before[:, channel])
            assert (held["anomalous"][i][there, channel] == np.nanmin(before[:, channel])).all()
        assert held["events"][i][0]["severity"] >= 0.5


def test_what_cannot_change_has_no_events() -> None:
    """A channel that is constant or empty: nothing is claimed to happen there."""
    columns = normal(10)
    for values in columns["series"]:
        values[:, 0], values[:, 2] = 1.0, np.nan
    events = bound(count=(3, 3), length=(5, 9)).annotate(columns, seed_list(10))["events"]
    assert {name for found in events for event in found for name in event["channels"]} == {"b"}


@pytest.mark.parametrize("model", [False, True])
def test_a_sample_depends_on_its_own_seed_alone(model: bool) -> None:
    schema, columns = tiny.normal_series(6)
    settings = {"count": (1, 2), "length": (6, 9), **({"model": tiny.series(), "steps": 2} if model else {})}
    part, some = bound(schema, **settings), seed_list(6)
    added, order = part.annotate(columns, some), [4, 2, 0, 5, 3, 1]
    moved = part.annotate(taken(columns, order), [some[i] for i in order])
    others = part.annotate(taken(columns, [0, 1, 1, 1, 1, 1]), [some[0], *seed_list(99)[-5:]])
    for name in part.fields:
        for place, i in enumerate(order):
            assert_same(moved[name][place], added[name][i])
        assert_same(others[name][0], added[name][0])
    again = part.annotate(columns, seed_list(12)[6:])
    assert again["events"] != added["events"]


def assert_same(a: Any, b: Any) -> None:
    assert a == b if isinstance(a, list) else np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


@pytest.mark.parametrize("kind", CUT)
def test_cuts_are_drawn_anew_and_all_else_is_kept(kind: str) -> None:
    """With more denoising steps the same events have other values, at the seams and nowhere else."""
    schema, columns = tiny.normal_series(8)
    settings = {"kinds": {kind: 1}, "count": (1, 1), "length": (12, 12), "seam": 2, "model": tiny.series()}
    a, b = (bound(schema, **settings, steps=steps).annotate(columns, seed_list(8)) for steps in (2, 3))
    assert a["events"] == b["events"]
    n_drawn = 0
    for before, one, two, classes, events in zip(
        columns["series"], a["anomalous"], b["anomalous"], a["anomaly"], a["events"], strict=True
    ):
        seams = np.zeros(one.shape, bool)
        for event in events:
            where = [tiny.SERIES_CHANNELS.index(name) for name in event["channels"]]
            if kind in ("level-shift", "frequency", "decoupling") and event["start"] > 0:
                seams[event["start"] : event["start"] + 4, where] = True
            if event["end"] < 17:
                seams[event["end"] - 4 : event["end"], where] = True
        assert np.array_equal(one[~seams], two[~seams], equal_nan=True)
        assert np.array_equal(before[classes == 0], one[classes == 0], equal_nan=True)
        assert np.isnan(one[np.isnan(before)]).all() and not np.isnan(one[~np.isnan(before)]).any()
        n_drawn += int((one != two)[seams & ~np.isnan(before)].sum())
    assert n_drawn > 8


@pytest.mark.parametrize("kind", ["point", "dropout"])
def test_kinds_whose_edge_is_the_anomaly_have_no_seams(kind: str) -> None:
    schema, columns = tiny.normal_series(8)
    settings = {"kinds": {kind: 1}, "count": (1, 1), "length": (12, 12), "model": tiny.series()}
    a, b = (bound(schema, **settings, steps=steps).annotate(columns, seed_list(8)) for steps in (2, 3))
    assert np.array_equal(a["anomalous"], b["anomalous"], equal_nan=True)


def test_with_a_model_sizes_are_measured_by_its_data() -> None:
    """Series of a quiet day have small deviations of their own, and the same shifts as others."""
    schema, columns = tiny.normal_series(2)
    quiet = [10 + 0.01 * values for values in columns["series"]]
    settings = {"kinds": {"point": 1}, "count": (1, 1), "severity": (4, 4), "model": tiny.series(), "steps": 2}
    columns = {**columns, "series": quiet}
    sizes: dict[int, list[float]] = {0: [], 1: []}
    for i in range(20):
        added = bound(schema, **settings).annotate(columns, [seeds.seed_of(i, "x", j) for j in range(2)])
        for before, after in zip(quiet, added["anomalous"], strict=True):
            apart = np.nan_to_num(np.abs(after - before))
            for channel in range(2):
                sizes[channel] += [float(apart[:, channel].max())] if apart[:, channel].any() else []
    deviations = [np.ptp(np.quantile(tiny.sensor_values(400)[:, 0], [0.16, 0.84])) / 2]
    assert np.ptp(sizes[0]) < 1e-3 and sizes[0][0] == pytest.approx(4 * deviations[0], rel=0.05)
    assert np.ptp(sizes[1]) < 1e-3 and sizes[1][0] > 4


def test_what_it_needs_is_told() -> None:
    def problems(schema: Schema, **settings: Any) -> str:
        return " / ".join(helpers.bind_messages(Anomalies(Anomalies.Config.model_validate(settings)), schema))

    one = {**SCHEMA, "series": Series(L, ("a",), ("1",))}
    assert "needs the series `series`" in problems({})
    assert "needs the series `x`" in problems(SCHEMA, series="x")
    assert "decoupling needs two channels" in problems(one, kinds={"decoupling": 1})
    assert problems(one) == ""
    assert "no range within the 200 steps" in problems(SCHEMA, length=(201, 300))
    assert "no range within the 200 steps" in problems(SCHEMA, length=(100, 0.1))
    assert "the series has 3" in problems(SCHEMA, channels=(1, 4))
    found = problems({**SCHEMA, "condition.label": Label(("calm",))}, model=tiny.series())
    assert "has the channels wave, rain; `series` has a, b, c" in found and "the length 17" in found
    schema, _ = tiny.normal_series(1)
    assert "unknown class `clam`" in problems({**schema, "condition.label": Label(("clam",))}, model=tiny.series())
    bare = {name: kind for name, kind in schema.items() if name != "condition.label"}
    assert "needs a condition with classes" in problems(bare, model=tiny.series())
    assert problems(bare, model=tiny.series(("series",))) == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"kinds": {"spike": 1}},
        {"kinds": {"point": 0}},
        {"kinds": {}},
        {"count": [3, 1]},
        {"count": [-1, 1]},
        {"severity": [0, 1]},
        {"speed": [0.5, 2]},
        {"length": [0.3, 0.1]},
        {"channels": [2, 1]},
        {"field": "events"},
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Anomalies.Config.model_validate(settings)


PLUGIN = """
from synthgen.labelers.anomalies.labeler import Anomalies

SYNTHGEN_PLUGINS = {"labelers": {"odd-series": Anomalies}}
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("anomalies")
    (folder / "plugin.py").write_text(PLUGIN)
    labeler = {"use": "odd-series", "model": tiny.series(), "steps": 2, "length": [6, 9], "count": [0, 2]}
    content = {
        "kind": "dataset",
        "name": "faults",
        "shard_size": 8,
        "batch_size": 4,
        "condition": {"use": "classes", "quotas": {"wild": 7, "calm": 6}},
        "sampler": {"use": "series", "model": tiny.series(), "steps": 2},
        "labelers": [labeler],
        "output": {"writers": ["webdataset", "parquet"]},
    }
    (folder / "faults.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    options: Any = {"executor": "local", "workers": 1, "device": "cpu", "plugin_files": [str(folder / "plugin.py")]}
    return synthgen.run(folder / "faults.yaml", folder / "out", **options).out


def test_tar_and_parquet_hold_labels_and_events(dataset: Path) -> None:
    loaded = synthgen.load(dataset)
    ours = {sample["key"]: sample for sample in loaded}
    assert len(ours) == 13
    assert isinstance(loaded.fields["events"], Events) and isinstance(loaded.fields["anomaly"], StepClasses)
    assert sum(len(sample["events"]) for sample in ours.values()) > 5
    for sample in ours.values():
        assert np.array_equal(sample["anomaly"], kinds_by_value(sample["events"], tiny.SERIES_CHANNELS, 17))
        assert np.array_equal(sample["series"][sample["anomaly"] == 0], sample["anomalous"][sample["anomaly"] == 0])
    rows = [row for path in dataset.glob("parquet/train/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert {row["key"] for row in rows} == set(ours)
    for row in rows:
        assert row["events"] == ours[row["key"]]["events"]
        assert np.array_equal(np.array(row["anomaly"]), ours[row["key"]]["anomaly"])
    for tar in dataset.glob("data/train/*.tar"):
        for sample in webdataset.WebDataset(str(tar), shardshuffle=False):
            of = ours[sample["__key__"]]
            assert np.array_equal(np.load(io.BytesIO(sample["anomaly.npy"]), allow_pickle=False), of["anomaly"])
            assert yaml.safe_load(sample["json"])["events"] == of["events"]


def test_hugging_face_datasets_knows_the_kinds(dataset: Path, tmp_path: Path) -> None:
    import datasets

    files = sorted(map(str, dataset.glob("parquet/train/*.parquet")))
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    ours = {sample["key"]: sample for sample in synthgen.load(dataset)}
    assert found.features["anomaly"].feature.feature.names == ["normal", *KINDS]
    assert all(row["events"] == ours[row["key"]]["events"] for row in found)


def test_the_card_tells_the_ids_of_kinds(dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    assert "| `anomaly` | class of each value, 17 steps of wave, rain, uint8: 0 normal, 1 point, 2 level-shift" in card
    assert "`start_time` and `end_time` in h" in card

"""The sampler of series: what it needs, what it writes, the same bytes everywhere."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml
from PIL import Image
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen.fields import Label, Series, Times
from synthgen.parts.protocols import Slot
from synthgen.samplers.series import SeriesSampler


def sampler(**more: object) -> SeriesSampler:
    return SeriesSampler(SeriesSampler.Config.model_validate({"model": tiny.series(), "steps": 2, **more}))


def test_classes_are_matched_by_name() -> None:
    assert sampler().bind({"label": Label(("wild",))}) == []
    [problem] = helpers.bind_messages(sampler(), {"label": Label(("wild", "clam"))})
    assert "unknown class `clam`" in problem and "did you mean `calm`?" in problem


def test_a_model_of_one_class_needs_no_condition() -> None:
    assert sampler(model=tiny.series(("series",))).bind({}) == []
    assert helpers.bind_messages(sampler(), {}) == ["needs a condition with classes, such as `use: classes`"]


def recipe(folder: Path) -> Path:
    content = {
        "kind": "dataset",
        "name": "weather",
        "shard_size": 8,
        "batch_size": 4,
        "condition": {"use": "classes", "quotas": {"wild": 14, "calm": 6}},
        "sampler": {"use": "series", "model": tiny.series(), "steps": 3},
        "labelers": ["class-label"],
        "output": {"writers": ["webdataset", "parquet"]},
    }
    path = folder / "weather.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.mark.slow
@pytest.mark.ray
def test_one_process_two_processes_and_ray_write_the_same_bytes(cluster: str, tmp_path: Path) -> None:
    path = recipe(tmp_path)
    helpers.run(path, tmp_path / "one")
    for name, words in {"two": ("--executor", "local", "--workers", 2), "ray": ("--address", cluster)}.items():
        done = helpers.call(helpers.command("run", path, "-o", tmp_path / name, "--device", "cpu", *words))
        assert done.returncode == 0, done.stderr
    assert helpers.snapshot(tmp_path / "one") == helpers.snapshot(tmp_path / "two")
    assert helpers.snapshot(tmp_path / "one") == helpers.snapshot(tmp_path / "ray")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    return synthgen.run(recipe(folder), folder / "out", executor="local", workers=1, device="cpu").out


def test_quotas_are_exact_and_series_are_as_declared(dataset: Path) -> None:
    loaded = synthgen.load(dataset)
    assert loaded.classes == ("wild", "calm")
    assert np.bincount([sample["label"] for sample in loaded]).tolist() == [14, 6]
    for sample in loaded:
        assert sample["series"].shape == (17, 2) and sample["series"].dtype == np.float32
        assert sample["time"].dtype == np.float64 and (np.diff(sample["time"]) > 0).all()


def test_tar_and_parquet_hold_the_same_values_with_names_and_units(dataset: Path) -> None:
    ours = {sample["key"]: sample for sample in synthgen.load(dataset)}
    table = pq.read_table(next(iter(sorted(dataset.glob("parquet/train/*.parquet")))))
    assert table.schema.field("series").metadata == {b"channels": b'["wave", "rain"]', b"units": b'["1", "mm"]'}
    assert table.schema.field("time").metadata == {b"unit": b'"h"'}
    for row in table.to_pylist():
        assert np.array_equal(np.array(row["series"], np.float32), ours[row["key"]]["series"])
    tar = str(sorted(dataset.glob("data/train/*.tar"))[0])
    for sample in webdataset.WebDataset(tar, shardshuffle=False):
        stored = np.load(io.BytesIO(sample["series.npy"]), allow_pickle=False)
        assert np.array_equal(stored, ours[sample["__key__"]]["series"])


def test_hugging_face_datasets_reads_it(dataset: Path, tmp_path: Path) -> None:
    import datasets

    files = sorted(map(str, dataset.glob("parquet/train/*.parquet")))
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert len(found) == 20 and np.array(found[0]["series"]).shape == (17, 2)


@pytest.mark.slow
@pytest.mark.parametrize("of", ["recipe", "dataset"])
def test_preview_draws_curves(dataset: Path, tmp_path: Path, of: str) -> None:
    target = dataset if of == "dataset" else recipe(tmp_path)
    done = helpers.call(helpers.command("preview", target, "-o", tmp_path / "p.png", "--samples", 6))
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "p.png").convert("RGB"))
    blue = (np.abs(picture.astype(int) - [9, 105, 218]) < 30).all(axis=2)
    assert blue.sum() > 200, "no curve was drawn"


def test_the_card_names_channels(dataset: Path) -> None:
    card = (dataset / "README.md").read_text()
    assert "| `series` | series, 17 steps of wave, rain (mm), float32, NaN where missing |" in card
    assert "image-classification" not in card


KNOWN = Series(10, tiny.SERIES_CHANNELS, ("1", "mm"))
KINDS = {"label": Label(("wild", "calm"))}


def test_a_length_beyond_the_models_window_is_exact() -> None:
    made = sampler(length=60, overlap=0.25)
    assert made.bind(KINDS) == []
    assert (made.fields["series"].length, made.fields["time"].length) == (60, 60)
    made.setup("cpu")
    drawn = made.sample([Slot(0, {"label": 0}, "train"), Slot(1, {"label": 1}, "train")], [5, 6])
    for series, time in zip(drawn["series"], drawn["time"], strict=True):
        made.fields["series"].check("series", series)
        assert np.array_equal(time, np.arange(60.0)) and np.isfinite(series).all()


def test_a_real_beginning_goes_on_beyond_its_data() -> None:
    """Ten steps at irregular times of which six are known, up to forty steps: at the median of the ten."""
    made = sampler(model=tiny.series(("series",)), length=40)
    assert made.bind({"known": KNOWN, "time": Times(10, "h")}) == []
    made.setup("cpu")
    known, time = tiny.sensor_values(10), np.array([0, 1, 2.5, 3, 5, 7, 9, 11, 13, 14.0])
    known[6:] = np.nan
    [series], [times], [kept] = made.sample([Slot(0, {"known": known, "time": time}, "train")], [5]).values()
    assert np.array_equal(series[:6], known[:6]) and np.isfinite(series).all() and series.shape == (40, 2)
    assert np.array_equal(times[:10], time) and np.array_equal(times[10:], 14.0 + 2 * np.arange(1, 31))
    assert np.array_equal(kept[:10], known, equal_nan=True) and np.isnan(kept[10:]).all() and len(kept) == 40


def test_a_condition_longer_than_the_models_window_needs_no_length() -> None:
    made = sampler(model=tiny.series(("series",)))
    assert made.bind({"time": Times(50, "h")}) == [] and made.fields["series"].length == 50
    made.setup("cpu")
    time = np.cumsum(np.random.default_rng(0).uniform(0.5, 2, 50))
    drawn = made.sample([Slot(0, {"time": time}, "train")], [5])
    assert drawn["series"][0].shape == (50, 2) and np.array_equal(drawn["time"][0], time)


@pytest.mark.parametrize(("overlap", "steps"), [(0.5, 8), (0.49, 8), (5, 6), (1, 2), (0.01, 2)])
def test_an_overlap_is_of_whole_tokens(overlap: float, steps: int) -> None:
    assert sampler(overlap=overlap)._overlap == steps


@pytest.mark.parametrize(
    ("settings", "condition", "message"),
    [
        ({"length": 12}, KINDS, r"length: .*its windows have 17 steps; ask for as many or more \(got 12\)"),
        ({"length": 9}, {**KINDS, "time": Times(10, "h")}, "length: the condition's series have 10 steps"),
        ({"length": 60, "overlap": 16}, KINDS, None),
        ({"length": 60, "overlap": 17}, KINDS, "overlap: 17 is 18 steps in whole tokens and leaves nothing of the 17"),
        (
            {"length": 60, "model": lambda: tiny.series(continues=False)},
            KINDS,
            r"generates 17 steps and was not trained to go on, so that 60 cannot .* `observed_mask: {start: 0.15}`",
        ),
        (
            {"length": 60, "model": tiny.asking_series},
            tiny.partly_known(1)[0],
            "length: the condition gives the covariates of 10 steps",
        ),
    ],
)
def test_lengths_that_cannot_be(settings: dict, condition: dict, message: str | None) -> None:
    made = sampler(**{name: value() if callable(value) else value for name, value in settings.items()})
    problems = helpers.bind_messages(made, condition)
    assert len(problems) == (message is not None)
    assert message is None or re.search(message, problems[0])


@pytest.mark.parametrize("overlap", [1.5, 0, -2])
def test_an_overlap_is_a_share_or_whole_steps(overlap: float) -> None:
    with pytest.raises(ValidationError, match="overlap"):
        sampler(overlap=overlap)


def test_whole_series_pass_through_as_they_are_without_the_model() -> None:
    schema, columns = tiny.partly_known(3)
    given = {**schema, "series": schema["known"]}
    del given["known"]
    part = sampler(model=tiny.series(("series",)))
    assert part.bind(given) == []
    part.setup("cpu")
    slots = [Slot(i, {"series": columns["known"][i], "time": columns["time"][i]}, "train") for i in range(3)]
    passed = part.sample(slots, [1, 2, 3])
    assert set(passed) == set(part.fields) == {"series", "time"}
    for i in range(3):
        assert np.array_equal(passed["series"][i], columns["known"][i], equal_nan=True)
    [problem] = helpers.bind_messages(sampler(model=tiny.series(("series",)), length=30), given)
    assert "gives whole series of 10 steps" in problem
    [problem] = helpers.bind_messages(sampler(model=tiny.series(("series",))), {"series": given["series"]})
    assert "needs the times `time`" in problem

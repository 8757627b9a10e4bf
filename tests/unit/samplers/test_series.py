"""The sampler of series: what it needs, what it writes, the same bytes everywhere."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
import yaml
from PIL import Image

import helpers
import synthgen
import tiny
from synthgen.fields import Label
from synthgen.samplers.series import SeriesSampler


def sampler(**more: object) -> SeriesSampler:
    return SeriesSampler(SeriesSampler.Config.model_validate({"model": tiny.series(), "steps": 2, **more}))


def test_classes_are_matched_by_name() -> None:
    assert sampler().bind({"label": Label(("wild",))}) == []
    [problem] = sampler().bind({"label": Label(("wild", "clam"))})
    assert "unknown class `clam`" in problem and "did you mean `calm`?" in problem


def test_a_model_of_one_class_needs_no_condition() -> None:
    assert sampler(model=tiny.series(("series",))).bind({}) == []
    assert sampler().bind({}) == ["needs a condition with classes, such as `use: classes`"]


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
def test_one_process_two_processes_and_ray_write_the_same_bytes(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    for name, words in {"one": ("local", 1), "two": ("local", 2), "ray": ("ray", 2)}.items():
        command = ("run", path, "-o", tmp_path / name, "--device", "cpu", "--executor", words[0], "--workers", words[1])
        done = helpers.call(helpers.command(*command))
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
    table = pq.read_table(next(iter(sorted(dataset.glob("data/train/*.parquet")))))
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

    files = sorted(map(str, dataset.glob("data/train/*.parquet")))
    found = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path))
    assert len(found) == 20 and np.array(found[0]["series"]).shape == (17, 2)


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

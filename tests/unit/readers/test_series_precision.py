"""Numbers that float32 is too coarse for: they keep their values from the file to the dataset and its tables."""

from __future__ import annotations

import csv as csv_module
from pathlib import Path

import numpy as np
import pytest
import torch

import helpers
import synthgen
from series_files import csv, data, parquet
from synthgen.exporters.options import NoOptions
from synthgen.exporters.series_rows import SeriesRows
from synthgen.exporters.table import Csv
from synthgen.models import registry
from synthgen.models.series.scaler import OffsetScaler, SeriesScaler
from synthgen.readers.series import reader
from synthgen.readers.series.precision import narrowed

LEVEL = 5_800_000.0


def swing(n: int = 200, size: float = 3.0, decimals: int = 3) -> np.ndarray:
    """A level of 5.8 million that moves by `size`: as numbers of two columns."""
    steps = np.arange(n)
    waves = np.stack([np.sin(steps / 7), np.cos(steps / 11)], axis=1)
    return np.round(LEVEL + size / 2 * waves + np.random.default_rng(0).normal(0, size / 20, (n, 2)), decimals)


def level_table(path: Path, values: np.ndarray) -> Path:
    rows = "\n".join(f"{a:.4f},{b:.4f},{i % 24}" for i, (a, b) in enumerate(values.tolist()))
    return csv(path, f"level,other,hour\n{rows}\n")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1.5, 2.25, np.nan, 3.0], "float32"),
        ([0.1, 0.2, 0.30000000000000004], "float32"),
        (np.random.default_rng(0).normal(5, 1, 1000), "float32"),
        ([16_777_217.0, 16_777_219.0], "float64"),
        ([16_777_216.0, 16_777_218.0], "float32"),
        ([1_234_567.89, 234_567.12], "float64"),
        ([100_100_037.0, 100_100_039.0], "float64"),
        (swing()[:, 0], "float64"),
        (LEVEL + np.random.default_rng(0).normal(0, 0.01, 100), "float64"),
        (1.7e9 + 3600.5 * np.arange(100), "float64"),
        ([np.nan, np.nan], "float32"),
        ([], "float32"),
        ([0.1, 0.1], "float32"),
    ],
)
def test_float64_is_kept_where_float32_is_too_coarse(values: list[float], kept: str) -> None:
    found = narrowed(np.array(values, dtype=np.float64))
    assert found.dtype == kept
    np.testing.assert_allclose(found, values, rtol=1e-7, atol=0)


def test_a_table_keeps_its_distinct_values_and_a_small_swing_is_no_constant(tmp_path: Path) -> None:
    for size, decimals in ((3.0, 3), (0.05, 4)):
        values = swing(size=size, decimals=decimals)
        found = reader.read(data(level_table(tmp_path / "level.csv", values), channels=["level", "other"]))
        np.testing.assert_array_equal(found.items[0].values, values)


def test_missing_markers_are_compared_as_they_are_written(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", "v\n1\n-9999.9\n2\n1e20\n3\n1e300\n-9999.8999\n")
    found = reader.read(data(path, missing=[-9999.9, 1e20, 1e300])).items[0].values[:, 0]
    np.testing.assert_array_equal(found, np.array([1, np.nan, 2, np.nan, 3, np.nan, -9999.8999]))
    short = parquet(tmp_path / "b.parquet", v=np.array([1, -9999.9, 3], dtype=np.float32))
    found = reader.read(data(short, missing=[-9999.9])).items[0].values[:, 0]
    np.testing.assert_array_equal(found, np.array([1, np.nan, 3], dtype=np.float32))


@pytest.mark.parametrize(
    "ids", [["100100037", "100100039"], ["007", "7"], ["1.0", "1"], ["9007199254740993", "9007199254740992"]]
)
def test_names_of_entities_are_texts(tmp_path: Path, ids: list[str]) -> None:
    rows = "\n".join(f"{name},{t},{t + k}" for k, name in enumerate(ids) for t in range(3))
    found = reader.read(data(csv(tmp_path / "a.csv", f"id,t,v\n{rows}\n"), entity="id", time="t"))
    assert [item.entity for item in found.items] == ids


def test_entities_that_are_numbers_of_a_parquet_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", id=[100100037] * 3 + [100100039] * 3, t=[0, 1, 2] * 2, v=[1.0, 2, 3] * 2)
    found = reader.read(data(path, entity="id", time="t"))
    assert [item.entity for item in found.items] == ["100100037", "100100039"]


def test_covariates_and_static_columns_keep_their_digits(tmp_path: Path) -> None:
    rows = "\n".join(f"{e},{t},{t + e},{1.7e9 + t:.0f},{100100037 + 2 * e}" for e in range(2) for t in range(5))
    found = reader.read(
        data(
            csv(tmp_path / "a.csv", f"id,t,v,epoch,key\n{rows}\n"),
            entity="id",
            time="t",
            covariates=["epoch"],
            static=["key"],
        )
    )
    assert [item.static.tolist() for item in found.items] == [[100100037], [100100039]]
    assert found.items[0].covariates[:, 0].tolist() == [1.7e9 + t for t in range(5)]
    assert found.items[0].values.dtype == np.float32


@pytest.mark.parametrize("kind", ["standard", "quantile"])
def test_scaled_and_back(tmp_path: Path, kind: str) -> None:
    values = swing()
    made = SeriesScaler.fit(values, ["a", "b"], kind, offsets=True)  # type: ignore[arg-type]
    made.save_pretrained(tmp_path)
    scaler = OffsetScaler.from_pretrained(tmp_path)
    scaled = scaler.scale(torch.from_numpy(values))
    assert scaled.dtype == torch.float32 and 0.9 < float(scaled.std()) < 1.1
    back = scaler.unscale(scaled).numpy()
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, values, atol=1e-5, rtol=0)
    assert len(np.unique(np.round(back, 3))) == len(np.unique(values))


def test_from_the_table_to_the_dataset_and_its_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known values come back to the bit, generated ones move as finely as the data do."""
    monkeypatch.chdir(tmp_path)
    values = swing()
    path = level_table(tmp_path / "level.csv", values)
    settings = {"path": str(path), "length": 8, "stride": 8, "channels": ["level", "other"], "covariates": ["hour"]}
    recipe = {
        "kind": "dataset",
        "name": "level",
        "data": settings,
        "train": {"use": "series", "steps": 3, "batch_size": 4, "warmup_steps": 1, "snap": "grid"},
        "condition": {"use": "real-series", "generate": "end", "context_length": 4},
        "sampler": {"use": "series", "model": "trained", "steps": 2},
        "labelers": [{"use": "denoising-error", "model": "trained"}],
        "output": {"writers": ["parquet", "webdataset"]},
    }
    out = tmp_path / "out"
    synthgen.run(str(helpers.write(tmp_path, recipe)), out=str(out))
    (folder,) = (tmp_path / "models").iterdir()
    assert isinstance(registry.load_pipeline(folder, "cpu", torch.float32).scaler, OffsetScaler)
    samples = list(synthgen.load(str(out)))
    found = np.stack([sample["series"] for sample in samples])
    assert found.dtype == np.float64
    real = {tuple(window.ravel()) for window in values.reshape(-1, 8, 2)[:, :4]}
    assert {tuple(window.ravel()) for window in found[:, :4]} == real
    drawn = found[:, 4:, 0]
    assert len(np.unique(drawn)) > drawn.size // 2
    assert values[:, 0].min() - 1e-6 <= drawn.min() and drawn.max() <= values[:, 0].max() + 1e-6
    assert all(np.isfinite(sample["anomaly_score"]).all() for sample in samples)
    assert "float64, NaN where missing" in (out / "README.md").read_text()
    Csv(NoOptions()).write(SeriesRows(str(out), None, False), tmp_path, lambda _: None)
    with open(tmp_path / "train.csv", newline="") as file:
        written = [float(row["level"]) for row in csv_module.DictReader(file)]
    assert written == found[..., 0].ravel().tolist()

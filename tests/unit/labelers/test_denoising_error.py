"""Scores by step: what they are in closed form, what they find, what they need, and datasets made of them."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

import helpers
import synthgen
import tiny
from synthgen import seeds
from synthgen.fields import Columns, Label, Schema, Series, Times
from synthgen.labelers.denoising_error import DenoisingError
from synthgen.models.losses import Edm
from synthgen.models.series.denoiser import SeriesDenoiser
from synthgen.models.series.denoising_error import deviations, hidden_in_turns
from synthgen.models.series.pipeline import SeriesPipeline
from synthgen.models.series.scaler import SeriesScaler
from synthgen.parts.protocols import Slot
from synthgen.samplers.series import SeriesSampler

N_ROWS = 40


def labeler(**settings: Any) -> DenoisingError:
    return DenoisingError(DenoisingError.Config.model_validate({"model": tiny.series(), **settings}))


def seed_list(n: int) -> list[int]:
    return [seeds.seed_of(2, "labeler", i) for i in range(n)]


def test_every_step_is_hidden_once() -> None:
    for length, block in ((17, 4), (5, 16), (2, 1), (64, None)):
        hidden = hidden_in_turns(length, block)
        assert (hidden.sum(0) == 1).all() and hidden.any(1).all()
    assert hidden_in_turns(6, 2).tolist() == [
        [True] * 2 + [False] * 2 + [True] * 2,
        [False] * 2 + [True] * 2 + [False] * 2,
    ]


@pytest.mark.parametrize("block", [None, 3])
def test_of_gaussian_noise_it_is_the_distance_from_the_mean(block: int | None) -> None:
    """A network that says nothing is the best denoiser of a Gaussian, whose estimate shrinks towards the mean."""
    random = np.random.default_rng(0)
    scaler = SeriesScaler.fit(random.normal(50, 10, (1000, 1)), ["x"])
    spread, sigma = 0.8, [0.5, 2.0]
    made = SeriesPipeline(SeriesDenoiser(1, width=8, n_heads=2).eval(), scaler, Edm(spread).scheduler(), {0: "series"})
    series = torch.tensor(random.normal(50, 10, (3, 12, 1)), dtype=torch.float32)
    series[0, 4] = torch.nan
    noise, times = torch.randn(3, 2, 12, 1), torch.arange(12.0).expand(3, 12)
    with torch.inference_mode():
        off = deviations(made, series, hidden_in_turns(12, block), sigma, noise, torch.zeros(3, dtype=int), times, {})  # type: ignore[call-overload]
    weight = np.mean([s**2 / (s**2 + spread**2) / min(s, 1) for s in sigma])
    expected = scaler.scale(series).abs() * weight
    assert torch.isnan(off[0, 4, 0]) and torch.isnan(off).sum() == 1
    assert torch.allclose(off, expected, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize("mask", ["blocks", "none"])
def test_a_trained_model_finds_a_spike_and_a_gap_has_no_score(mask: str) -> None:
    sampler = SeriesSampler(SeriesSampler.Config(model="starter/ecg", steps=8))
    condition: Schema = {"label": Label(("N",))}
    assert sampler.bind(condition) == []
    sampler.setup("cpu")
    drawn = sampler.sample([asked(i) for i in range(4)], seed_list(4))
    part = labeler(model="starter/ecg", mask=mask)
    fields: Schema = {**sampler.fields, "condition.label": Label(("N",))}
    assert part.bind(fields) == []
    part.setup("cpu")
    spoiled = [values.copy() for values in drawn["series"]]
    for i, values in enumerate(spoiled):
        values[40 + 20 * i, 0] += 0.6
        values[200:210] = np.nan
        values[220, 1] = np.nan
    columns: Columns = {"series": spoiled, "time": drawn["time"], "condition.label": [0] * 4}
    for i, score in enumerate(part.annotate(columns, seed_list(4))["anomaly_score"]):
        assert score.shape == (256, 1) and score.dtype == np.float32
        assert int(np.nanargmax(score)) == 40 + 20 * i
        assert np.flatnonzero(np.isnan(score[:, 0])).tolist() == list(range(200, 210))


def asked(index: int) -> Slot:
    return Slot(index, {"label": 0}, "train")


def test_what_does_not_fit_the_model_is_told() -> None:
    schema, _ = tiny.normal_series(1)
    assert labeler().bind(schema) == []
    assert helpers.bind_messages(labeler(), {}) == ["needs the series `series` and the times of its steps `time`"]
    longer = {**schema, "series": Series(41, ("wave", "rain"), ("1", "mm")), "time": Times(41, "h")}
    (told,) = helpers.bind_messages(labeler(), longer)
    assert "knows series of 17 steps, and `series` has 41; give it windows of as many steps" in told
    other = {**schema, "series": Series(17, ("rain", "wave"), ("mm", "1")), "time": Times(17, "d")}
    text = " ".join(helpers.bind_messages(labeler(), other))
    assert "has the channels wave, rain, in this order; `series` has rain, wave" in text
    assert "counts time in h, and `time` in d" in text
    [problem] = helpers.bind_messages(labeler(), {**schema, "condition.label": Label(("clam",))})
    assert "unknown class `clam`" in problem
    wants = " ".join(helpers.bind_messages(labeler(model=tiny.asking_series()), schema))
    assert "needs the covariates sun" in wants and "needs the static height" in wants
    for wrong in ({"sigma": []}, {"sigma": [0.0]}, {"mask": "cells"}, {"name": "A b"}):
        with pytest.raises(ValidationError):
            labeler(**wrong)


def scores_recipe(folder: Path, data: dict[str, Any], model: str, **more: Any) -> Path:
    content = {
        "kind": "dataset",
        "name": "scores",
        "batch_size": 8,
        "condition": {"use": "real-series", "generate": "nothing", "data": data},
        "sampler": {"use": "series", "model": model},
        "labelers": [{"use": "denoising-error", "model": model, "sigma": [0.5]}],
        "scorers": [{"use": "peak", "quantile": 0.9}],
        "output": {"writers": ["parquet", "webdataset"]},
        **more,
    }
    path = folder / "scores.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_table_gets_a_score_at_every_time(tmp_path: Path) -> None:
    """Windows overlap and do not divide the rows evenly; times are timestamps; some values are missing."""
    values = tiny.sensor_values(N_ROWS, 3)
    begin = datetime(2024, 2, 28, 22)
    stamps = [(begin + timedelta(hours=i)).isoformat() for i in range(N_ROWS)]
    with (tmp_path / "own.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["when", "wave", "rain"])
        for i, (wave, rain) in enumerate(values.tolist()):
            gap = i in (5, 6)
            table.writerow([stamps[i], "" if gap else wave, "" if gap or i == 9 else rain])
    data = {"path": str(tmp_path / "own.csv"), "time": "when", "time_unit": "h", "length": 12, "stride": 5}
    path = scores_recipe(tmp_path, data, tiny.series(("series",)))
    out = synthgen.run(path, tmp_path / "out", executor="local", workers=1, device="cpu").out
    samples = list(synthgen.load(out))
    assert len(samples) == 7  # six windows, 5 rows apart, and one that ends with the table
    done = helpers.call(helpers.command("export", out, "--to", "csv", "-o", tmp_path / "tables"))
    assert done.returncode == 0 and "recordings.csv" in done.stdout, done.stderr
    rows = list(csv.DictReader((tmp_path / "tables" / "recordings.csv").open()))
    assert list(rows[0]) == ["entity", "time", "wave", "rain", "anomaly_score"]
    assert [row["time"] for row in rows] == stamps
    for i, row in enumerate(rows):
        if i in (5, 6):
            assert row["wave"] == row["anomaly_score"] == ""
            continue
        assert float(row["wave"]) == pytest.approx(values[i, 0], rel=1e-5)
        inside = [s for s in samples if 0 <= i - s["meta"]["condition"]["start"] < 12]
        all_scores = [s["anomaly_score"][int(i - s["meta"]["condition"]["start"]), 0] for s in inside]
        assert float(row["anomaly_score"]) == pytest.approx(np.mean(all_scores), rel=1e-5)
    for sample in samples:
        expected = np.nanquantile(sample["anomaly_score"], 0.9)
        assert sample["anomaly_score_peak"] == pytest.approx(expected, rel=1e-6)


def test_covariates_and_static_numbers_come_from_the_condition(tmp_path: Path) -> None:
    path = scores_recipe(tmp_path, tiny.gaps_data(), tiny.asking_series())
    out = synthgen.run(path, tmp_path / "out", executor="local", workers=1, device="cpu").out
    n_missing = 0
    for sample in synthgen.load(out):
        n_missing += np.isnan(sample["series"]).sum()
        assert np.array_equal(np.isnan(sample["anomaly_score"][:, 0]), np.isnan(sample["series"]).all(1))
    assert n_missing > 0, "gaps were filled"


def test_the_recipe_of_the_docs_trains_and_scores_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The condition's table is the training's, and the model that it makes is the labeler's too."""
    text = (helpers.ROOT / "docs" / "timeseries.md").read_text()
    block = next(b.split("```")[0] for b in text.split("```yaml\n")[1:] if "generate: nothing" in b)
    (tmp_path / "scores.yaml").write_text(block)
    values = tiny.sensor_values(90, 4)
    with (tmp_path / "my.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["timestamp", "wave", "rain"])
        table.writerows([i, *row] for i, row in enumerate(values.tolist()))
    monkeypatch.chdir(tmp_path)
    fast = ["train.steps=2", "train.batch_size=4"]
    synthgen.run("scores.yaml", "out", overrides=fast, executor="local", workers=1, device="cpu")
    samples = list(synthgen.load(tmp_path / "out"))
    assert len(samples) == 12 and all(np.isfinite(sample["anomaly_score"]).all() for sample in samples)

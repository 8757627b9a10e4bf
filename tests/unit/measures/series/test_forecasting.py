"""Forecasters trained on generated windows, on real ones and on both: what each learns, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import series_files
import synthgen
import tiny
from synthgen.errors import UsageError
from synthgen.measures.series import forecasting
from synthgen.readers.series import reader
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

N, LENGTH = 900, 24


def waves(n: int, period: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.sin(2 * np.pi * np.arange(n) / period) + random.normal(0, 0.05, n)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    rows = "".join(f"{i},{value:.4f}\n" for i, value in enumerate(waves(N, 12, 0)))
    path = series_files.csv(tmp_path_factory.mktemp("real") / "a.csv", "t,v\n" + rows)
    data = series_files.data(path, time="t", length=LENGTH, validation=0.1, test=0.2)
    recordings = reader.read(data)
    training, held_out, test = (reader.windows(recordings, data, name) for name in ("train", "validation", "test"))
    return {"training": training, "held_out": held_out, "test": test, "recordings": recordings, "data": data}


def windows(period: float) -> np.ndarray:
    whole = waves(400, period, 1)
    return np.stack([whole[i : i + LENGTH, None] for i in range(300)])


def useful(parts: dict[str, Any], generated: np.ndarray, **more: Any) -> dict[str, Any]:
    settings = {"horizon": None, "n_seeds": 2, "effort": 0.05, "say": lambda line: None} | more
    return forecasting.usefulness(generated, **parts, **settings)


@pytest.mark.slow
def test_good_windows_teach_what_real_ones_do_and_bad_ones_do_not(parts: dict[str, Any]) -> None:
    good, bad = useful(parts, windows(12)), useful(parts, windows(7))
    assert (good["horizon"], good["seen"], good["season"], good["seeds"]) == (6, 18, 12, 2)
    rows = good["trained_on"]
    assert rows["a tenth of real"]["windows"] == len(parts["training"]) // 10
    assert rows["generated and real"]["windows"] == 300 + len(parts["training"])

    def mase(found: dict[str, Any], name: str) -> float:
        return found["trained_on"][name]["ridge_mase"]["mean"]

    assert mase(good, "generated") == pytest.approx(mase(good, "real"), rel=0.1)
    assert mase(bad, "generated") > 3 * mase(bad, "real")
    assert mase(good, "real") < good["simple"]["seasonal naive"]["mase"] < 1.5
    assert len(rows["real"]["gru_mase"]["values"]) == 2 and len(rows["real"]["ridge_mase"]["values"]) == 1
    assert len(set(rows["a tenth of real"]["ridge_mase"]["values"])) == 2
    text = forecasting.text(good)
    assert "on 157 real test windows, 2 seeds" in text and "seasonal naive" in text
    assert "the MASE of ridge regression changes by " in text


@pytest.mark.slow
def test_the_gru_learns_too(parts: dict[str, Any]) -> None:
    rows = useful(parts, windows(12), effort=1.0, n_seeds=1)["trained_on"]
    assert rows["real"]["gru_mase"]["mean"] < 1.5 and rows["generated"]["gru_mase"]["mean"] < 1.5


def test_equal_calls_give_equal_numbers(parts: dict[str, Any]) -> None:
    assert useful(parts, windows(12), n_seeds=1) == useful(parts, windows(12), n_seeds=1)


def test_too_few_windows_are_said(parts: dict[str, Any]) -> None:
    found = useful(parts, windows(12)[:5])
    assert "it needs 200 real training windows, 20 real test windows and 20 generated" in forecasting.text(found)


@pytest.mark.slow
def test_in_an_evaluation(tmp_path: Path) -> None:
    content = {
        "kind": "dataset",
        "name": "waves",
        "condition": {"use": "classes", "quotas": {"wild": 30, "calm": 30}},
        "sampler": {"use": "series", "model": tiny.series(), "steps": 2},
        "labelers": ["class-label"],
    }
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(content))
    out = synthgen.run(tmp_path / "d.yaml", tmp_path / "out", executor="local", workers=1, device="cpu").out
    recipe = tmp_path / "m.yaml"

    def compared(test: float, **settings: Any) -> dict[str, Any]:
        data = tiny.series_data(length=17, test=test)
        recipe.write_text(yaml.safe_dump({"kind": "model", "name": "m", "trainer": {"use": "series", "data": data}}))
        asked = Evaluation(seeds=1, steps=1, effort=0.001, split="all", measures={"series": settings})
        return evaluation.compare(str(out), str(recipe), asked, lambda line: None)

    found = compared(0.3, horizon=5)["forecasting"]
    assert (
        found["horizon"] == 5 and found["trained_on"]["generated"]["windows"] == 52
    )  # as many of a class as real ones
    assert "forecasting" not in compared(0.3, forecasting=False)
    with pytest.raises(UsageError, match=r"horizon: must be less than the 17 steps of a window \(got 17\)"):
        compared(0.3, horizon=17)

"""Datasets of series against real ones: proportions, scaling, what is told, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, UsageError
from synthgen.measures.series import probe, sets
from synthgen.measures.series.sets import Set
from synthgen.recipe.sections import Evaluation
from synthgen.stages import evaluation

ONCE = Evaluation(seeds=1, steps=1, split="all")
LITTLE = Evaluation(seeds=2, steps=20, split="all", effort=0.001)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("evaluated")
    content = {
        "kind": "dataset",
        "name": "weather",
        "condition": {"use": "classes", "quotas": {"wild": 30, "calm": 50}},
        "sampler": {"use": "series", "model": tiny.series(), "steps": 2},
        "labelers": ["class-label"],
    }
    (place / "d.yaml").write_text(yaml.safe_dump(content))
    return synthgen.run(place / "d.yaml", place / "out", executor="local", workers=1, device="cpu").out


def model_recipe(folder: Path, **more: object) -> str:
    path = folder / "model.yaml"
    data = tiny.series_data(length=17, stride=2, test=0.3, **more)
    path.write_text(yaml.safe_dump({"kind": "model", "name": "m", "trainer": {"use": "series", "data": data}}))
    return str(path)


def test_all_measures_of_a_dataset(folder: Path, tmp_path: Path) -> None:
    real = model_recipe(tmp_path)
    found = evaluation.compare(str(folder), real, LITTLE, lambda line: None)
    assert found["n_synthetic"] == 80 and set(found["usefulness"]["n_test"]) == {"calm", "wild"}
    for scores in found["usefulness"]["scores"].values():
        assert 0 <= scores["accuracy"]["mean"] <= 100 and len(scores["precision"]["values"]) == 2
    assert set(found["metrics"]["rows"]) == {"synthetic", "real", "held_out", "real_held_out"}
    text = evaluation.text(found)
    assert "trained on     80 synthetic balanced accuracy" in text and "nearest real window" in text


def test_classifiers_need_windows_that_were_held_out(folder: Path, tmp_path: Path) -> None:
    path = model_recipe(tmp_path)
    Path(path).write_text(Path(path).read_text().replace("test: 0.3", "test: 0.0"))
    with pytest.raises(DataError, match=r"`test` of the data holds nothing out"):
        evaluation.compare(str(folder), path, ONCE, lambda line: None)


def test_other_data_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"series of 17 steps of wave, rain, and .* 17 steps of wave;"):
        evaluation.compare(str(folder), model_recipe(tmp_path, channels=["wave"]), ONCE, lambda line: None)
    with pytest.raises(UsageError, match=r"must be a recipe that trains a model on series"):
        evaluation.compare(str(folder), str(helpers.ROOT / "recipes/train/nuclei.yaml"), ONCE, lambda line: None)
    with pytest.raises(UsageError, match=r"names no real data"):
        evaluation.compare(str(folder), str(helpers.ROOT / "recipes/segmentation.yaml"), ONCE, lambda line: None)


@pytest.mark.slow
def test_the_command_says_which_options_are_not_for_series(folder: Path, tmp_path: Path) -> None:
    done = helpers.call(helpers.command("evaluate", folder, "--real", model_recipe(tmp_path), "--evaluator", "x"))
    assert done.returncode == 2 and "--evaluator: is not used for series" in done.stderr


def test_windows_are_taken_in_the_real_proportions() -> None:
    def some(n: list[int]) -> Set:
        labels = np.repeat(np.arange(len(n)), n)
        return Set(np.arange(len(labels), dtype=np.float32)[:, None, None], labels)

    picked = sets.in_proportion(some([100, 100]), some([50, 10]), 2)
    assert np.bincount(picked.labels).tolist() == [50, 10]
    picked = sets.in_proportion(some([100, 5]), some([400, 10]), 2)
    assert np.bincount(picked.labels).tolist() == [100, 2]


def test_the_probe_learns_a_rare_class_and_missing_values_do_not_hurt_it() -> None:
    random = np.random.default_rng(0)

    def some(n: int, n_rare: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n) < n_rare
        waves = np.sin(np.arange(32)[None, :] * np.where(labels, 1.1, 0.4)[:, None] + random.uniform(0, 6, (n, 1)))
        windows = (waves + random.normal(0, 0.2, waves.shape)).astype(np.float32)[..., None]
        windows[random.random(windows.shape) < 0.1] = np.nan
        return windows, labels.astype(np.int64)

    model = probe.train(*some(200, 12), 2, 0, 80)
    windows, labels = some(100, 50)
    shares = probe.probabilities(model, windows)
    assert np.allclose(shares.sum(1), 1, atol=1e-5) and (shares.argmax(1) == labels).mean() > 0.9


@pytest.mark.parametrize("length", [2, 4, 7])
def test_the_probe_takes_windows_of_any_length(length: int) -> None:
    windows = np.random.default_rng(0).normal(size=(20, length, 2)).astype(np.float32)
    model = probe.train(windows, np.arange(20) % 2, 2, 0, 2)
    assert probe.probabilities(model, windows).shape == (20, 2)

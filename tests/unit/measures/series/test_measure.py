"""Datasets of series against real ones: proportions, scaling, what is told, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import helpers
import synthgen
import tiny
from synthgen.errors import DataError, UsageError
from synthgen.measures.series import probe, sets, usefulness
from synthgen.measures.series.sets import Set
from synthgen.measures.settings import Way
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
    several = LITTLE.model_copy(update={"steps": [1, 20], "tricks": ["averaged", "jitter"]})
    with pytest.raises(DataError, match=r"`validation` of the data holds nothing out to choose"):
        evaluation.compare(str(folder), model_recipe(tmp_path, validation=0), several, lambda line: None)
    found = evaluation.compare(str(folder), model_recipe(tmp_path, validation=0.1), several, lambda line: None)
    assert len(found["usefulness"]["chosen"]["both"]) == 2
    assert re.search(r"1, 20 steps, the best on \d+ real validation windows", evaluation.text(found))


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

    model = probe.train(*some(200, 12), 2, 0, Way(80))
    windows, labels = some(100, 50)
    shares = probe.probabilities(model, windows)
    assert np.allclose(shares.sum(1), 1, atol=1e-5) and (shares.argmax(1) == labels).mean() > 0.9


def waves(n: int, right: float) -> Set:
    """Windows of two waves, of which this share has its class, and the others the other one; weights say which."""
    random = np.random.default_rng(0)
    labels = np.arange(n) % 2
    x = np.sin(np.arange(32)[None, :] * np.where(labels, 1.1, 0.4)[:, None] + random.uniform(0, 6, (n, 1)))
    windows = (x + random.normal(0, 0.2, x.shape)).astype(np.float32)[..., None]
    is_right = random.random(n) < right
    return Set(windows, np.where(is_right, labels, 1 - labels), np.where(is_right, 2.0, 0.0))


def test_probes_of_series_honour_weights() -> None:
    some, test = waves(200, 0.6), waves(100, 1)
    models = [probe.train(some.windows, some.labels, 2, 0, Way(60), weights) for weights in (None, some.weights)]
    plain, weighed = ((probe.probabilities(m, test.windows).argmax(1) == test.labels).mean() for m in models)
    assert weighed > 0.95 > plain
    both = some.join(Set(test.windows, test.labels))
    assert both.weights is not None and both.weights[200:].tolist() == [1] * 100
    assert both.take(np.arange(200)).weights.tolist() == some.weights.tolist()  # type: ignore[union-attr]


def test_each_probe_of_series_has_the_way_that_is_best_on_real_windows() -> None:
    real, told = waves(200, 1), list[str]()
    ways = [Way(1), Way(60), Way(1, "jitter")]
    found = usefulness.measure(real, real, waves(100, 1), ("slow", "fast"), 1, ways, told.append, waves(50, 1))
    assert found["chosen"]["real"] == ["60 steps"] and found["n_validation"] == 50
    assert found["scores"]["real"]["accuracy"]["mean"] > 90
    text = usefulness.text({"usefulness": found, "n_test": 100, "seeds": 1, "steps": [1, 60]})
    assert "1, 60 steps, the best on 50 real validation images" not in text and "in 60 steps" in text


def test_jitter_changes_values_and_leaves_what_is_missing() -> None:
    x = probe.to_tensor(np.where(np.arange(16) < 4, np.nan, 1.0).astype(np.float32).reshape(1, 16, 1)).repeat(500, 1, 1)
    changed = probe.jittered(x)
    assert (changed[:, :, :4] == 0).all() and torch.equal(changed[:, 1], x[:, 1])
    assert 0.08 < float(changed[:, 0, 4:].mean(1).std()) < 0.12 and 0.01 < float(changed[:, 0, 4:].std(1).mean()) < 0.03


@pytest.mark.parametrize("length", [2, 4, 7])
def test_the_probe_takes_windows_of_any_length(length: int) -> None:
    windows = np.random.default_rng(0).normal(size=(20, length, 2)).astype(np.float32)
    model = probe.train(windows, np.arange(20) % 2, 2, 0, Way(2))
    assert probe.probabilities(model, windows).shape == (20, 2)

"""Does the denoising error find anomalies? Labelled windows of the Numenta Anomaly Benchmark, seven series.

The rule, equal for all series and chosen without their labels: the first 15 % of the rows, the part that the benchmark
itself leaves for learning, train a small model with `use: series`; the other 85 % are scored by a recipe with
`real-series`, `generate: nothing` and `denoising-error`. Rows count as regular steps. Overlapping windows are averaged,
and a step's score is compared with whether it lies in a labelled window (area under the ROC curve). Simple detectors
see the same rows: the distance from the mean of the first rows, or of the steps before, in their deviations, and
scikit-learn's IsolationForest on windows, whose steps share its scores. Because labelled windows have hundreds of
steps, every detector counts twice: step by step, and as the mean of the 64 steps around each.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

from sklearn.ensemble import IsolationForest  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402

from synthgen import api, load  # noqa: E402

SHARE = 0.15
LENGTH, STRIDE, PATCH, STEPS, BATCH = 64, 16, 2, 800, 32
ROLLING = 64
"""Steps of the windows of both simple detectors: as many as the model sees."""


def read(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values float64 (T,) and whether each step lies in a labelled window (T,)."""
    with (folder / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labelled = json.loads((folder / "combined_windows.json").read_text())[f"realKnownCause/{name}.csv"]
    stamps = np.array([row["timestamp"] for row in rows], dtype="datetime64[us]")
    bad = np.zeros(len(rows), dtype=bool)
    for first, last in labelled:
        bad |= (stamps >= np.datetime64(first)) & (stamps <= np.datetime64(last))
    return np.array([float(row["value"]) for row in rows]), bad


def table(path: Path, values: np.ndarray) -> None:
    path.write_text("value\n" + "".join(f"{value!r}\n" for value in values.tolist()))


def trained(values: np.ndarray, out: Path, seed: int, steps: int) -> Path:
    """The folder of a model of these steps."""
    table(out / "first.csv", values)
    recipe = {
        "kind": "model",
        "name": out.name,
        "seed": seed,
        "trainer": {
            "use": "series",
            "data": {"path": str(out / "first.csv"), "length": LENGTH, "validation": 0},
            "patch": PATCH,
            "steps": steps,
            "batch_size": BATCH,
            "checkpoint_every": steps,
            "sample_every": steps * 2,
        },
    }
    (out / "model.yaml").write_text(json.dumps(recipe))
    return api.train(out / "model.yaml", out / f"model-{seed}")


def scored(values: np.ndarray, model: Path, out: Path, settings: dict[str, Any]) -> np.ndarray:
    """The labeler's score of every step (T,), overlapping windows averaged."""
    table(out / "rest.csv", values)
    recipe = {
        "kind": "dataset",
        "name": out.name,
        "batch_size": 32,
        "shard_size": 256,
        "condition": {
            "use": "real-series",
            "data": {"path": str(out / "rest.csv"), "length": LENGTH, "stride": STRIDE},
            "generate": "nothing",
        },
        "sampler": {"use": "series", "model": str(model)},
        "labelers": [{"use": "denoising-error", "model": str(model), **settings}],
        "output": {"writers": ["parquet"]},
    }
    (out / "scores.yaml").write_text(json.dumps(recipe))
    prepared = api.prepare(out / "scores.yaml")
    done = api.run(out / "scores.yaml", out / prepared.default_out.name, executor="local", workers=1, device="cpu").out
    total, count = np.zeros(len(values)), np.zeros(len(values))
    for sample in load(done):
        rows = (int(sample["meta"]["condition"]["start"]) + sample["time"]).astype(int)
        total[rows] += sample["anomaly_score"][:, 0]
        count[rows] += 1
    return total / count


def rolling_deviation(values: np.ndarray, n_first: int) -> np.ndarray:
    """|value - mean| / deviation of the `ROLLING` steps before each step after the first `n_first`."""
    before = np.lib.stride_tricks.sliding_window_view(values, ROLLING)[n_first - ROLLING : -1]
    floor = 1e-3 * values[:n_first].std()
    found: np.ndarray = np.abs(values[n_first:] - before.mean(1)) / (before.std(1) + floor)
    return found


def global_deviation(values: np.ndarray, n_first: int) -> np.ndarray:
    """|value - mean| / deviation of the first `n_first` steps."""
    found: np.ndarray = np.abs(values[n_first:] - values[:n_first].mean()) / values[:n_first].std()
    return found


def forest(values: np.ndarray, n_first: int, seed: int) -> np.ndarray:
    """IsolationForest (100 trees) fitted on windows of the first steps; a step has the mean score of its windows."""
    first, rest = (np.lib.stride_tricks.sliding_window_view(v, ROLLING) for v in (values[:n_first], values[n_first:]))
    scores = -IsolationForest(n_estimators=100, random_state=seed).fit(first).score_samples(rest)
    kernel = np.ones(ROLLING)
    mean: np.ndarray = np.convolve(scores, kernel) / np.convolve(np.ones(len(scores)), kernel)
    return mean


def areas(truth: np.ndarray, score: np.ndarray) -> list[float]:
    """Area under the ROC curve of the score of each step, and of the mean of the `ROLLING` steps around it."""
    kernel = np.ones(ROLLING)
    around = np.convolve(score, kernel, "same") / np.convolve(np.ones(len(score)), kernel, "same")
    return [round(float(roc_auc_score(truth, each)), 4) for each in (score, around)]


def measure(
    folder: Path, name: str, out: Path, seeds: list[int], steps: int, settings: dict[str, Any]
) -> dict[str, Any]:
    values, bad = read(folder, name)
    n_first = round(SHARE * len(values))
    truth = bad[n_first:]
    found: dict[str, Any] = {
        "series": name,
        "steps": len(truth),
        "labelled": round(float(truth.mean()), 4),
        "labelled steps in training": int(bad[:n_first].sum()),
        "global z": areas(truth, global_deviation(values, n_first)),
        "rolling z": areas(truth, rolling_deviation(values, n_first)),
        "forest": areas(truth, forest(values, n_first, 0)),
    }
    for seed in seeds:
        place = out / name
        place.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        model = trained(values[:n_first], place, seed, steps)
        between = time.process_time()
        score = scored(values[n_first:], model, place, settings)
        found[f"denoising error, seed {seed}"] = areas(truth, score)
        found[f"CPU s, seed {seed}"] = [round(between - started, 1), round(time.process_time() - between, 1)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data/nab", type=Path)
    parser.add_argument("--out", default="runs/nab", type=Path)
    parser.add_argument("--series", nargs="*", help="names of the series; by default all in the folder")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="training steps")
    parser.add_argument("--settings", default="{}", help="other settings of the labeler, as JSON")
    arguments = parser.parse_args()
    names = arguments.series or sorted(path.stem for path in arguments.data.glob("*.csv"))
    for name in names:
        found = measure(
            arguments.data, name, arguments.out, arguments.seeds, arguments.steps, json.loads(arguments.settings)
        )
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

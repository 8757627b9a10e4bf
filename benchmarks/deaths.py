"""Do drawn stays help to foretell deaths? PhysioNet 2012, two days of intensive care, death as the rare class.

All stays in five folds, each in turn the one that is tested on; fold 0 is that of `benchmarks/physionet.py`. A model of
recipes/train/physionet.yaml with two classes is trained on the others and draws whole stays of both; each is then given
the gaps of a real training stay of its class, since what is measured, and when, tells a lot. The same classifier of
values and gaps is trained with equal steps and equal shares of both classes on real stays, drawn ones, and both; beside
it, gradient boosting on means, extremes, last values and numbers of the measurements. What is compared is the average
precision over all stays, each scored by classifiers that have not seen it; intervals are from a bootstrap over stays.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path

from synthgen.base.environment import use_one_thread

use_one_thread()

import numpy as np  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from physionet import RECIPE, Stays, prepare, write_table  # noqa: E402
from rare import precision_intervals  # noqa: E402

from synthgen import api, load  # noqa: E402
from synthgen.fields import Label  # noqa: E402
from synthgen.measures.series import probe  # noqa: E402
from synthgen.measures.series.beyond import nearest_distances  # noqa: E402
from synthgen.measures.series.sets import Set  # noqa: E402
from synthgen.measures.settings import Way  # noqa: E402

CLASSES = ("survived", "died")
FARTHEST = 5.0
"""Deviations from the mean at which values are cut off for the classifier: some records hold slips of the keyboard."""


def outcomes(data: Path, stays: Stays) -> np.ndarray:
    """int64 (N,): 1 for the stays that ended with a death in hospital."""
    table = pq.read_table(data / "patients.parquet")
    died = dict(zip(table["record_id"].to_pylist(), table["In-hospital_death"].to_pylist(), strict=True))
    return np.array([died[stay] for stay in stays.ids.tolist()], dtype=np.int64)


def drawn(model: Path, out: Path, n_each: int) -> Set:
    """Whole stays by `synthgen run`, with the sampler's defaults."""
    recipe = {
        "kind": "dataset",
        "name": "stays",
        "seed": 0,
        "batch_size": 100,
        "shard_size": 500,
        "condition": {"use": "classes", "quotas": dict.fromkeys(CLASSES, n_each)},
        "sampler": {"use": "series", "model": str(model)},
        "labelers": ["class-label"],
        "output": {"writers": ["parquet"]},
    }
    text = out / "stays.yaml"
    text.write_text(json.dumps(recipe))
    dataset = load(api.run(text, out / f"stays-{n_each}", executor="local", workers=1).out)
    label = next(name for name, field in dataset.fields.items() if isinstance(field, Label))
    ids = np.array([CLASSES.index(name) for name in dataset.classes])
    samples = list(dataset)
    return Set(np.stack([s["series"] for s in samples]), ids[[s[label] for s in samples]])


def with_gaps(some: Set, real: Set, seed: int = 0) -> Set:
    """The values of `some` where a random stay of `real` of the same class has any."""
    random, windows = np.random.default_rng(seed), some.windows.copy()
    for label in range(len(CLASSES)):
        rows = np.flatnonzero(some.labels == label)
        givers = random.choice(np.flatnonzero(real.labels == label), len(rows))
        windows[rows] = np.where(np.isnan(real.windows[givers]), np.nan, windows[rows])
    return Set(windows, some.labels)


def of_class(some: Set, label: int) -> Set:
    return some.take(np.flatnonzero(some.labels == label))


def nearest(real: Set, test: Set, synthetic: Set) -> dict[str, float]:
    """Median distance of drawn stays to the nearest training stay over that of test stays, 0 for what is missing."""
    found = {}
    for label, name in enumerate(CLASSES):
        some = [np.nan_to_num(of_class(one, label).windows) for one in (synthetic, real, test)]
        ours, held_out = (float(np.median(nearest_distances(each, some[1]))) for each in (some[0], some[2]))
        found[name] = round(ours / held_out, 3)
    return found


def summaries(windows: np.ndarray) -> np.ndarray:
    """(N, 5 C): of each variable the mean, least, greatest and last value, NaN without any, and how many there are."""
    there = ~np.isnan(windows)
    last = np.where(there, np.arange(windows.shape[1])[:, None], -1).max(1)
    final = np.take_along_axis(windows, np.maximum(last, 0)[:, None], 1)[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of variables that a stay lacks
        parts = [np.nanmean(windows, 1), np.nanmin(windows, 1), np.nanmax(windows, 1)]
    return np.concatenate([*parts, np.where(last >= 0, final, np.nan), there.sum(1)], 1)


def boosted(some: Set, held_out: Set, seed: int) -> np.ndarray:
    """Probabilities of death (N,) by gradient boosting on summaries."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(learning_rate=0.05, max_iter=200, l2_regularization=1.0, random_state=seed)
    found: np.ndarray = model.fit(summaries(some.windows), some.labels).predict_proba(summaries(held_out.windows))[:, 1]
    return found


def one(given: argparse.Namespace, fold: int) -> tuple[dict[tuple[str, str], np.ndarray], np.ndarray]:
    """How likely each test stay of a fold ends with a death, by either classifier of every arm; and whether it did."""
    out = given.out / f"fold-{fold}"
    rest, test = prepare(given.data, out, fold)
    died, died_test = (outcomes(given.data, stays) for stays in (rest, test))
    table = out / "outcomes.parquet"
    write_table(table, rest, outcome=np.array(CLASSES)[died])
    started = time.process_time()
    settings = [f"trainer.data.path={table}", "trainer.data.label=outcome", "trainer.data.validation=0"]
    settings += ["trainer.class_balance=0.5", "trainer.observed_mask.cells=0.3"]
    model = api.train(RECIPE, out / "model", overrides=[*settings, *given.set])
    print(f"fold {fold}: {(time.process_time() - started) / 60:.1f} CPU minutes of training now", flush=True)
    real, held_out = Set(rest.values, died), Set(test.values, died_test)
    synthetic = with_gaps(drawn(model, out, given.samples), real)
    arms = {"real": real, "drawn": synthetic, "both": real.join(synthetic)}
    arms["real, and drawn deaths"] = real.join(of_class(synthetic, 1))
    found = {
        ("boosting", name): np.mean([boosted(some, held_out, seed) for seed in range(given.seeds)], axis=0)
        for name, some in arms.items()
    }
    mean, deviation = np.nanmean(real.windows, axis=(0, 1)), np.nanstd(real.windows, axis=(0, 1))

    def scaled(some: Set) -> Set:
        cut = np.clip((some.windows - mean) / deviation, -FARTHEST, FARTHEST)
        return replace(some, windows=cut.astype(np.float32))

    arms, held_out = {name: scaled(some) for name, some in arms.items()}, scaled(held_out)
    distances = json.dumps(nearest(arms["real"], held_out, arms["drawn"]))
    print(f"fold {fold}: {len(held_out)} test stays, {died_test.sum()} deaths; distances {distances}", flush=True)
    for name, some in arms.items():
        networks = [probe.train(some.windows, some.labels, 2, seed, Way(given.steps)) for seed in range(given.seeds)]
        found["network", name] = np.mean(
            [probe.probabilities(network, held_out.windows)[:, 1] for network in networks], axis=0
        )
    return found, died_test == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/physionet2012", type=Path)
    parser.add_argument("--out", default="runs/deaths", type=Path)
    parser.add_argument("--set", action="append", default=[], help="key=value for the recipe, as for `synthgen train`")
    parser.add_argument("--folds", type=int, nargs="+", choices=range(5), default=[0, 1, 2, 3, 4])
    parser.add_argument("--samples", type=int, default=1500, help="drawn stays of each class")
    parser.add_argument("--seeds", type=int, default=5, help="of the classifiers, whose probabilities are averaged")
    parser.add_argument("--steps", type=int, default=probe.STEPS, help="of the classifier")
    given = parser.parse_args()
    parts = [one(given, fold) for fold in given.folds]
    died = np.concatenate([part[1] for part in parts])
    found = {name: np.concatenate([part[0][name] for part in parts]) for name in parts[0][0]}
    print(f"{len(died)} stays, {died.sum()} deaths")
    for classifier in ("network", "boosting"):
        mine = {arm: scores for (kind, arm), scores in found.items() if kind == classifier}
        for arm, facts in precision_intervals(mine, died).items():
            print(f"  {classifier}, {arm}: {json.dumps(facts)}", flush=True)


if __name__ == "__main__":
    main()

"""Do drawn stays help to foretell deaths? PhysioNet 2012, two days of intensive care, death as the rare class.

The test stays are those of `benchmarks/physionet.py`. A model of recipes/train/physionet.yaml with two classes is
trained on all others and draws whole stays of both; each is then given the gaps of a real training stay of its class,
since what is measured, and when, tells a lot. The same classifier of values and gaps is trained with equal steps and
equal shares of both classes on real stays, drawn ones, and both, and tested on the test stays; intervals are from a
bootstrap over these.
"""

from __future__ import annotations

import argparse
import json
import time
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


def joined(*sets: Set) -> Set:
    return Set(np.concatenate([s.windows for s in sets]), np.concatenate([s.labels for s in sets]))


def of_class(some: Set, label: int) -> Set:
    rows = some.labels == label
    return Set(some.windows[rows], some.labels[rows])


def nearest(real: Set, test: Set, synthetic: Set) -> dict[str, float]:
    """Median distance of drawn stays to the nearest training stay over that of test stays, 0 for what is missing."""
    found = {}
    for label, name in enumerate(CLASSES):
        some = [np.nan_to_num(of_class(one, label).windows) for one in (synthetic, real, test)]
        ours, held_out = (float(np.median(nearest_distances(each, some[1]))) for each in (some[0], some[2]))
        found[name] = round(ours / held_out, 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="../shared/data/physionet2012", type=Path)
    parser.add_argument("--out", default="runs/deaths", type=Path)
    parser.add_argument("--set", action="append", default=[], help="key=value for the recipe, as for `synthgen train`")
    parser.add_argument("--samples", type=int, default=1500, help="drawn stays of each class")
    parser.add_argument("--seeds", type=int, default=5, help="of the classifier, whose probabilities are averaged")
    parser.add_argument("--steps", type=int, default=probe.STEPS, help="of the classifier")
    arguments = parser.parse_args()
    rest, test = prepare(arguments.data, arguments.out)
    died, died_test = (outcomes(arguments.data, stays) for stays in (rest, test))
    table = arguments.out / "outcomes.parquet"
    write_table(table, rest, outcome=np.array(CLASSES)[died])
    started = time.process_time()
    settings = [f"trainer.data.path={table}", "trainer.data.label=outcome", "trainer.data.validation=0"]
    settings += ["trainer.class_balance=0.5", "trainer.observed_mask.cells=0.3"]
    model = api.train(RECIPE, arguments.out / "model", overrides=[*settings, *arguments.set])
    print(f"{(time.process_time() - started) / 60:.1f} CPU minutes of training now", flush=True)
    real, held_out = Set(rest.values, died), Set(test.values, died_test)
    synthetic = with_gaps(drawn(model, arguments.out, arguments.samples), real)
    mean, deviation = np.nanmean(real.windows, axis=(0, 1)), np.nanstd(real.windows, axis=(0, 1))
    real, held_out, synthetic = (
        replace(one, windows=np.clip((one.windows - mean) / deviation, -FARTHEST, FARTHEST).astype(np.float32))
        for one in (real, held_out, synthetic)
    )
    print(f"{len(real)} real stays, {died.sum()} of them deaths; {len(synthetic)} drawn")
    print(f"{len(held_out)} test stays, {died_test.sum()} of them deaths")
    distances = json.dumps(nearest(real, held_out, synthetic))
    print(f"median distance to the nearest training stay, over that of test stays: {distances}", flush=True)
    arms = {
        "real": real,
        "drawn": synthetic,
        "both": joined(real, synthetic),
        "real, and drawn deaths": joined(real, of_class(synthetic, 1)),
    }
    found: dict[str, np.ndarray] = {}
    for name, some in arms.items():
        networks = [probe.train(some.windows, some.labels, 2, seed, arguments.steps) for seed in range(arguments.seeds)]
        found[name] = np.mean([probe.probabilities(one, held_out.windows)[:, 1] for one in networks], axis=0)
    for name, facts in precision_intervals(found, died_test == 1).items():
        print(f"  {name}: {json.dumps(facts)}", flush=True)


if __name__ == "__main__":
    main()

"""How much memory do wide and long series take? 40 correlated channels, windows of 2,000 steps, a stride of 1.

Makes a table, trains a few steps with the defaults of `use: series` and a patch, draws series with `synthgen run`, and
prints the peak of resident memory of this process and of its children after each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import pin_to_one_core

pin_to_one_core()

from synthgen import api, load  # noqa: E402


def table(path: Path, n_rows: int, n_channels: int, n_factors: int = 5) -> None:
    """Channels that are mixtures of a few autoregressive factors with waves, and noise."""
    random = np.random.default_rng(0)
    factors = np.zeros((n_rows, n_factors))
    for i in range(1, n_rows):
        factors[i] = 0.95 * factors[i - 1] + 0.3 * random.normal(size=n_factors)
    factors += np.sin(2 * np.pi * np.arange(n_rows)[:, None] / random.uniform(40, 400, n_factors))
    values = factors @ random.normal(size=(n_factors, n_channels)) + 0.3 * random.normal(size=(n_rows, n_channels))
    pq.write_table(pa.table({f"x{i:02d}": values[:, i].astype(np.float32) for i in range(n_channels)}), path)


def cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


def told(what: str, started: float) -> None:
    own, children = (
        resource.getrusage(who).ru_maxrss / 1024**2 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(
        f"{what}: {cpu_s() - started:.1f} CPU s; peak so far {own:.2f} GiB, of children {children:.2f} GiB", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--channels", type=int, default=40)
    parser.add_argument("--length", type=int, default=2000)
    parser.add_argument("--patch", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20, help="training steps")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--out", default="runs/wide-series", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "table.parquet"
    started = cpu_s()
    table(path, arguments.rows, arguments.channels)
    told(f"table of {arguments.rows:,} rows", started)
    data = {"path": str(path), "length": arguments.length}
    trainer = {"use": "series", "data": data, "patch": arguments.patch, "steps": arguments.steps}
    recipe = arguments.out / "model.yaml"
    recipe.write_text(json.dumps({"kind": "model", "name": "wide", "trainer": trainer}))
    started = cpu_s()
    model = api.train(recipe, arguments.out / f"model-{arguments.length}-{arguments.patch}-{arguments.steps}")
    told(f"{arguments.steps} training steps on windows of {arguments.length} x {arguments.channels}", started)
    recipe = arguments.out / "dataset.yaml"
    content = {
        "kind": "dataset",
        "name": "wide",
        "batch_size": arguments.samples,
        "shard_size": arguments.samples,
        "condition": {"use": "classes", "quotas": {"series": arguments.samples}},
        "sampler": {"use": "series", "model": str(model)},
        "output": {"writers": ["parquet"]},
    }
    recipe.write_text(json.dumps(content))
    started = cpu_s()
    out = api.run(recipe, model / "dataset", executor="local", workers=1).out
    told(f"{len(load(out))} series drawn and written", started)


if __name__ == "__main__":
    main()

"""Does a detector of faults learn more from drawn series than from real ones? Seven series of NAB, faults injected.

As in `benchmarks/nab.py`, the first 15 % of the rows are what is known: they train the model of the series, and the
labelled windows of the other 85 % are what is to be found. `use: anomalies` puts faults into windows; a small network
learns to say of each step whether it is one:

- real: from real windows with faults; drawn: from generated ones; both.

Beside them stand the simple detectors of that benchmark and the model's own denoising error, and the forest together
with each of the networks and with that error: the mean of the two ranks of a step. A seed is one training of
the network on all of the windows; the area under the ROC curve is that of each step's score, and of the mean of the 64
around it.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import nab
import numpy as np
from nab import LENGTH, SHARE, STRIDE, areas, forest, rolling_deviation, scored, table, trained

import torch  # isort: skip
from scipy.stats import rankdata
from torch import nn
from torch.nn import functional as F

from synthgen import api, load
from synthgen.measures.settings import gain

BATCH, RATE = 64, 2e-3


def with_faults(out: Path, name: str, condition: dict[str, Any], seed: int) -> tuple[np.ndarray, ...]:
    """Windows float32 (N, L) with faults, and where they are, bool (N, L)."""
    recipe = {
        "kind": "dataset",
        "name": name,
        "seed": seed,
        "batch_size": 32,
        "shard_size": 256,
        "splits": {"train": 1.0},
        **condition,
        "labelers": [{"use": "anomalies", "count": [0, 3]}],
        "output": {"writers": ["parquet"]},
    }
    path = out / f"{name}.yaml"
    path.write_text(json.dumps(recipe))
    done = api.run(path, out / name, executor="local", workers=1, device="cpu").out
    samples = list(load(done))
    values = np.stack([sample["anomalous"][:, 0] for sample in samples])
    return values.astype(np.float32), np.stack([sample["anomaly"][:, 0] > 0 for sample in samples])


def network() -> nn.Module:
    """Two channels in (value, whether it is there), a logit a step out; sees some sixty steps around each."""
    layers: list[nn.Module] = []
    width = 2
    for spread in (1, 2, 4, 8):
        layers += [nn.Conv1d(width, 32, 5, padding=2 * spread, dilation=spread), nn.BatchNorm1d(32), nn.ReLU()]
        width = 32
    return nn.Sequential(*layers, nn.Dropout(0.1), nn.Conv1d(width, 1, 1))


def seen(values: np.ndarray) -> torch.Tensor:
    """Windows (N, L), scaled, as the network sees them, (N, 2, L)."""
    x = torch.from_numpy(values)
    return torch.stack([x.nan_to_num(), x.isnan().float()], 1)


def detector(values: np.ndarray, faults: np.ndarray, seed: int, steps: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, x, y = network().train(), seen(values), torch.from_numpy(faults).float()
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(steps):
            rows = torch.randint(len(x), (BATCH,))
            loss = F.binary_cross_entropy_with_logits(model(x[rows])[:, 0], y[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return model.eval()


@torch.inference_mode()
def by_step(model: nn.Module, values: np.ndarray) -> np.ndarray:
    """The logit of each step (T,), overlapping windows averaged."""
    starts = np.arange(0, len(values) - LENGTH + 1, STRIDE)
    starts = np.unique(np.append(starts, len(values) - LENGTH))
    found = model(seen(np.stack([values[start : start + LENGTH] for start in starts]).astype(np.float32)))[:, 0].numpy()
    total, count = np.zeros(len(values)), np.zeros(len(values))
    for start, one in zip(starts, found, strict=True):
        total[start : start + LENGTH] += one
        count[start : start + LENGTH] += 1
    scores: np.ndarray = total / count
    return scores


def measure(given: argparse.Namespace, name: str) -> dict[str, list[list[float]]]:
    """Areas by step and around it, of every arm and seed."""
    values, bad = nab.read(given.data, name)
    n_first = round(SHARE * len(values))
    first, rest, truth = values[:n_first], values[n_first:], bad[n_first:]
    out = given.out / name
    out.mkdir(parents=True, exist_ok=True)
    model = trained(first, out, 0, given.train_steps)
    table(out / "known.csv", first)
    real_data = {"path": str(out / "known.csv"), "length": LENGTH, "stride": 1, "validation": 0}
    sampler = {"sampler": {"use": "series", "model": str(model)}}
    real = {"condition": {"use": "real-series", "data": real_data, "generate": "nothing"}, **sampler}
    new = {"condition": {"use": "classes", "quotas": {"series": given.windows}}, **sampler}
    windows = {
        "real": with_faults(out, "real", {**real, "samples": min(given.windows, n_first - LENGTH)}, 0),
        "drawn": with_faults(out, "drawn", new, 0),
    }
    windows["both"] = tuple(np.concatenate([windows[arm][i] for arm in ("real", "drawn")]) for i in range(2))
    mean, deviation = first.mean(), first.std()
    trees = [forest(values, n_first, seed) for seed in range(given.seeds)]
    error = scored(rest, model, out, {})
    found: dict[str, list[list[float]]] = {
        "rolling z": [areas(truth, rolling_deviation(values, n_first))],
        "forest": [areas(truth, score) for score in trees],
        "denoising error": [areas(truth, error)],
        "forest and denoising error": [areas(truth, rankdata(score) + rankdata(error)) for score in trees],
    }
    for arm, (x, y) in windows.items():
        for seed in range(given.seeds):
            network = detector(((x - mean) / deviation).astype(np.float32), y, seed, given.steps)
            score = by_step(network, (rest - mean) / deviation)
            found.setdefault(arm, []).append(areas(truth, score))
            together = areas(truth, rankdata(score) + rankdata(trees[seed]))
            found.setdefault(f"forest and {arm}", []).append(together)
    shown = ", ".join(f"{arm} {np.mean(a, 0)[0]:.3f} / {np.mean(a, 0)[1]:.3f}" for arm, a in found.items())
    print(f"{name}: {shown}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="../shared/data/nab", type=Path)
    parser.add_argument("--out", default="runs/faults", type=Path)
    parser.add_argument("--series", nargs="*", help="names of the series; by default all in the folder")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=nab.STEPS)
    parser.add_argument("--windows", type=int, default=1000, help="of each arm; real ones, as many as there are")
    parser.add_argument("--steps", type=int, default=600, help="of the network")
    given = parser.parse_args()
    names = given.series or sorted(path.stem for path in given.data.glob("*.csv"))
    each = {name: measure(given, name) for name in names}
    for arm in each[names[0]]:
        means = np.array([np.mean(each[name][arm], 0) for name in names])
        print(f"{arm}: mean area {means[:, 0].mean():.3f} by step, {means[:, 1].mean():.3f} around it")
    for one, other in (("drawn", "real"), ("forest and drawn", "forest and real"), ("forest and drawn", "forest")):
        for i, what in enumerate(("by step", "around it")):
            values, others = (
                [100 * float(np.mean([each[name][arm][seed][i] for name in names])) for seed in range(given.seeds)]
                for arm in (one, other)
            )
            print(f"{one} less {other}, {what}: {gain(values, others)}")
    print(json.dumps(each))


if __name__ == "__main__":
    main()

"""How good are drawn series? The published protocol on Stocks and Sines, with the trainer's defaults.

Takes Google's stock prices with --stocks (the file of the TimeGAN paper) and makes Sines itself. For each set and
seed: trains with `use: series` and nothing set but the data, draws as many windows as there are real ones
with `synthgen run`, and scores them with all rulers. The published scores train, fit and score on the same
windows, and what real windows score is measured beside the first seed; with --held-out, training sees the first four
fifths only, and the last fifth scores as well.

The correlational score of five repeats is mostly luck: it compares a random fifth with a random fifth. So it is also
measured with 1,000 draws, beside that of the real windows against themselves (a perfect copy) and, for Sines, that of
as many new ones (a perfect generator).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import pin_to_one_core

pin_to_one_core()

from synthgen import api, load  # noqa: E402
from synthgen.measures.series import metrics  # noqa: E402
from synthgen.measures.series.correlational import correlational_score  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402

LENGTH = 24
N_DRAWS = 1000
"""Of random fifths, for the correlational score without luck."""
PUBLISHED = {
    "stocks": "Diffusion-TS .067 DS, .147 C-FID, .004 correlational, .036 predictive; best claimed .015 DS, .040 C-FID",
    "sines": "Diffusion-TS .006 DS, .006 C-FID, .015 correlational, .093 predictive; best claimed .004 DS, .004 C-FID",
}
"""Diffusion-TS: Yuan and Qiao, ICLR 2024, table 1; best claimed: ST-Diff (anonymous)."""


def sines(seed: int = 123, n: int = 10_000, n_channels: int = 5) -> np.ndarray:
    """(n, 24, channels): the Sines of the TimeGAN paper, (sin(f t + p) + 1) / 2, f and p uniform in [0, 0.1)."""
    pairs = np.random.RandomState(seed).uniform(0, 0.1, (n, n_channels, 2))
    angles = pairs[:, :, :1] * np.arange(LENGTH) + pairs[:, :, 1:]
    return np.asarray((np.sin(angles) + 1) / 2).transpose(0, 2, 1)


def write_table(path: Path, windows: np.ndarray) -> None:
    n, length, n_channels = windows.shape
    columns = {"window": np.repeat(np.arange(n), length), "t": np.tile(np.arange(length), n)}
    columns |= {f"x{i}": windows[:, :, i].reshape(-1) for i in range(n_channels)}
    pq.write_table(pa.table(columns), path)


def settings(name: str, stocks: str, out: Path, held_out: bool) -> dict[str, Any]:
    """`data` of the recipe for a set."""
    more = {"length": LENGTH, "validation": 0, "test": 0.2 if held_out else 0}
    if name == "stocks":
        return {"path": stocks, "newest_first": True, **more}
    path = out / "sines.parquet"
    if not path.exists():
        write_table(path, sines())
    return {"path": str(path), "entity": "window", "time": "t", **more}


def measure(
    name: str, stocks: str, out: Path, seed: int, steps: int | None, repeats: int, held_out: bool, real_rows: bool
) -> None:
    data = settings(name, stocks, out, held_out)
    folder = out / f"{name}-{seed}{'-held-out' if held_out else ''}"
    recipe: dict[str, Any] = {"kind": "model", "name": name, "seed": seed, "trainer": {"use": "series", "data": data}}
    if steps:
        recipe["trainer"]["steps"] = steps
    text = folder.with_suffix(".yaml")
    text.write_text(json.dumps(recipe))
    started = time.process_time()
    model = api.train(text, folder / "model")
    trained = time.process_time() - started
    given = reader.SeriesData.model_validate(data)
    recordings = reader.read(given)
    real = reader.windows(recordings, given, "train").values
    test = reader.windows(recordings, given, "test").values if held_out else None
    started = time.process_time()
    drawn = drawn_windows(model, name, folder, len(real), seed)
    seconds = time.process_time() - started
    print(f"\n{name}, seed {seed}: {trained / 60:.1f} CPU minutes of training (less if it went on from a checkpoint)")
    print(f"{len(drawn)} windows in {seconds:.1f} CPU s; published: {PUBLISHED[name]}", flush=True)
    low, width = np.zeros(real.shape[2]), np.ones(real.shape[2])  # Sines are scored as they are
    if name == "stocks":
        low = np.nanmin(real, axis=(0, 1))
        width = np.nanmax(real, axis=(0, 1)) - low
    scaled = [None if x is None else ((x - low) / width).astype(np.float32) for x in (real, drawn, test)]
    exclude = LENGTH if name == "stocks" else 1  # windows of Sines are independent of each other
    found = metrics.evaluate(
        *scaled,  # type: ignore[arg-type]
        repeats=repeats,
        exclude=exclude,
        real_rows=real_rows,
        say=lambda line: print(line, flush=True),
    )
    print(metrics.text(found))
    print(json.dumps(found), flush=True)
    beside = {"drawn windows": drawn, "the real ones themselves": real}
    if name == "sines":
        beside["new sines"] = sines(seed=seed)
    for what, windows in beside.items():
        scores = [correlational_score(real, windows, draw) for draw in range(N_DRAWS)]
        spread = np.reshape(scores, (-1, 5)).mean(1).std()
        print(f"correlational, {N_DRAWS:,} draws, {what}: {np.mean(scores):.4f}; means of 5 scatter by {spread:.4f}")


def drawn_windows(model: Path, name: str, folder: Path, n: int, seed: int) -> np.ndarray:
    """`n` windows by `synthgen run`, with the sampler's defaults."""
    recipe = {
        "kind": "dataset",
        "name": name,
        "seed": seed,
        "batch_size": 128,
        "shard_size": 1280,
        "condition": {"use": "classes", "quotas": {"series": n}},
        "sampler": {"use": "series", "model": str(model)},
        "output": {"writers": ["parquet"]},
    }
    text = folder / "dataset.yaml"
    text.write_text(json.dumps(recipe))
    out = api.run(text, folder / "dataset", executor="local", workers=1).out
    return np.stack([sample["series"] for sample in load(out)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stocks", default="../shared/data/timegan/stock_data.csv")
    parser.add_argument("--out", default="runs/timeseries", type=Path)
    parser.add_argument("--sets", nargs="*", default=["stocks", "sines"], choices=["stocks", "sines"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="training steps; by default the trainer's own default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--held-out", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.sets:
        for seed in arguments.seeds:
            measure(
                name,
                arguments.stocks,
                arguments.out,
                seed,
                arguments.steps,
                arguments.repeats,
                arguments.held_out,
                seed == arguments.seeds[0],
            )


if __name__ == "__main__":
    main()

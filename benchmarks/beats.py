"""Do drawn premature beats help to find real ones? Blocked cross-validation over all of a half-hour recording.

Takes MIT-BIH record 100 (as recipes/train/ecg.yaml names it). The recording is cut into blocks of equal time. For each
block, the recording is turned so that the block comes last, where the recipe's `test` holds it out: the generator of
recipes/train/ecg.yaml is trained again without it and draws beats, and the same small classifier is trained with equal
steps on the other blocks' real beats, on drawn ones, on both as they are, and on both with real beats as often as
drawn ones in every batch. Each beat of the recording is then judged by classifiers that never saw its block;
intervals are from a bootstrap over beats.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from common import pin_to_one_core
from sklearn.metrics import average_precision_score

pin_to_one_core()

from rare import precision_intervals  # noqa: E402

import synthgen  # noqa: E402
from synthgen import api  # noqa: E402
from synthgen.measures.series import probe, sets  # noqa: E402
from synthgen.measures.series.beyond import nearest_distances  # noqa: E402
from synthgen.measures.series.sets import Set  # noqa: E402
from synthgen.measures.settings import Way  # noqa: E402
from synthgen.readers import origin  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402
from synthgen.readers.series.reader import SeriesData  # noqa: E402

TRAIN, RECIPE = "recipes/train/ecg.yaml", "recipes/timeseries.yaml"
RATE_HZ, SEAM_S, RARE = 360, 1.0, "A"


@dataclass(frozen=True)
class Arm:
    """What a classifier learns from."""

    name: str
    data: Set


def turned(data: SeriesData, block: int, n_blocks: int, folder: Path) -> list[str]:
    """Writes the recording with one block at its end; returns the overrides of the recipe that name it.

    Beats within a second of the place where the old end meets the old beginning are left out.
    """
    assert data.events is not None
    folder.mkdir(parents=True, exist_ok=True)
    signal, notes = pq.read_table(data.path), pq.read_table(data.events.path)
    n = len(signal)
    first = n * (block + 1) // n_blocks
    order = np.roll(np.arange(n), -first)
    columns = {name: signal[name].to_numpy()[order] for name in data.channels or ()}
    pq.write_table(pa.table({"sample": np.arange(n), **columns}), folder / "signal.parquet")
    samples = (notes["sample"].to_numpy() - first) % n
    seam = (n - first) % n
    far = (seam == 0) | (np.abs(samples - seam) > SEAM_S * RATE_HZ)
    kept = pa.table({"sample": samples[far], "symbol": notes["symbol"].to_numpy(zero_copy_only=False)[far]})
    pq.write_table(kept, folder / "annotations.parquet")
    return [
        f"trainer.data.path={folder / 'signal.parquet'}",
        f"trainer.data.events.path={folder / 'annotations.parquet'}",
        f"trainer.data.test={1 / n_blocks}",
    ]


def arms(synthetic: Set, real: Set, n_classes: int) -> list[Arm]:
    rows = np.concatenate(
        [
            np.resize(np.flatnonzero(real.labels == label), int((synthetic.labels == label).sum()))
            for label in range(n_classes)
        ]
    )
    often = real.take(rows)
    return [
        Arm("real", real),
        Arm("drawn", synthetic),
        Arm("both", real.join(synthetic)),
        Arm("both, real ones as often", often.join(synthetic)),
    ]


def judge(block: int, arguments: argparse.Namespace, found: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Adds the probabilities of the rare kind by each arm to `found`; returns which test beats are of it."""
    folder = arguments.out / f"block-{block}"
    data = sets.series_data(origin.data_section(TRAIN), TRAIN)
    changes = turned(data, block, arguments.blocks, folder)
    if arguments.train_steps:
        changes.append(f"trainer.steps={arguments.train_steps}")
    started = time.process_time()
    model = api.train(TRAIN, folder / "model", overrides=changes)
    overrides = [f"sampler.model={model}", f"sampler.guidance={arguments.guidance}"]
    out = folder / f"drawn-{arguments.guidance:g}"
    out = api.run(RECIPE, out, samples=arguments.samples, overrides=overrides, executor="local", workers=1).out
    minutes = (time.process_time() - started) / 60

    given = data.model_copy(
        update={
            "path": str(folder / "signal.parquet"),
            "events": data.events.model_copy(update={"path": str(folder / "annotations.parquet")}),  # type: ignore[union-attr]
            "test": 1 / arguments.blocks,
        }
    )
    recordings = reader.read(given)
    training, test = (reader.windows(recordings, given, part) for part in ("train", "test"))
    drawn, classes = sets.from_dataset(synthgen.load(out), str(out), training, TRAIN)
    low = np.nanmin(training.values, axis=(0, 1))
    width = np.nanmax(training.values, axis=(0, 1)) - low
    synthetic, real, held_out = (
        Set(((x - low) / width).astype(np.float32), y)
        for x, y in ((drawn.windows, drawn.labels), (training.values, training.labels), (test.values, test.labels))
    )
    rare = classes.index(RARE)
    is_rare = held_out.labels == rare
    print(f"\nblock {block}: {minutes:.1f} CPU minutes, {len(synthetic)} beats drawn")
    print(
        f"  training beats: {len(real)}, {(real.labels == rare).sum()} {RARE}; test: {len(held_out)}, {is_rare.sum()}"
    )
    for label, name in enumerate(classes):
        some = [one.windows[one.labels == label] for one in (synthetic, real, held_out)]
        print(f"  {name}: median distance to the nearest training beat, over that of test beats: {ratio(*some):.3f}")
    for arm in arms(synthetic, real, len(classes)):
        runs = []
        for seed in range(arguments.seeds):
            network = probe.train(arm.data.windows, arm.data.labels, len(classes), seed, Way(arguments.steps))
            runs.append(probe.probabilities(network, held_out.windows)[:, rare])
        each = [100 * average_precision_score(is_rare, run) for run in runs]
        spread = f"{min(each):.1f} to {max(each):.1f}"
        print(f"  {arm.name}: average precision of {RARE} {np.mean(each):.1f} % ({spread})", flush=True)
        found.setdefault(arm.name, []).append(np.mean(runs, axis=0))
    truth: np.ndarray = is_rare
    return truth


def ratio(drawn: np.ndarray, real: np.ndarray, test: np.ndarray) -> float:
    return float(np.median(nearest_distances(drawn, real)) / np.median(nearest_distances(test, real)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/beats", type=Path)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--guidance", type=float, default=1.0)
    parser.add_argument("--train-steps", type=int, help="of the generator; by default the recipe's")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="of the classifier")
    arguments = parser.parse_args()
    found: dict[str, list[np.ndarray]] = {}
    rare = np.concatenate([judge(block, arguments, found) for block in range(arguments.blocks)])
    pooled = {name: np.concatenate(scores) for name, scores in found.items()}
    print(f"\nall {len(rare)} beats, {rare.sum()} of them {RARE}, each judged without its block:")
    for name, facts in precision_intervals(pooled, rare).items():
        print(f"  {name}: {json.dumps(facts)}", flush=True)


if __name__ == "__main__":
    main()

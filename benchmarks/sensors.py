"""Are windows of a sensors' table like the real ones, and do their intervals hold? A model's recipe and its folder.

Takes the recipe of a model (`kind: model`, `trainer.use: series`, with `test` in its data) and the folder of the
trained model. Prints, for each channel, spread, atoms, repeats and distinct values of generated windows beside those of
the training windows; discriminative scores of the published evaluator and of a stronger one, beside those of halves of
the real windows; the ratio of distances to the nearest training window; and how many real values of the test part
lie in intervals of 50 and 90 % of filled gaps and of forecasts, with the mean absolute error beside simple rules.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402

from synthgen import api  # noqa: E402
from synthgen.measures.series import baselines, beyond, crps, values  # noqa: E402
from synthgen.measures.series.discriminative import STRONG_HIDDEN, discriminative_score  # noqa: E402
from synthgen.measures.series.metrics import halves  # noqa: E402
from synthgen.models import registry  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402
from synthgen.readers.series.reader import Windows  # noqa: E402
from synthgen.trainers.series.trainer import SeriesTrainer  # noqa: E402

BATCH = 64
LEVELS = (0.5, 0.9)


def generate(pipeline: Any, known: np.ndarray | None, windows: Windows, seed: int, steps: int = 20) -> np.ndarray:
    """(N, L, C) in units, around `known` or, if it is None, whole, with the times and covariates of `windows`."""
    found = []
    for start in range(0, len(windows), BATCH):
        part = windows.take(np.arange(start, min(start + BATCH, len(windows))))
        noise = torch.from_numpy(
            np.random.default_rng((seed, start)).standard_normal((len(part), *pipeline.noise_shape), dtype=np.float32)
        )
        covariates = part.covariates if part.covariate_names else None
        given = None if known is None else known[start : start + BATCH]
        made = pipeline([0] * len(part), given, part.times, covariates, latents=noise, num_inference_steps=steps)
        found.append(made.series)
    return np.concatenate(found)


def spread(pipeline: Any, training: Windows, n: int, season: int) -> tuple[np.ndarray, np.ndarray]:
    """Prints statistics of values, discriminative scores and the ratio of distances."""
    rng = np.random.default_rng(0)
    chosen = training.take(rng.permutation(len(training))[:n])
    drawn, real = generate(pipeline, None, chosen, 1), training.values
    found = values.measure(drawn, real, [channel.name for channel in training.channels], season)["channels"]
    for name, one in found.items():
        a, b = one["generated"], one["real"]
        print(
            f"{name:28} std {a['std'] / b['std']:.3f}  atoms {a['atoms']:.3f} {b['atoms']:.3f}  repeats "
            f"{a['repeats']:.3f} {b['repeats']:.3f}  distinct {a['distinct'] / b['distinct']:.2f}  roughness "
            f"{a['roughness'] / b['roughness']:.2f}  autocorrelation "
            f"{a['autocorrelation'] - b['autocorrelation']:+.3f}",
            flush=True,
        )
    return drawn, real


def scaled(by: np.ndarray, *windows: np.ndarray) -> list[np.ndarray]:
    """Windows whose channels run from 0 to 1 in `by`."""
    low, high = by.min((0, 1)), by.max((0, 1))
    return [((one - low) / (high - low)).astype(np.float32) for one in windows]


def judged(drawn: np.ndarray, real: np.ndarray, repeats: int) -> None:
    """Prints discriminative scores."""
    a, b = scaled(real, real, drawn)
    for name, hidden in (("discriminative", None), ("stronger evaluator", STRONG_HIDDEN)):
        own = [discriminative_score(*halves(a, s), s, hidden) for s in range(repeats)]
        ours = [discriminative_score(a, b, s, hidden) for s in range(repeats)]
        print(f"{name}: {np.round(ours, 4)} real against real {np.round(own, 4)}", flush=True)


def predictions(pipeline: Any, test: Windows, known: np.ndarray, rules: Mapping[str, np.ndarray], samples: int) -> None:
    """Prints how many real values are within intervals, and the errors of the median beside those of rules."""
    hidden = np.isnan(known)
    every = np.stack([generate(pipeline, known, test, 100 + s) for s in range(samples)])
    channels = [channel.name for channel in test.channels]
    held: dict[float, list[float]] = {level: [] for level in LEVELS}
    for c, name in enumerate(channels):
        part, truth, mask = every[..., c], test.values[..., c], hidden[..., c]
        inside = {level: crps.coverage(part, truth, mask, level) for level in LEVELS}
        for level in LEVELS:
            held[level].append(inside[level])
        ours = crps.median_error(part, truth, mask)
        others = {rule: crps.median_error(guess[None, ..., c], truth, mask) for rule, guess in rules.items()}
        best = min(others, key=lambda rule: others[rule])
        print(
            f"{name:28} {inside[0.5]:.3f} {inside[0.9]:.3f}  MAE {ours:.4g}, {best} {others[best]:.4g}"
            f"{'' if ours <= others[best] else '  WORSE'}",
            flush=True,
        )
    print("mean", *(f"{level:.0%}: {np.mean(held[level]):.3f}" for level in LEVELS), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("model", type=Path)
    parser.add_argument("--n", type=int, default=1500, help="generated windows")
    parser.add_argument("--samples", type=int, default=40, help="samples behind an interval")
    parser.add_argument("--repeats", type=int, default=3, help="evaluators")
    parser.add_argument("--season", type=int, default=24)
    parser.add_argument("--skip", nargs="*", default=[], choices=["judged", "gaps", "forecasts"])
    args = parser.parse_args()
    recipe = api.read_model(args.recipe)
    if recipe is None:
        parser.error(f"{args.recipe}: is no recipe of a model")
    trainer = SeriesTrainer(SeriesTrainer.Config.model_validate(recipe.trainer.settings))
    data = trainer.config.data
    recordings = reader.read(data)
    train, test = (reader.windows(recordings, data, split) for split in ("train", "test"))
    given = trainer._given(train, recordings)
    training, test = given.windows(train), given.windows(test)
    pipeline = registry.load_pipeline(args.model, "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    drawn, real = spread(pipeline, training, args.n, args.season)
    a, b, c = scaled(real, real, drawn, test.values)
    for name, held_out in (("training windows that share no step", None), ("windows of the test part", c)):
        ratio = beyond.nearest_neighbours(a, b, training.length, held_out=held_out)["ratio"]
        print(f"distance to the nearest training window, generated over {name}: {ratio:.3f}", flush=True)
    if "judged" not in args.skip:
        judged(drawn, real, args.repeats)
    test = test.take(np.arange(0, len(test), training.length // 2 if training.length > 48 else training.length))
    length, mean = training.length, np.asarray(real.mean((0, 1), dtype=np.float64))
    if "gaps" not in args.skip:
        print(f"gaps of {len(test)} windows")
        known, rng = test.values.astype(np.float64).copy(), np.random.default_rng(5)
        for row, c in np.ndindex(len(known), known.shape[2]):
            for _ in range(max(1, round(0.1 * length / 4.5))):
                n = int(rng.choice([3, 6]))
                start = int(rng.integers(1, length - n))
                known[row, start : start + n, c] = np.nan
        predictions(pipeline, test, known, baselines.gaps(known, test.times, args.season, mean), args.samples)
    if "forecasts" not in args.skip:
        print(f"forecasts of the last quarter of {len(test)} windows")
        known = test.values.astype(np.float64).copy()
        known[:, length - length // 4 :] = np.nan
        rules = baselines.forecasts(recordings, test.entities, test.starts, known, args.season, mean)
        predictions(pipeline, test, known, rules, args.samples)


if __name__ == "__main__":
    main()

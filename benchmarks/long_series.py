"""Do long series show where their windows meet, and do they drift? A model's recipe, and series of 2,000 steps of it.

Takes the recipe of a model (`kind: model`, `trainer.use: series`), trains it unless --model names its folder, and
draws series by continuation. Prints, for each channel: the spread of first and second differences across seams, inside
windows, in the real series, and where windows are merely joined, with the p-values of two-sample Kolmogorov-Smirnov
tests of one place a series; then mean, deviation and autocorrelation along the series, beside the real ones.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from common import pin_to_one_core

pin_to_one_core()

import torch  # noqa: E402
from scipy import stats  # noqa: E402

from synthgen import api  # noqa: E402
from synthgen import seeds as streams  # noqa: E402
from synthgen.measures.series import sets  # noqa: E402
from synthgen.models import folders, registry  # noqa: E402
from synthgen.models.series import continuation  # noqa: E402
from synthgen.readers import origin  # noqa: E402
from synthgen.readers.series import reader  # noqa: E402

N_SPANS = 8


def differences(values: np.ndarray, step: int) -> dict[str, np.ndarray]:
    """First and second differences over the border before a step, (series, channels) each."""
    first = values[:, step] - values[:, step - 1]
    return {"first": first, "second": first - (values[:, step - 1] - values[:, step - 2])}


def seams(drawn: np.ndarray, real: np.ndarray, windows: tuple[continuation.Window, ...], names: list[str]) -> None:
    """Differences at seams, and those in the middle of what the same windows drew."""
    length, places = windows[0].end, [window.new for window in windows[1:]]
    inside = [(window.new + window.end) // 2 for window in windows[1:]]
    joined = np.concatenate([drawn[:, :length], np.roll(drawn[:, :length], 1, axis=0)], axis=1)
    last = places[-1], inside[-1]
    print("\nspread of differences; p: one place a series, the last window's seam beside the others")
    for order in ("first", "second"):
        at, within = (np.stack([differences(drawn, s)[order] for s in steps]).std((0, 1)) for steps in (places, inside))
        of_real = np.diff(real, n=1 if order == "first" else 2, axis=0)
        apart = differences(joined, length)[order]
        for c, name in enumerate(names):
            one = differences(drawn, last[0])[order][:, c]
            p = [stats.ks_2samp(one, differences(drawn, last[1])[order][:, c]).pvalue]
            p += [stats.ks_2samp(one, of_real[:: max(1, len(of_real) // 1000), c]).pvalue]
            p += [stats.ks_2samp(apart[:, c], differences(joined, length // 2)[order][:, c]).pvalue]
            print(
                f"{name} {order:6}  seams {at[c]:.4g}  inside {within[c]:.4g} (p {p[0]:.2g})  real "
                f"{np.nanstd(of_real[:, c]):.4g} (p {p[1]:.2g})  merely joined {apart[:, c].std():.4g} (p {p[2]:.2g})"
            )


def correlation(values: np.ndarray, lag: int) -> np.ndarray:
    """Autocorrelation (C,) of series (N, L, C) around the mean and by the spread of all of them."""
    rest = values - np.nanmean(values, axis=(0, 1))
    return np.nanmean(rest[:, lag:] * rest[:, :-lag], axis=(0, 1)) / np.nanmean(rest**2, axis=(0, 1))  # type: ignore[no-any-return]


def along(drawn: np.ndarray, real: np.ndarray, names: list[str], lags: list[int]) -> None:
    """Mean, deviation and autocorrelation in spans of the series, and of the real one."""
    spans = np.array_split(drawn, N_SPANS, axis=1)
    for c, name in enumerate(names):
        print(f"\n{name:16} mean       deviation  " + "  ".join(f"lag {lag:4}" for lag in lags))
        start = 0
        for span in [*spans, real[None]]:
            numbers = [np.nanmean(span[..., c]), np.nanstd(span[..., c])]
            lagged = "  ".join(f"{correlation(span, lag)[c]:8.3f}" for lag in lags)
            place = "real" if span is not spans[0] and span.shape[0] == 1 else f"steps from {start}"
            print(f"{place:16} {numbers[0]:<10.4g} {numbers[1]:<10.4g} {lagged}")
            start += span.shape[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", help="recipe of the model: its `data` are the real series")
    parser.add_argument("--model", help="folder of the trained model; trained into runs/long-series if left out")
    parser.add_argument("--length", type=int, default=2000)
    parser.add_argument("--overlap", type=float, default=0.5, help="share of the model's window")
    parser.add_argument("--n", type=int, default=32, help="series")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps a window")
    parser.add_argument("--label", type=int, default=0, help="class id")
    parser.add_argument("--lags", type=int, nargs="*", default=[1, 8, 48])
    parser.add_argument("--save", type=Path, help="an .npy file for what was drawn")
    arguments = parser.parse_args()
    folder = arguments.model or api.train(arguments.recipe, Path("runs/long-series") / Path(arguments.recipe).stem)
    pipeline = registry.load_pipeline(folders.resolve(str(folder)), "cpu", torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    trained = int(pipeline.config.length)
    overlap = round(arguments.overlap * trained)
    windows = continuation.windows(arguments.length, trained, overlap)
    own = [streams.seed_of(0, "long-series", i) for i in range(arguments.n)]
    started = time.process_time()
    drawn = continuation.draw(
        pipeline,
        [arguments.label] * arguments.n,
        own,
        arguments.length,
        overlap,
        {},
        num_inference_steps=arguments.steps,
    ).series
    seconds = time.process_time() - started
    print(
        f"{arguments.n} series of {arguments.length} steps from a model of {trained}, {len(windows)} windows with an "
    )
    print(f"overlap of {overlap}: {seconds:.1f} CPU s")
    if arguments.save:
        np.save(arguments.save, drawn)
    real = reader.read(sets.series_data(origin.data_section(arguments.recipe), arguments.recipe)).items[0].values
    seams(drawn, real, windows, list(pipeline.config.channels))
    along(drawn, real, list(pipeline.config.channels), arguments.lags)


if __name__ == "__main__":
    main()

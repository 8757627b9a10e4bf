"""Does generated data help to forecast? Forecasters trained on real windows, generated ones and both, on real tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from synthgen.base.units import plural
from synthgen.measures.series import baselines, recurrent, ridge
from synthgen.measures.series.season import Season, find_season, naive_errors, training_parts
from synthgen.measures.series.windows import aligned, moments, some, stream, torch_seed, whole
from synthgen.measures.settings import Spread
from synthgen.readers.series.reader import Recordings, SeriesData, Windows

STEPS, BATCH_SIZE, HIDDEN, LEARNING_RATE = 300, 64, 32, 5e-3
MOST_SEEN = 128
"""Steps that forecasters read at most, so that long windows stay cheap."""
MOST_WINDOWS, MOST_TEST = 8192, 2048
LEAST = 20
"""Windows of a set that a forecaster is trained or tested on, at least."""
SEEN = "a model of all real training windows generated; beside a tenth, it brings what it saw of the others"
SHARE = 10
"""One part in so many of the real windows is the small real set."""


class Forecaster(nn.Module):
    """Windows (B, T, C) to H steps after them, (B, H, C): the last value, and changes by a GRU and by a linear map.

    The linear map of the T steps of a channel, the same for all channels, spares the GRU to learn by heart what
    happened a season before: in few training steps it cannot.
    """

    def __init__(self, channels: int, n_seen: int, horizon: int) -> None:
        super().__init__()
        self.horizon = horizon
        self.gru = nn.GRU(2 * channels, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, horizon * channels)
        self.linear = nn.Linear(n_seen, horizon)

    def forward(self, x_btc: torch.Tensor) -> torch.Tensor:
        last = x_btc[:, -1:]
        changes = x_btc - last
        states, _ = self.gru(torch.cat([x_btc, changes], dim=2))
        by_gru = self.out(states[:, -1]).unflatten(1, (self.horizon, -1))
        found: torch.Tensor = last + by_gru + self.linear(changes.transpose(1, 2)).transpose(1, 2)
        return found


def by_gru(train: np.ndarray, test: np.ndarray, horizon: int, seed: int, steps: int) -> np.ndarray:
    """Forecasts (M, H, C) of the end of `test` by a GRU trained on `train` (N, L, C), both standardised."""
    data, random = recurrent.to_device(train, "cpu"), stream(seed, "forecaster")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "forecaster"))
        network = Forecaster(data.shape[2], data.shape[1] - horizon, horizon)

    def loss() -> torch.Tensor:
        rows = recurrent.batch(data, BATCH_SIZE, random)
        error: torch.Tensor = (network(rows[:, :-horizon]) - rows[:, -horizon:]).abs().mean()
        return error

    recurrent.fit(network, loss, steps, LEARNING_RATE)
    found: np.ndarray = recurrent.logits(network, recurrent.to_device(test[:, :-horizon], "cpu")).numpy()
    return found


def by_ridge(train: np.ndarray, held_out: np.ndarray, test: np.ndarray, horizon: int) -> np.ndarray:
    """Forecasts likewise by ridge regression; `held_out` real windows choose its penalty."""
    return ridge.fit(train, held_out, horizon).forecast(test)


def usefulness(
    generated: np.ndarray,
    training: Windows,
    held_out: Windows | None,
    test: Windows,
    recordings: Recordings,
    data: SeriesData,
    horizon: int | None,
    n_seeds: int,
    effort: float,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """MAE and MASE of forecasts of the last `horizon` steps of real test windows, as JSON values.

    The same two forecasters are trained on all real training windows, on a tenth of them (neighbours in time, others
    for every seed), on the generated ones, and on these with either. MAE is in standard deviations of a channel in the
    real training windows, MASE is divided by the seasonal naive error of the training part; both are means over
    channels. Windows with missing values take no part.

    Args:
        generated: (M, L, C), in the order of the real channels and in their units.
        held_out: real windows that choose the penalty of ridge regression; None takes each set's last fifth.
        horizon: None is a quarter of a window.
    """
    length = training.length
    horizon = horizon or max(1, length // 4)
    seen = min(length - horizon, MOST_SEEN)
    real_test, real = whole(test, MOST_TEST), whole(training, MOST_WINDOWS).values
    chosen = None if held_out is None else whole(held_out, MOST_TEST).values
    generated = some(generated[~np.isnan(generated).any((1, 2))], MOST_WINDOWS, stream(0, "some"))
    if min(len(real) // SHARE, len(generated), len(real_test)) < LEAST:
        return {
            "left_out": f"it needs {LEAST * SHARE} real training windows, {LEAST} real test windows and {LEAST} "
            f"generated ones without missing values (got {len(real)}, {len(real_test)} and {len(generated)})"
        }
    parts = training_parts(recordings, data)
    season = find_season(parts, training.median_step, training.time_unit, bool(recordings.items[0].start))
    mean, deviation = moments(real)
    scale = naive_errors(parts, season.steps) / deviation
    scored = scale > 0

    def standard(values: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = ((values[:, -horizon - seen :] - mean) / deviation).astype(np.float32)
        return scaled

    real, generated, truth = standard(real), standard(generated), standard(real_test.values)
    chosen = None if chosen is None or len(chosen) < LEAST else standard(chosen)

    def errors(forecast: np.ndarray) -> tuple[float, float]:
        each = np.abs(forecast - truth[:, -horizon:]).mean((0, 1), dtype=np.float64)
        return float(each[scored].mean()), float((each[scored] / scale[scored]).mean())

    steps = max(1, round(effort * STEPS))
    kept: dict[str, dict[str, list[tuple[float, float]]]] = {}
    n_train: dict[str, int] = {}
    for seed in range(n_seeds):
        n = len(real) // SHARE
        start = int(stream(seed, "tenth").integers(len(real) - n + 1))
        tenth = real[start : start + n]
        arms = {
            "real": real,
            "a tenth of real": tenth,
            "generated": generated,
            "generated and real": np.concatenate([generated, real]),
            "generated and a tenth of real": np.concatenate([generated, tenth]),
        }
        for name, rows in arms.items():
            n_train[name] = len(rows)
            fitted, held = (rows, chosen) if chosen is not None else _last_fifth(rows)
            row = kept.setdefault(name, {"ridge": [], "gru": []})
            if not seed or "tenth" in name:  # without chance, but for the choice of the tenth
                row["ridge"].append(errors(by_ridge(fitted, held, truth, horizon)))
            row["gru"].append(errors(by_gru(rows, truth, horizon, seed, steps)))
            say(f"seed {seed}: forecasters trained on {len(rows)} {name}: MASE of a GRU {row['gru'][-1][1]:.3f}")
    known = real_test.values.astype(np.float64)
    known[:, -horizon:] = np.nan
    points = baselines.forecasts(recordings, real_test.entities, real_test.starts, known, season.steps, mean)
    simple = {name: errors(standard(values)[:, -horizon:]) for name, values in points.items()}
    return {
        "horizon": horizon,
        "seen": seen,
        "n_test": len(real_test),
        "seeds": n_seeds,
        "gru_steps": steps,
        "season": season.steps,
        "season_is": season.source,
        "simple": {name: {"mae": mae, "mase": mase} for name, (mae, mase) in simple.items()},
        "trained_on": {
            name: {"windows": n_train[name]}
            | {
                f"{kind}_{metric}": _spread([value[i] for value in values])
                for kind, values in row.items()
                for i, metric in enumerate(("mae", "mase"))
            }
            for name, row in kept.items()
        },
    }


def _last_fifth(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cut = len(windows) * 4 // 5
    return windows[:cut], windows[cut:]


def _spread(values: list[float]) -> dict[str, Any]:
    spread = Spread(tuple(values))
    return {"mean": spread.mean, "deviation": spread.deviation if len(values) > 1 else None, "values": values}


def text(found: Mapping[str, Any]) -> str:
    """What `usefulness` found, as a table."""
    if "left_out" in found:
        return f"forecasters: left out; {found['left_out']}"
    head = (
        f"forecasts of the last {found['horizon']} steps from {found['seen']} before them, on "
        f"{plural(found['n_test'], 'real test window')}, {plural(found['seeds'], 'seed')}, "
        f"{found['gru_steps']} steps of the GRU (MAE in standard deviations); "
        f"{Season(found['season'], found['season_is'])}:"
    )
    rows = [["trained on", "windows", "ridge MASE", "ridge MAE", "GRU MASE", "GRU MAE"]]
    for name, row in found["trained_on"].items():
        cells = [_shown(row[key]) for key in ("ridge_mase", "ridge_mae", "gru_mase", "gru_mae")]
        rows.append([name, f"{row['windows']:,}", *cells])
    simple = [["not trained", "MASE", "MAE"]]
    simple += [[name, f"{row['mase']:.3f}", f"{row['mae']:.3f}"] for name, row in found["simple"].items()]
    said = [_gain(found["trained_on"], kind) for kind in ("ridge", "gru")]
    return "\n".join([head, *aligned(rows), *aligned(simple), *said, SEEN])


def _gain(rows: Mapping[str, Any], kind: str) -> str:
    """What generated windows change, beside real ones, in a sentence."""

    def change(real: str) -> str:
        before, after = (rows[name][f"{kind}_mase"]["mean"] for name in (real, f"generated and {real}"))
        return f"{100 * (after / before - 1):+.1f} %"

    name = {"ridge": "ridge regression", "gru": "a GRU"}[kind]
    return (
        f"with generated windows added, the MASE of {name} changes by {change('real')} (all real windows) and "
        f"{change('a tenth of real')} (a tenth)"
    )


def _shown(value: Mapping[str, Any]) -> str:
    spread = f" +- {value['deviation']:.3f}" if len(value["values"]) > 1 else ""
    return f"{value['mean']:.3f}{spread}"

"""Generated forecasts and filled gaps against the real values, beside simple baselines on the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from synthgen.base.units import plural
from synthgen.measures.series import baselines, crps, ridge
from synthgen.measures.series.hidden import Hidden, covariates_of, in_training, pair
from synthgen.measures.series.season import Season, find_season, naive_errors, training_parts
from synthgen.measures.series.windows import aligned, moments, whole
from synthgen.readers.series.reader import Recordings, SeriesData, Windows

GENERATED, RIDGE = "generated", "ridge regression"
MOST_WINDOWS = 8192
"""Training windows that ridge regression is fitted to at most."""
LEAST_WINDOWS = 20
MOST_ROWS = 8
"""Rows of the table by horizon."""


def measure(
    samples: Sequence[Mapping[str, Any]],
    field: str,
    recordings: Recordings,
    data: SeriesData,
    training: Windows,
    held_out: Windows | None,
) -> dict[str, Any]:
    """Errors of what was generated and of all baselines on the same cells, as JSON values.

    Baselines take means, seasons and regressions from the training part of `data`. Errors in units are compared
    between channels by dividing them by the training part's seasonal naive error (MASE).
    """
    hidden = pair(samples, field, recordings)
    if isinstance(hidden, str):
        return {"left_out": hidden}
    names = [channel.name for channel in training.channels]
    parts = training_parts(recordings, data)
    season = find_season(parts, training.median_step, training.time_unit, bool(recordings.items[0].start))
    mean = np.nan_to_num(np.nanmean(np.concatenate(parts), axis=0, dtype=np.float64))
    context, notes = hidden.context, []
    if context is None:
        points = baselines.gaps(hidden.known, hidden.times, season.steps, mean)
    else:
        places = recordings, hidden.owners, hidden.starts
        points = baselines.forecasts(*places, hidden.known, season.steps, mean)
        regressed = forecast_by_ridge(hidden, context, recordings, training, held_out)
        if regressed is None:
            notes.append(
                f"{RIDGE}: left out; it needs {LEAST_WINDOWS} real training windows without missing values in the "
                "steps that are forecast"
            )
        else:
            points[RIDGE] = regressed
    if season.steps > 1 and baselines.SEASONAL not in points:
        notes.append(f"{baselines.SEASONAL}: left out; windows of {training.length} steps do not hold {season}")
    every = {GENERATED: hidden.samples} | {name: values[None] for name, values in points.items()}
    by_channel = {
        name: scores(every, hidden, np.s_[..., c : c + 1])
        for c, name in enumerate(names)
        if hidden.scored[..., c].any()
    }
    scale = {name: _positive(error) for name, error in zip(names, naive_errors(parts, season.steps), strict=True)}
    found = {
        "task": "gaps" if context is None else "forecasts",
        "windows": len(hidden.known),
        "windows_of_training": in_training(hidden, recordings, data),
        "samples_of_each": len(hidden.samples),
        "cells": int(hidden.scored.sum()),
        "season": season.steps,
        "season_is": season.source,
        **({} if context is None else {"context": context, "horizon": hidden.known.shape[1] - context}),
        "calibrated": {f"in_{level}": crps.calibrated_coverage(len(hidden.samples), level / 100) for level in (50, 90)},
        **({"notes": notes} if notes else {}),
    }
    found |= summary(every, by_channel, scale)
    found["verdict"] = verdict(found)
    if context is not None:
        found["mase_by_step"] = by_step(every, hidden, context, names, scale)
    return found


def forecast_by_ridge(
    hidden: Hidden, context: int, recordings: Recordings, training: Windows, held_out: Windows | None
) -> np.ndarray | None:
    """What ridge regression of the real training windows forecasts, (N, L, C); None if there are too few of them.

    Its penalty is chosen on held-out windows or, if there are none, on the last fifth of the training windows.
    """
    if held_out is None:
        held_out = training.take(np.arange(len(training) * 4 // 5, len(training)))
        training = training.take(training.first + training.length <= held_out.first[:1])  # they share no step
    fitted, chosen = (whole(one, MOST_WINDOWS, context) for one in (training, held_out))
    if len(fitted) < LEAST_WINDOWS or not len(chosen):
        return None
    mean, deviation = moments(fitted.values)
    a, b, ours = ((values - mean) / deviation for values in (fitted.values, chosen.values, hidden.known))
    beside = our_beside = None
    if training.covariate_names:
        k_mean, k_deviation = moments(fitted.covariates)
        all_three = fitted.covariates, chosen.covariates, covariates_of(hidden, recordings)
        k_a, k_b, our_beside = ((values - k_mean) / k_deviation for values in all_three)
        beside = k_a, k_b
    model = ridge.fit(a, b, training.length - context, beside)
    found = np.full(hidden.known.shape, np.nan)
    found[:, context:] = model.forecast(ours, our_beside) * deviation + mean
    return found


def scores(every: Mapping[str, np.ndarray], hidden: Hidden, cells: tuple[Any, ...]) -> dict[str, dict[str, float]]:
    """Mean absolute error and CRPS, in units, of the scored ones of some `cells`, by the name of who predicts; with
    several samples also the share of real values within central intervals of 50 and 90 %."""
    target, mask = hidden.truth[cells], hidden.scored[cells]
    found = {}
    for name, drawn in every.items():
        part = drawn[(slice(None), *cells)]
        values = {"mae": crps.median_error(part, target, mask), "crps": crps.mean_crps(part, target, mask)}
        if len(drawn) > 1:
            values |= {f"in_{level}": crps.coverage(part, target, mask, level / 100) for level in (50, 90)}
        found[name] = values
    return found


def summary(
    every: Mapping[str, Any], by_channel: Mapping[str, Mapping[str, Any]], scale: Mapping[str, float | None]
) -> dict[str, Any]:
    """`overall`, means over channels; `mae_by_channel`; and which baseline is better than what was generated, where."""
    scaled = [name for name in by_channel if scale[name]]
    overall: dict[str, dict[str, float | None]] = {name: {} for name in every}
    for name, row in overall.items():
        for key, metric in (("mase", "mae"), ("scaled_crps", "crps")):
            row[key] = _mean([by_channel[c][name][metric] / (scale[c] or 1) for c in scaled])
        for metric in ("in_50", "in_90"):
            row[metric] = _mean([found[name][metric] for found in by_channel.values() if metric in found[name]])
        row["best_in"] = sum(min(found, key=lambda one: found[one]["mae"]) == name for found in by_channel.values())
    winners = {}
    for channel, found in by_channel.items():
        best = min((one for one in found if one != GENERATED), key=lambda one: found[one]["mae"])
        if found[best]["mae"] < found[GENERATED]["mae"]:
            winners[channel] = best
    return {
        "overall": overall,
        "channels": len(by_channel),
        "baseline_is_better": winners,
        "mae_by_channel": {
            channel: {name: found[name]["mae"] for name in every}
            | {key: value for key, value in found[GENERATED].items() if key != "mae"}
            | {"scale": scale[channel]}
            for channel, found in by_channel.items()
        },
    }


def by_step(
    every: Mapping[str, np.ndarray],
    hidden: Hidden,
    context: int,
    names: Sequence[str],
    scale: Mapping[str, float | None],
) -> dict[str, dict[str, float | None]]:
    """MASE of each by how many steps ahead, `1` or `3-5`, and the coverage of what was generated."""
    horizon = hidden.known.shape[1] - context
    size, found = -(-horizon // MOST_ROWS), {}
    for low in range(0, horizon, size):
        high = min(low + size, horizon)
        steps = slice(context + low, context + high)
        each = [
            (scores(every, hidden, np.s_[:, steps, c : c + 1]), scale[name])
            for c, name in enumerate(names)
            if hidden.scored[:, steps, c].any()
        ]
        row: dict[str, float | None] = {
            name: _mean([one[name]["mae"] / unit for one, unit in each if unit]) for name in every
        }
        for metric in ("in_50", "in_90"):
            if len(hidden.samples) > 1:
                row[metric] = _mean([one[GENERATED][metric] for one, _ in each])
        found[f"{low + 1}" if high - low == 1 else f"{low + 1}-{high}"] = row
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _positive(value: float) -> float | None:
    return float(value) if value > 0 else None


def text(found: Mapping[str, Any]) -> str:
    """What `measure` found, as tables."""
    if "left_out" in found:
        return f"errors on real values: left out; {found['left_out']}"
    one = found["samples_of_each"] == 1
    what = f"forecasts of {found['horizon']} steps from {found['context']}" if "horizon" in found else "filled gaps"
    lines = [
        f"{what} against {found['cells']:,} real values of {plural(found['windows'], 'window')}, "
        f"{'one sample' if one else str(found['samples_of_each']) + ' samples'} of each; "
        + str(Season(found["season"], found["season_is"]))
    ]
    if found["windows_of_training"]:
        lines.append(
            f"{found['windows_of_training']:,} of these windows lie in the training part: a model that was trained on "
            "it has seen their values"
        )
    head = ["", "MASE", "scaled CRPS", *([] if one else ["in 50 %", "in 90 %"]), "best in channels"]
    rows = []
    for name, row in found["overall"].items():
        shares = [] if one else [_share(row[key]) for key in ("in_50", "in_90")]
        rows.append([name, _number(row["mase"]), _number(row["scaled_crps"]), *shares, str(row["best_in"])])
    if not one:
        shares = [_share(found["calibrated"][key]) for key in ("in_50", "in_90")]
        rows.append([f"(calibrated, {found['samples_of_each']} samples)", "", "", *shares, ""])
    lines += aligned([head, *rows])
    if one:
        lines.append(
            "one sample of each window has no intervals, and its error is higher than that of a median; set `repeats`, "
            "such as 20"
        )
    lines += [*found.get("notes", ()), found["verdict"]]
    lines += ["mean absolute error by channel, in its units:", *aligned(_table(found["mae_by_channel"], "channel"))]
    if "mase_by_step" in found:
        lines += ["MASE by steps ahead:", *aligned(_table(found["mase_by_step"], "step"))]
    return "\n".join(lines)


def verdict(found: Mapping[str, Any]) -> str:
    """Where a simple baseline has a smaller error than what was generated, in a sentence."""
    won, n = found["baseline_is_better"], found["channels"]
    if not won:
        where = "its one channel" if n == 1 else f"all {n} channels"
        return f"what was generated has smaller errors than every baseline in {where}"
    named = ", ".join(f"{channel} ({name})" for channel, name in won.items())
    return f"a baseline has smaller errors than what was generated in {len(won)} of {n} channels: {named}"


def _table(rows: Mapping[str, Mapping[str, Any]], title: str) -> list[list[str]]:
    columns = list(next(iter(rows.values())))
    shown = {key: (_share if key in ("in_50", "in_90") else _number) for key in columns}
    head = [title, *(key.replace("in_50", "in 50 %").replace("in_90", "in 90 %") for key in columns)]
    return [head, *([name, *(shown[key](row[key]) for key in columns)] for name, row in rows.items())]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"

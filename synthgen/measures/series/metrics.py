"""All metrics on synthetic windows, with their spread, beside what real windows score: as values and as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from synthgen.base.units import plural
from synthgen.measures.series import beyond, discriminative, predictive
from synthgen.measures.series.context_fid import context_fid
from synthgen.measures.series.correlational import correlational_score
from synthgen.measures.series.discriminative import STRONG_HIDDEN, discriminative_score
from synthgen.measures.series.predictive import predictive_score
from synthgen.measures.series.windows import check, some, stream

Metric = Callable[[np.ndarray, np.ndarray, int], float]


@dataclass(frozen=True, slots=True)
class Effort:
    """Iterations of what is trained; the defaults are the published protocol, anything less is not comparable to it."""

    discriminative: int = discriminative.ITERATIONS
    predictive: int = predictive.ITERATIONS
    ts2vec: int | None = None


PROTOCOL = ("discriminative", "context_fid", "correlational", "predictive")
BEYOND = ("discriminative_strong", "marginal_ks", "autocorrelation", "spectrum_db")
ONCE = ("marginal_ks", "autocorrelation", "spectrum_db")
"""Metrics without chance: they are computed once, not for every repeat."""

OF_HALVES = ("context_fid", *ONCE)
"""Metrics on which a set against itself scores 0; real windows are measured on a random half against the other."""

ROWS = {
    "synthetic": "synthetic",
    "real": "real/real",
    "held_out": "synthetic/held-out",
    "real_held_out": "real/held-out",
}


def evaluate(
    real: np.ndarray,
    synthetic: np.ndarray,
    held_out: np.ndarray | None = None,
    *,
    repeats: int = 5,
    seed: int = 0,
    exclude: int | None = None,
    effort: Effort | None = None,
    real_rows: bool = True,
    device: str = "cpu",
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Every metric as JSON values: `rows` of metrics, each with `mean`, `interval` and `values`, and `nearest`.

    `interval` is the half width of a 95 % t-interval over the repeats (None for one value). The rows are:

    - `synthetic`: real against synthetic windows; of these, a random part if there are more than real ones.
    - `real`: what real windows score. Discriminative, predictive and correlational scores take the real
      windows twice, so that the number of windows and the floor are those of the row above; the other
      metrics, on which that is 0, take a random half against the other half (for Context-FID, whose
      bias grows as windows get fewer, that is an upper bound of the floor).
    - with `held_out`, `held_out`: held-out in the place of real windows, against the synthetic ones; and
      `real_held_out`: the same against the real ones, which is what a perfect generator would score.

    `floor` in a row is the discriminative score of a perfect generator at its number of windows.

    Args:
        real: float32, (N, L, C), scaled to [0, 1], in the order of time: what the generator was trained on.
        synthetic: (M, L, C), in the same units.
        held_out: (K, L, C), real windows that the generator has not seen, in the same units.
        seed: repeat i uses seed + i.
        exclude: see `beyond.nearest_neighbours`; None is L, for windows of stride 1, or half of N if that is less.
        effort: less than the published iterations, for tests.
        real_rows: false leaves the rows `real` and `real_held_out` out; they do not depend on the generator.
        say: called after every metric with what it found and the CPU seconds it took.

    Raises:
        DataError: the windows cannot be compared.
    """
    check(real, synthetic)
    effort = effort or Effort()
    table = all_metrics(effort, device)
    pairs = {"synthetic": (real, synthetic), "real": (real, real)}
    if held_out is not None:
        check(held_out, real)
        pairs |= {"held_out": (held_out, synthetic), "real_held_out": (held_out, real)}
    if not real_rows:
        pairs = {name: pair for name, pair in pairs.items() if not name.startswith("real")}
    rows = {
        name: row(table, a, some(b, len(a), stream(seed, "report")), range(seed, seed + repeats), name, say)
        for name, (a, b) in pairs.items()
    }
    return {
        "n_real": len(real),
        "n_synthetic": len(synthetic),
        "n_held_out": None if held_out is None else len(held_out),
        "length": real.shape[1],
        "channels": real.shape[2],
        "repeats": repeats,
        "seed": seed,
        "effort": asdict(effort),
        "rows": rows,
        "nearest": beyond.nearest_neighbours(
            real, synthetic, exclude or min(real.shape[1], len(real) // 2), held_out=held_out
        ),
    }


def all_metrics(effort: Effort, device: str) -> dict[str, Metric]:
    """Every metric as a function of two sets of windows and a seed, which those of `ONCE` do not use."""

    def classifier(hidden: int | None) -> Metric:
        return lambda a, b, seed: discriminative_score(a, b, seed, hidden, effort.discriminative, device)

    return {
        "discriminative": classifier(None),
        "context_fid": lambda a, b, seed: context_fid(a, b, seed, effort.ts2vec, device),
        "correlational": correlational_score,
        "predictive": lambda a, b, seed: predictive_score(a, b, seed, effort.predictive, device),
        "discriminative_strong": classifier(STRONG_HIDDEN),
        "marginal_ks": lambda a, b, seed: float(beyond.marginal_ks(a, b).mean()),
        "autocorrelation": lambda a, b, seed: beyond.autocorrelation_difference(a, b),
        "spectrum_db": lambda a, b, seed: beyond.spectrum_difference_db(a, b),
    }


def row(
    table: dict[str, Metric],
    a: np.ndarray,
    b: np.ndarray,
    seeds: Sequence[int],
    name: str,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """All metrics of `a` against `b`; if they are the same array, of its halves where `OF_HALVES` says so."""
    n_test = discriminative.n_test(len(a), len(b))
    found: dict[str, Any] = {"n_test": n_test, "floor": discriminative.floor(n_test)}
    for metric, measure in table.items():
        split = a is b and metric in OF_HALVES
        start = time.process_time()
        values = [
            measure(*(halves(a, seed) if split else (a, b)), seed)
            for seed in (seeds[:1] if metric in ONCE and not split else seeds)
        ]
        found[metric] = spread(values)
        seconds = (time.process_time() - start) / len(values)
        say(f"{name}, {metric}: {shown(found[metric])}, {seconds:.1f} CPU s a repeat")
    return found


def halves(windows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random half of the windows and the other half, of equal size, each in order."""
    order = stream(seed, "halves").permutation(len(windows))
    n = len(windows) // 2
    return windows[np.sort(order[:n])], windows[np.sort(order[n : 2 * n])]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, half width of the 95 % t-interval of the mean (None for one value), and the values."""
    interval = None
    if len(values) > 1:
        interval = float(stats.sem(values) * stats.t.ppf(0.975, len(values) - 1))
    return {"mean": float(np.mean(values)), "interval": interval, "values": [float(value) for value in values]}


def shown(found: dict[str, Any]) -> str:
    """`mean +- interval` in four decimals."""
    interval = found["interval"]
    return f"{found['mean']:.4f}" + ("" if interval is None else f" +- {interval:.4f}")


def text(report: dict[str, Any]) -> str:
    """The report of `evaluate` as a table, a line for each metric; lower is better everywhere but in `ratio`."""
    rows = report["rows"]
    lines = [["", *(ROWS[name] for name in rows)]]
    for title, names in (("published protocol", PROTOCOL), ("beyond the protocol", BEYOND)):
        lines.append([title, *([""] * len(rows))])
        for name in names:
            lines.append([f"  {name}", *(shown(found[name]) for found in rows.values())])
            if name == "discriminative":
                lines.append(["    its floor", *(f"{found['floor']:.4f}" for found in rows.values())])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    distances = ", ".join(
        f"{name} {'-' if value is None else format(value, '.4f')}" for name, value in report["nearest"].items()
    )
    head = (
        f"{report['n_synthetic']} synthetic and {plural(report['n_real'], 'real window')} of {report['length']} steps "
        f"and {plural(report['channels'], 'channel')}; mean +- 95 % t-interval over "
        + plural(report["repeats"], "repeat")
    )
    return "\n".join([head, *table, f"nearest real window (medians): {distances}"])

"""How useful a dataset of series is: the same classifier trained on it, on real windows and on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from synthgen.base.units import plural
from synthgen.measures.series import metrics, probe
from synthgen.measures.series.sets import Set


def measure(
    synthetic: Set,
    real: Set,
    test: Set,
    classes: tuple[str, ...],
    n_seeds: int,
    steps: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Balanced accuracy, and average precision of the rarest real class, of the same probe on each set, in percent."""
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    counts = np.bincount(real.labels, minlength=len(classes))
    rare = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
    both = Set(np.concatenate([synthetic.windows, real.windows]), np.concatenate([synthetic.labels, real.labels]))
    arms = {"synthetic": synthetic, "real": real, "both": both}
    values: dict[str, dict[str, list[float]]] = {name: {"accuracy": [], "precision": []} for name in arms}
    for seed in range(n_seeds):
        for name, some in arms.items():
            model = probe.train(some.windows, some.labels, len(classes), seed, steps)
            shares = probe.probabilities(model, test.windows)
            accuracy = balanced_accuracy_score(test.labels, shares.argmax(1))
            precision = average_precision_score(test.labels == rare, shares[:, rare])
            values[name]["accuracy"].append(100 * float(accuracy))
            values[name]["precision"].append(100 * float(precision))
            say(
                f"seed {seed}: trained on {len(some)} {name}: balanced accuracy {100 * accuracy:.1f} %, average "
                f"precision of {classes[rare]} {100 * precision:.1f} %"
            )
    n_test = {name: int((test.labels == i).sum()) for i, name in enumerate(classes)}
    scores = {
        name: {key: metrics.spread(some) for key, some in found.items()} | {"n": len(arms[name])}
        for name, found in values.items()
    }
    return {"rare": classes[rare], "n_test": n_test, "scores": scores}


def text(found: Mapping[str, Any]) -> str:
    """What was found, with `usefulness` in it, as lines for a terminal."""
    useful = found["usefulness"]
    tested = ", ".join(f"{n} {name}" for name, n in useful["n_test"].items())
    lines = [
        f"on {plural(found['n_test'], 'real test window')} ({tested}), {plural(found['seeds'], 'seed')}, "
        f"{plural(found['steps'], 'step')}:"
    ]
    for name, scores in useful["scores"].items():
        right, precision = _percent(scores["accuracy"]), _percent(scores["precision"])
        lines.append(
            f"  trained on {scores['n']:>6} {name:<9} balanced accuracy {right}, average precision of "
            f"{useful['rare']} {precision}"
        )
    return "\n".join(lines)


def _percent(values: dict[str, Any]) -> str:
    deviation = np.std(values["values"], ddof=1) if len(values["values"]) > 1 else 0.0
    return f"{values['mean']:.1f} +- {deviation:.1f} %"

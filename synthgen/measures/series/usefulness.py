"""How useful a dataset of series is: the same classifier trained on it, on real windows and on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn

from synthgen.base.units import plural
from synthgen.measures.series import metrics, probe
from synthgen.measures.series.sets import Set
from synthgen.measures.settings import Way, chosen_text, gain, how


def measure(
    synthetic: Set,
    real: Set,
    test: Set,
    classes: tuple[str, ...],
    n_seeds: int,
    ways: Sequence[Way],
    say: Callable[[str], None],
    validation: Set | None = None,
) -> dict[str, Any]:
    """Balanced accuracy, and average precision of the rarest real class, of the same probe on each set, in percent.

    Of several ways of training, each probe has the one with the best balanced accuracy on `validation`, real windows
    that are not trained on.
    """
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    counts = np.bincount(real.labels, minlength=len(classes))
    rare = int(np.argmin(np.where(counts > 0, counts, counts.max() + 1)))
    arms = {"synthetic": synthetic, "real": real, "both": synthetic.join(real)}
    chosen = {name: list[str]() for name in arms}
    values: dict[str, dict[str, list[float]]] = {name: {"accuracy": [], "precision": []} for name in arms}
    for seed in range(n_seeds):
        for name, some in arms.items():
            model, way = best(some, len(classes), seed, ways, validation)
            chosen[name].append(str(way))
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
    found = {"rare": classes[rare], "n_test": n_test, "scores": scores}
    return found if validation is None else {**found, "n_validation": len(validation), "chosen": chosen}


def best(some: Set, n_classes: int, seed: int, ways: Sequence[Way], validation: Set | None) -> tuple[nn.Module, Way]:
    """The probe that is best on `validation` of those trained in each way; without validation, the first."""
    from sklearn.metrics import balanced_accuracy_score

    models = [probe.train(some.windows, some.labels, n_classes, seed, way, some.weights) for way in ways]
    place = 0
    if validation is not None:
        seen = [probe.probabilities(model, validation.windows).argmax(1) for model in models]
        place = int(np.argmax([balanced_accuracy_score(validation.labels, each) for each in seen]))
    return models[place], ways[place]


def text(found: Mapping[str, Any]) -> str:
    """What was found, with `usefulness` in it, as lines for a terminal."""
    useful = {"steps": found["steps"], **found["usefulness"]}
    tested = ", ".join(f"{n} {name}" for name, n in useful["n_test"].items())
    lines = [
        f"on {plural(found['n_test'], 'real test window')} ({tested}), {plural(found['seeds'], 'seed')}, "
        f"{chosen_text(useful, 'windows')}:"
    ]
    for name, scores in useful["scores"].items():
        right, precision = _percent(scores["accuracy"]), _percent(scores["precision"])
        lines.append(
            f"  trained on {scores['n']:>6} {name:<9} balanced accuracy {right}, average precision of "
            f"{useful['rare']} {precision}{how(useful, name)}"
        )
    both, real = (useful["scores"][name]["accuracy"]["values"] for name in ("both", "real"))
    lines.append(f"  balanced accuracy of both less real: {gain(both, real)}")
    return "\n".join(lines)


def _percent(values: dict[str, Any]) -> str:
    deviation = np.std(values["values"], ddof=1) if len(values["values"]) > 1 else 0.0
    return f"{values['mean']:.1f} +- {deviation:.1f} %"

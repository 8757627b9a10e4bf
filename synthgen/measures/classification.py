"""Is a labelled image dataset any good? Train on it and test on real images; then look at features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.measures import features, probe
from synthgen.measures.probe import Budget

N_FEATURES = 10_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images uint8 (N, H, W, C) with class ids int64 (N,)."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, n: int, seed: int) -> Labelled:
        """At most `n` samples, the same share of every class as here."""
        if n >= len(self):
            return self
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(self))
        rank = np.empty(len(self))
        for cls in np.unique(self.labels):
            rows = order[self.labels[order] == cls]
            rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        picked = np.sort(np.argsort(rank, kind="stable")[:n])
        return Labelled(self.images[picked], self.labels[picked])

    def join(self, other: Labelled) -> Labelled:
        return Labelled(np.concatenate([self.images, other.images]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True, slots=True)
class Spread:
    """A number measured with several seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 for one value."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} +- {100 * self.deviation:.2f} %"


def usefulness(
    synthetic: Labelled,
    real: Labelled,
    test: Labelled,
    n_classes: int,
    seeds: Sequence[int],
    budget: Budget,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Accuracy on `test` of the same probe trained on synthetic, real, and both, under one budget.

    As many real images are used as there are synthetic ones (or all of them, if there are
    fewer); "both" is their union under the same number of steps. No choice is made on `test`.
    """
    accuracies: dict[str, list[float]] = {"synthetic": [], "real": [], "both": []}
    for seed in seeds:
        some = real.subset(len(synthetic), seed)
        for name, data in (("synthetic", synthetic), ("real", some), ("both", synthetic.join(some))):
            model = probe.train(data.images, data.labels, n_classes, seed, budget)
            accuracy = float((probe.predict(model, test.images) == test.labels).mean())
            accuracies[name].append(accuracy)
            say(f"seed {seed}: trained on {len(data)} {name} images: {100 * accuracy:.2f} % on {len(test)} real ones")
    return {name: Spread(tuple(values)) for name, values in accuracies.items()}


def in_features(judge: Any, synthetic: Labelled, real: Labelled, test: Labelled) -> dict[str, float]:
    """Measures in the feature space of `judge`, an ImageClassifier that made no decision about the data.

    `agreement` is the share of labels that the judge shares; `agreement_test` the same on real
    test images, its ceiling. `fd` is the Frechet distance from the real training images and
    `fd_floor` that of the test images; `coverage` and `coverage_test` likewise; `nearest_ratio`
    is the median distance of a synthetic image to its nearest training image, over that of a
    test image (well under 1 means copying).
    """
    n = min(N_FEATURES, len(synthetic), len(test))
    some, held_out, reference = synthetic.subset(n, 0), test.subset(n, 0), real.subset(N_FEATURES, 0)
    f_synthetic, f_test, f_real = (judge.features(data.images) for data in (some, held_out, reference))
    to_train, _ = features.nearest_distances(f_synthetic, f_real)
    test_to_train, _ = features.nearest_distances(f_test, f_real)
    return {
        "agreement": float((judge.predict_proba(synthetic.images).argmax(1) == synthetic.labels).mean()),
        "agreement_test": float((judge.predict_proba(test.images).argmax(1) == test.labels).mean()),
        "fd": features.frechet_distance(f_synthetic, f_real),
        "fd_floor": features.frechet_distance(f_test, f_real),
        "coverage": features.coverage(f_real, f_synthetic),
        "coverage_test": features.coverage(f_real, f_test),
        "nearest_ratio": float(np.median(to_train) / np.median(test_to_train)),
    }

"""Linear heads on features: from a few labelled ones alone, and refined on many without labels.

Shapes: N labelled features, M without labels, F numbers in each, K classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse strengths of the regularisation, of which cross-validation chooses one."""

FOLDS = 5
COMPONENTS = 256
"""Principal components that a head is refined in."""

ROUNDS = 6
KEPT = (0.3, 0.1)
"""Share of the features without labels that the first round learns from, and how much more each later one."""

WEIGHT = 20
"""How much a labelled feature counts beside one without a label."""

REFINED_STRENGTH = 0.01


@dataclass(frozen=True, slots=True)
class Head:
    """Weights (K, F) and biases (K,) for features less `mean` (F,), over `deviation` (F,)."""

    mean: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Logits (N, K) of features (N, F)."""
        found: np.ndarray = ((features - self.mean) / self.deviation) @ self.weights.T + self.bias
        return found


def from_labelled(features: np.ndarray, labels: np.ndarray, strength: float) -> Head:
    """Logistic regression on standardised features.

    Args:
        features: (N, F); labels: class ids (N,), each of 0 to K - 1 at least once.
        strength: inverse strength of its regularisation.
    """
    mean, deviation = features.mean(0, dtype=np.float64), _deviation(features)
    return Head(mean, deviation, *_regression((features - mean) / deviation, labels, strength))


class Components:
    """Heads in the principal components of many features, each divided by the root of its deviation.

    Args:
        more: features that are like those to come (M, F), with labels or without.
    """

    def __init__(self, more: np.ndarray) -> None:
        from sklearn.decomposition import PCA
        from threadpoolctl import threadpool_limits

        self.mean, self.deviation = more.mean(0, dtype=np.float64), _deviation(more)
        n = min(COMPONENTS, len(more) - 1, more.shape[1])
        with threadpool_limits(1):
            found = PCA(n, svd_solver="randomized", random_state=0).fit((more - self.mean) / self.deviation)
        self.axes = found.components_ / np.maximum(found.explained_variance_, 1e-12)[:, None] ** 0.25

    def head(self, features: np.ndarray, labels: np.ndarray, strength: float) -> Head:
        """From labelled features (N, F); arguments as of `from_labelled`."""
        weights, bias = _regression(self.placed(features), labels, strength)
        return Head(self.mean, self.deviation, weights @ self.axes, bias)

    def placed(self, features: np.ndarray) -> np.ndarray:
        """Features (N, F) in these components, (N, components)."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            found: np.ndarray = ((features - self.mean) / self.deviation) @ self.axes.T
        return found


class Refined(Components):
    """Heads that features without labels have refined: self-training in rounds, classes kept as frequent as they are.

    In each round the head names the features without labels, so that classes are as frequent among them as among the
    labelled ones; the next head learns from the surest names and from the labels.

    Args:
        more: features without labels (M, F).

    Source: Lee 2013, "Pseudo-label"; Asano et al. 2020, "Self-labelling via simultaneous clustering and representation
    learning", for names of given frequencies by optimal transport.
    """

    def __init__(self, more: np.ndarray) -> None:
        super().__init__(more)
        self.more = self.placed(more)

    def head(self, features: np.ndarray, labels: np.ndarray, strength: float) -> Head:
        from scipy.special import softmax

        known = self.placed(features)
        shares = np.bincount(labels) / len(labels)
        weights, bias = _regression(known, labels, strength)
        for i in range(ROUNDS):
            names = balanced(softmax(self.more @ weights.T + bias, axis=1), shares)
            n = max(1, round((KEPT[0] + KEPT[1] * i) * len(names)))
            surest = np.argsort(-names.max(1), kind="stable")[:n]
            x = np.concatenate([known, self.more[surest]])
            y = np.concatenate([labels, names[surest].argmax(1)])
            counts = np.concatenate([np.full(len(known), WEIGHT), np.ones(n)])
            weights, bias = _regression(x, y, REFINED_STRENGTH, counts, 200)
        return Head(self.mean, self.deviation, weights @ self.axes, bias)


def balanced(probabilities: np.ndarray, shares: np.ndarray, rounds: int = 30) -> np.ndarray:
    """Probabilities (M, K), changed so that each class has its share (K,) of all: Sinkhorn's iteration."""
    found = probabilities.astype(np.float64)
    for _ in range(rounds):
        found = found * (shares / np.maximum(found.mean(0), 1e-300))
        found = found / np.maximum(found.sum(1, keepdims=True), 1e-300)
    return found


def in_cross_validation(
    features: np.ndarray,
    labels: np.ndarray,
    seed: int,
    fit: Callable[[np.ndarray, np.ndarray], Head],
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Logits (N, K) of each feature by a head that has not seen it.

    Args:
        groups: (N,), numbers of parts that are held out as a whole; each class must be in two of them.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    state = seed % 2**32
    if groups is None:
        folds = StratifiedKFold(min(FOLDS, int(np.bincount(labels).min())), shuffle=True, random_state=state)
    else:
        least = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
        folds = StratifiedGroupKFold(min(FOLDS, least), shuffle=True, random_state=state)
    found = np.full((len(labels), int(labels.max()) + 1), np.nan)
    for training, unseen in folds.split(features, labels, groups):
        known, y = np.unique(labels[training], return_inverse=True)
        if len(known) > 1:
            found[np.ix_(unseen, known)] = fit(features[training], y).logits(features[unseen])
    unlikely = np.nanmin(found) - 1  # of a class that a fold has not seen
    return np.where(np.isnan(found), unlikely, found)


def chosen_strength(
    features: np.ndarray,
    labels: np.ndarray,
    seed: int,
    groups: np.ndarray | None = None,
    fit: Callable[[np.ndarray, np.ndarray, float], Head] = from_labelled,
) -> tuple[float, np.ndarray]:
    """The inverse strength whose heads make unseen labels likeliest in cross-validation, and their logits (N, K)."""
    found = {}
    for strength in STRENGTHS:

        def with_strength(x: np.ndarray, y: np.ndarray, strength: float = strength) -> Head:
            return fit(x, y, strength)

        found[strength] = in_cross_validation(features, labels, seed, with_strength, groups)
    best = min(found, key=lambda strength: loss_of(found[strength], labels))
    return best, found[best]


def loss_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy of logits (N, K)."""
    from scipy.special import log_softmax

    return -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())


def calibrated(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The temperature of logits (N, K) that suits labels, and the probabilities at it."""
    import torch
    from scipy.special import softmax

    from synthgen.trainers.images.classifier import fit_temperature

    temperature = fit_temperature(torch.from_numpy(logits), labels)
    return temperature, softmax(logits / temperature, axis=1)


def network(head: Head) -> Any:
    """The head as a network."""
    import torch

    from synthgen.models.images.feature_classifier import FeatureHead

    made: Any = FeatureHead(head.weights.shape[1], len(head.bias))
    with torch.no_grad():
        made.mean.copy_(torch.from_numpy(head.mean))
        made.deviation.copy_(torch.from_numpy(head.deviation))
        made.linear.weight.copy_(torch.from_numpy(head.weights))
        made.linear.bias.copy_(torch.from_numpy(head.bias))
    return made.eval()


def _deviation(features: np.ndarray) -> np.ndarray:
    deviation = features.std(0, dtype=np.float64)
    return np.where(deviation > 0, deviation, 1.0)


def _regression(
    x: np.ndarray, labels: np.ndarray, strength: float, counts: np.ndarray | None = None, most: int = 1000
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, F) and biases (K,) of logistic regression, by one thread: so they are the same on every machine."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found = LogisticRegression(C=strength, max_iter=most).fit(x, labels, counts)
    return _both(found.coef_, found.intercept_)


def _both(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, F) and biases (K,); of two classes scikit-learn has one row, for the second one."""
    if len(weights) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2

"""Linear heads on features, alone and refined on features without labels."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.trainers import feature_heads as heads


def clouds(n: int, seed: int, shares: tuple[float, ...] = (0.5, 0.5)) -> tuple[np.ndarray, np.ndarray]:
    """Two long clouds of 40 numbers that lie side by side: few points of each say little about where the gap is."""
    random = np.random.default_rng(seed)
    labels = random.choice(2, n, p=shares)
    x = random.normal(0, 0.3, (n, 40))
    x[:, 0] = np.where(labels == 1, 1.0, -1.0) + random.normal(0, 0.4, n)
    x[:, 1] = random.normal(0, 1.5, n)
    return x @ np.linalg.qr(np.random.default_rng(9).normal(size=(40, 40)))[0], labels


def few(seed: int, n_each: int = 2) -> tuple[np.ndarray, np.ndarray]:
    x, labels = clouds(200, seed)
    rows = np.concatenate([np.flatnonzero(labels == label)[:n_each] for label in range(2)])
    return x[rows], labels[rows]


def right(head: heads.Head) -> float:
    x, labels = clouds(2000, 77)
    return float((head.logits(x).argmax(1) == labels).mean())


def test_features_without_labels_move_the_border_to_the_gap() -> None:
    refined = heads.Refined(clouds(1500, 5)[0])
    alone, both = [], []
    for seed in range(6):
        x, labels = few(seed)
        alone.append(right(heads.from_labelled(x, labels, 1.0)))
        both.append(right(refined.head(x, labels, 1.0)))
    assert np.mean(both) > np.mean(alone) + 0.05
    assert np.mean(both) > 0.85


def test_names_have_the_shares_of_the_labelled_classes() -> None:
    random = np.random.default_rng(0)
    given = random.dirichlet([1, 1, 1], 500)
    shares = np.array([0.6, 0.3, 0.1])
    found = heads.balanced(given, shares)
    assert found.mean(0) == pytest.approx(shares, abs=0.01)
    assert found.sum(1) == pytest.approx(1)
    order = np.argsort(given[:, 0] / given[:, 1])
    ratio = (found[:, 0] / found[:, 1])[order]
    assert (np.diff(ratio) >= -1e-9).all(), "who is more of a class than another one stays so"


def test_two_classes_are_two_rows_and_logits_are_of_features_as_they_are() -> None:
    x, labels = few(0, 20)
    head = heads.from_labelled(10 + 5 * x, labels, 0.1)
    assert head.weights.shape == (2, 40) and head.bias.shape == (2,)
    assert (head.logits(10 + 5 * x).argmax(1) == labels).mean() > 0.9
    assert np.allclose(head.logits(x[:1]).sum(), 0), "one row is the other with the sign turned"


def test_cross_validation_does_not_see_what_it_judges() -> None:
    random = np.random.default_rng(1)
    x, labels = random.normal(size=(200, 50)), np.arange(200) % 2
    strength, unseen = heads.chosen_strength(x, labels, 0)
    assert strength in heads.STRENGTHS
    assert 0.35 < (unseen.argmax(1) == labels).mean() < 0.65, "there is nothing to be learned"


def test_refining_is_repeatable() -> None:
    x, labels = few(1)
    one, two = (heads.Refined(clouds(300, 5)[0]).head(x, labels, 0.1) for _ in range(2))
    assert np.array_equal(one.weights, two.weights)

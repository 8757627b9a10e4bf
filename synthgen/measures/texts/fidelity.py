"""Likeness to real texts: in features of their words, and to a classifier that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from synthgen.measures.settings import Spread
from synthgen.measures.texts.corpus import Corpus
from synthgen.measures.texts.linear import TextClassifier, Vectorizer, can_learn, parts_of

MOST = 2_000
MIN = 40
N_DIMENSIONS = 50
NEIGHBOURS = 5


def in_features(synthetic: Corpus, real: Corpus, test: Corpus) -> dict[str, Any] | str:
    """Precision, recall, density, coverage and Frechet distance against real test texts; or why there are none.

    Features are TF-IDF of words and parts of words in `N_DIMENSIONS` directions of a truncated singular value
    decomposition (latent semantic analysis), both fitted on the real training texts. As many synthetic as real
    training texts are compared with as many test texts, `MOST` at most; what the real ones reach is the floor.

    Source: Deerwester et al. 1990, "Indexing by latent semantic analysis".
    """
    from sklearn.decomposition import TruncatedSVD

    from synthgen.measures import features

    n = min(len(synthetic), len(real), len(test), MOST)
    if n < MIN:
        return _too_few(synthetic, real, test)
    sets = [corpus.sample(n, 0).whole for corpus in (synthetic, real, test)]
    fitted_on = real.sample(MOST, 1).whole
    if not can_learn(fitted_on):
        return "all real texts are blank"
    vectors = Vectorizer(fitted_on)
    known = vectors(fitted_on)
    n_dimensions = min(N_DIMENSIONS, min(known.shape) - 1, n // 2)
    reduce = TruncatedSVD(n_dimensions, random_state=0).fit(known)
    ours, theirs, held_out = (reduce.transform(vectors(texts)).astype(np.float64) for texts in sets)
    return {
        name: {"n": n, **features.manifold(held_out, some, NEIGHBOURS), "frechet": distance(some, held_out)}
        for name, some in (("synthetic", ours), ("real", theirs))
    }


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of features; rounding does not make it negative."""
    from synthgen.measures import features

    return max(features.frechet_distance(a, b), 0.0)


def discriminative(synthetic: Corpus, real: Corpus, test: Corpus, seeds: int) -> dict[str, Any] | str:
    """|accuracy - 0.5|, 0 to 0.5, of a classifier of parts of words that tells texts from real test texts.

    It is trained on half of the texts and tested on the other half; 0 means that it cannot tell them apart. `real`
    is what it reaches on real training texts, of which there are as many: the floor.

    Source: Yoon et al. 2019, "Time-series generative adversarial networks", section 5 (as discriminative score).
    """
    n = min(len(synthetic), len(real), len(test), MOST)
    if n < MIN:
        return _too_few(synthetic, real, test)
    found: dict[str, Any] = {}
    for name, corpus in (("synthetic", synthetic), ("real", real)):
        scores = [_over_chance(corpus.sample(n, seed).whole, test.sample(n, seed).whole, seed) for seed in range(seeds)]
        spread = Spread(tuple(scores))
        values = {"mean": spread.mean, "deviation": spread.deviation, "values": scores}
        found[name] = {"n": n, "score": values}
    return found


def _over_chance(ours: Sequence[str], theirs: Sequence[str], seed: int) -> float:
    """|accuracy - 0.5| on halves that were not trained on."""
    order = np.random.default_rng(seed).permutation(len(ours))
    half = len(ours) // 2

    def part(rows: np.ndarray) -> tuple[list[str], list[str]]:
        texts = [texts[i] for texts in (ours, theirs) for i in rows]
        return texts, ["synthetic"] * len(rows) + ["real"] * len(rows)

    training, labels = part(order[:half])
    held_out, truth = part(order[half:])
    if not can_learn(training):
        return 0.0
    right = TextClassifier(training, labels, seed, parts_of).predict(held_out) == np.array(truth)
    return float(abs(right.mean() - 0.5))


def _too_few(synthetic: Corpus, real: Corpus, test: Corpus) -> str:
    return (
        f"needs {MIN} texts of each; there are {len(synthetic):,} synthetic, {len(real):,} real and {len(test):,} "
        "for tests"
    )

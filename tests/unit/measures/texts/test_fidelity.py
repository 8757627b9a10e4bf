"""Likeness: real texts reach the floor, other texts do not."""

from __future__ import annotations

import numpy as np

from synthgen.measures import features
from synthgen.measures.texts import fidelity
from synthgen.measures.texts.corpus import Corpus

RNG = np.random.default_rng(0)
NOUNS = ("house", "garden", "river", "bridge", "market", "station", "school", "tower")
VERBS = ("stands", "burns", "closes", "opens", "shines", "waits")


def real(n: int, seed: int) -> Corpus:
    rng = np.random.default_rng(seed)
    texts = [f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} near the {rng.choice(NOUNS)}" for _ in range(n)]
    return Corpus("passages", {"text": tuple(texts)})


def test_precision_and_recall_of_clouds() -> None:
    """Two far clusters, of which one is generated, and something that is in neither."""
    held_out = np.concatenate([RNG.normal(0, 1, (200, 3)), RNG.normal(60, 1, (200, 3))])
    one = RNG.normal(0, 1, (200, 3))
    found = features.manifold(held_out, np.concatenate([one, RNG.normal(-500, 1, (200, 3))]))
    assert 0.4 < found["precision"] <= 0.5 and 0.4 < found["recall"] <= 0.5 and found["coverage"] < 0.55
    same = features.manifold(held_out, held_out + 1e-6)
    assert same["precision"] == same["recall"] == same["coverage"] == 1
    assert features.manifold(held_out, held_out + 1e4)["density"] == 0


def test_real_texts_reach_the_floor_and_others_do_not() -> None:
    found = fidelity.in_features(real(300, 0), real(300, 1), real(300, 2))
    assert isinstance(found, dict)
    alike, floor = found["synthetic"], found["real"]
    assert abs(alike["recall"] - floor["recall"]) < 0.1 and alike["frechet"] < 3 * floor["frechet"] + 0.01
    odd = Corpus("passages", {"text": tuple(f"zzz {i} qqq" for i in range(300))})
    far = fidelity.in_features(odd, real(300, 1), real(300, 2))
    assert isinstance(far, dict)
    assert far["synthetic"]["coverage"] < 0.2 < far["real"]["coverage"]
    assert far["synthetic"]["frechet"] > 5 * far["real"]["frechet"]


def test_a_classifier_knows_strangers_and_not_real_texts() -> None:
    odd = Corpus("passages", {"text": tuple(f"a boat number {i} sails" for i in range(200))})
    found = fidelity.discriminative(odd, real(200, 1), real(200, 2), 2)
    assert isinstance(found, dict)
    assert found["synthetic"]["score"]["mean"] == 0.5 and len(found["synthetic"]["score"]["values"]) == 2
    assert found["real"]["score"]["mean"] < 0.15


def test_too_few_texts_are_said_in_words() -> None:
    for found in (
        fidelity.in_features(real(10, 0), real(300, 1), real(300, 2)),
        fidelity.discriminative(real(10, 0), real(300, 1), real(300, 2), 1),
    ):
        assert found == "needs 40 texts of each; there are 10 synthetic, 300 real and 300 for tests"

"""Linear classifiers of texts: TF-IDF of words and of parts of words, and logistic regression."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from synthgen.measures.texts.words import ngrams, tokens_of

N_COLUMNS = 2**18
"""Names of features are hashed into so many columns, of which those that training lacks are left out."""

ALPHA = 1e-5
UPDATES, FEWEST, MOST = 10_000, 5, 50
"""Epochs are as many as make so many updates, within these bounds."""

Counts = tuple[np.ndarray, np.ndarray]
"""Columns, int64 ascending, and how often each is there, float32."""


def hashed(names: Iterable[str]) -> Counts:
    """Features by their names, the same on every machine."""
    columns = [zlib.crc32(name.encode("utf-8", "surrogatepass")) % N_COLUMNS for name in names]
    found, n = np.unique(np.array(columns, dtype=np.int64), return_counts=True)
    return found, n.astype(np.float32)


@lru_cache(maxsize=30_000)
def parts_of(text: str) -> Counts:
    """Runs of 2 to 4 characters within each token."""
    framed = [f" {token} " for token in tokens_of(text)]
    return hashed(one[i : i + n] for one in framed for n in (2, 3, 4) for i in range(len(one) - n + 1))


@lru_cache(maxsize=30_000)
def words_in(text: str) -> Counts:
    """Tokens and pairs of tokens."""
    found = tokens_of(text)
    return hashed([*(f"1 {token}" for token in found), *(f"2 {a} {b}" for a, b in ngrams(found, 2))])


@lru_cache(maxsize=30_000)
def words_and_parts_of(text: str) -> Counts:
    """Tokens, pairs of tokens, and runs of 2 to 4 characters within each."""
    columns, n = words_in(text)
    more, n_more = parts_of(text)
    return np.concatenate([columns, more + N_COLUMNS]), np.concatenate([n, n_more])


def matrix(rows: Sequence[Counts]) -> Any:
    """Counts as a sparse matrix float32 (N, 2 `N_COLUMNS`)."""
    from scipy import sparse

    ends = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *(columns for columns, _ in rows)])
    values = np.concatenate([np.zeros(0, dtype=np.float32), *(n for _, n in rows)])
    return sparse.csr_matrix((values, columns, ends), shape=(len(rows), 2 * N_COLUMNS))


class Vectorizer:
    """TF-IDF of texts by what `of` finds in them; fitted on the texts with which it is made.

    Rows have length 1 or, where a text has nothing of these, 0.

    Source: Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval" (logarithm of counts).
    """

    def __init__(self, texts: Sequence[str], of: Callable[[str], Counts] = words_and_parts_of) -> None:
        from sklearn.feature_extraction.text import TfidfTransformer

        self._of = of
        counts = matrix([of(text) for text in texts])
        self._columns = seen(counts)
        self._weights = TfidfTransformer(sublinear_tf=True).fit(counts[:, self._columns])

    def __call__(self, texts: Sequence[str]) -> Any:
        """Sparse (N, D)."""
        return self._weights.transform(matrix([self._of(text) for text in texts])[:, self._columns])


def seen(counts: Any) -> np.ndarray:
    """The columns that two rows or more have; if there are none, those that any has."""
    n = np.bincount(counts.indices, minlength=counts.shape[1])
    found = np.flatnonzero(n > 1)
    return found if len(found) else np.flatnonzero(n > 0)


def can_learn(texts: Sequence[str]) -> bool:
    """Whether any text has a token."""
    return any(tokens_of(text) for text in texts)


def logistic(features: Any, labels: Sequence[Any], seed: int) -> Any:
    """Logistic regression of features (N, D), one class against the rest, trained by stochastic gradient descent.

    `seed` sets the order of the samples. With labels of one class alone, that class is predicted for everything.

    Source: Bottou 2010, "Large-scale machine learning with stochastic gradient descent".
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import SGDClassifier

    if len(set(labels)) < 2:
        return DummyClassifier(strategy="most_frequent").fit(features, labels)
    epochs = int(np.clip(-(-UPDATES // len(labels)), FEWEST, MOST))
    model = SGDClassifier(loss="log_loss", alpha=ALPHA, max_iter=epochs, tol=None, random_state=seed)
    return model.fit(features, labels)


class TextClassifier:
    """Predicts the class of a text from its words; fitted when it is made.

    Args:
        texts: one or more, of which one at least has a token.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        seed: int,
        of: Callable[[str], Counts] = words_and_parts_of,
    ) -> None:
        self._features = Vectorizer(texts, of)
        self._model = logistic(self._features(texts), labels, seed)

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The class of each of N texts, (N,)."""
        return np.asarray(self._model.predict(self._features(texts)))

"""Text classifiers: logistic regression on words and runs of characters, weighted by how rare they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from synthgen.language.words import normalised, words
from synthgen.models.finite import finite

WORDS, CHARACTERS = (1, 2), (2, 4)
"""Lengths of n-grams: shortest and longest."""


class TextClassifier(ModelMixin, ConfigMixin):
    """Classifies texts by their n-grams of words and, within words, of characters.

    Args:
        id2label: class names by id.
        words, characters: the n-grams that are features, in the order of the weights, words first.
        temperature: logits are divided by it; fitted on validation data.

    Source: Salton and Buckley 1988, "Term-weighting approaches in automatic text retrieval" (tf-idf).
    """

    @register_to_config
    def __init__(
        self, id2label: dict[str, str], words: Sequence[str], characters: Sequence[str], temperature: float = 1.0
    ) -> None:
        super().__init__()
        n = len(words) + len(characters)
        self.head = nn.Linear(n, len(id2label))
        self.register_buffer("idf", torch.ones(n))

    @property
    def classes(self) -> list[str]:
        """Class names in id order."""
        labels: Mapping[Any, str] = self.config.id2label
        return [name for _, name in sorted((int(i), name) for i, name in labels.items())]

    @cached_property
    def _counters(self) -> list[Any]:
        return counters(list(self.config.words), list(self.config.characters))

    def features(self, texts: Sequence[str]) -> Any:
        """A sparse matrix, float64 (N, n_features): 1 + ln(count) times idf, rows of length 1 or all 0."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        known = [counter for counter in self._counters if counter.vocabulary]
        found = hstack([counter.transform(texts) for counter in known]).tocsr().astype(np.float64)
        found.data = 1 + np.log(found.data)
        return normalize(found.multiply(self.idf.cpu().numpy().astype(np.float64)).tocsr())

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits, float64 (N, n_classes), before the temperature; each text's depend on nothing but the text."""
        weights = self.head.weight.detach().cpu().numpy().astype(np.float64)
        bias = self.head.bias.detach().cpu().numpy().astype(np.float64)
        return np.asarray(self.features(texts) @ weights.T + bias)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Class probabilities, float64 (N, n_classes)."""
        if not texts:
            return np.empty((0, len(self.classes)))
        scaled = torch.from_numpy(self.logits(texts) / float(self.config.temperature))
        return finite(scaled.softmax(1), "class probabilities").numpy()


def counters(words_known: Sequence[str] | None = None, characters_known: Sequence[str] | None = None) -> list[Any]:
    """Counters of n-grams of words and of characters, CountVectorizers of scikit-learn; without n-grams, to be fitted.

    Characters are counted within words, with a blank at both ends.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    plain = {"preprocessor": normalised, "lowercase": False, "dtype": np.float64}
    return [
        CountVectorizer(tokenizer=words, token_pattern=None, ngram_range=WORDS, vocabulary=words_known, **plain),
        CountVectorizer(analyzer="char_wb", ngram_range=CHARACTERS, vocabulary=characters_known, **plain),
    ]

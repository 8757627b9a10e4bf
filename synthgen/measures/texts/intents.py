"""Which class a text has: the intent of an utterance, the relation that a question asks for."""

from __future__ import annotations

from synthgen.measures.texts.corpus import Corpus
from synthgen.measures.texts.linear import TextClassifier


def train_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """Accuracy and macro F1, in percent, of a linear classifier of words and parts of words.

    F1 is the mean over the classes of the test records, 0 for one that is never predicted.
    """
    from sklearn.metrics import f1_score

    assert training.labels is not None and test.labels is not None
    predicted = TextClassifier(training.whole, training.labels, seed).predict(test.whole)
    right = [a == b for a, b in zip(predicted, test.labels, strict=True)]
    f1 = f1_score(list(test.labels), list(predicted), labels=sorted(set(test.labels)), average="macro", zero_division=0)
    return {"accuracy": 100 * sum(right) / len(right), "macro_f1": 100 * float(f1)}

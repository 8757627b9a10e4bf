"""`use: text-classifier`: trains a classifier of texts, by which generated texts are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from synthgen.base.settings import Settings
from synthgen.base.units import plural
from synthgen.errors import DataError
from synthgen.models.text.classifier import TextClassifier, counters
from synthgen.parts.problem import Problem
from synthgen.parts.protocols import Source
from synthgen.readers.data_facts import DataFacts
from synthgen.readers.texts import reader
from synthgen.readers.texts.records import Texts
from synthgen.readers.texts.types import SPLITS, TextData
from synthgen.trainers.images.classifier import fit_temperature
from synthgen.training import output
from synthgen.training.real_scores import RealScores

TEXT = "text"


class TextClassifierTrainer:
    """Trains logistic regression on n-grams of words and characters; ends with a TextClassifier folder and its card.

    It takes seconds for some thousand texts in a few classes, a minute or two for ten thousand in 77, and starts at
    the beginning each time.
    """

    version: ClassVar[int] = 1
    sources: Sequence[Source] = ()

    class Config(Settings):
        """Settings of `use: text-classifier`."""

        data: TextData = Field(description="Real texts with classes.")
        words: int = Field(default=10_000, ge=1, description="Words and pairs of words that are looked at, at most.")
        characters: int = Field(default=15_000, ge=1, description="Runs of 2 to 4 characters that are, at most.")
        inverse_regularization: float = Field(
            default=3.0,
            gt=0,
            description="`C` of scikit-learn: a larger one fits the training texts more closely.",
        )
        least_texts: int = Field(
            default=1, ge=1, description="Training texts of a class at least; texts of rarer classes are left out."
        )

    def __init__(self, config: Config) -> None:
        self.config = config

    def identity(self) -> Mapping[str, Any]:
        return self.config.model_dump(mode="json")

    def check(self) -> Sequence[Problem]:
        """Everything in the data that `train` would stumble over."""
        try:
            self._training()
        except DataError as error:
            return [Problem(message, place=("data", "texts")) for message in error.messages]
        return []

    def data_facts(self) -> DataFacts:
        """How the texts are read and divided, in words."""
        texts, left_out = self._texts()
        return replace(texts.facts, notes=(*texts.facts.notes, *left_out))

    def sketch(self, out: Path) -> None:
        """Writes a model of the right classes that has learned nothing."""
        names = self._names(self._texts()[0])
        TextClassifier(names, ["a"], ["a"]).save_pretrained(out)

    def train(self, out: Path, seed: int, *, device: str = "auto", quiet: bool = False) -> Path:
        """Trains and returns `out`. The same texts give the same model; `seed` and `device` do not matter.

        Raises:
            DataError: the texts have no classes, or all are of one.
        """
        (texts, _), training = self._texts(), self._training()
        assert training.labels is not None
        network = self._fitted(training.texts[TEXT], training.labels, self._names(texts))
        held_out = _held_out(texts)
        scores: dict[str, float] = {}
        real = None
        if held_out is not None:
            network, scores, likely = _calibrated(network, held_out)
            found = [{"class_probability": float(p)} for p in likely]
            real = RealScores.measured("held-out real texts", found, ("class_probability",))
        settings = {
            "parameters": sum(p.numel() for p in network.parameters()),
            "n-grams of words": len(network.config.words),
            "n-grams of characters": len(network.config.characters),
            "inverse_regularization": self.config.inverse_regularization,
        }
        use = (
            f"Classifies texts into {len(texts.classes)} classes. "
            "In a recipe: `scorers: [{use: text-class, model: <this folder>}]`."
        )
        card = output.text_classifier_card(
            output.Result(out.name, settings, scores, use, real=real), self.config.data, texts
        )
        return output.finish(out, network.save_pretrained, card)

    @staticmethod
    def _names(texts: Texts) -> dict[str, str]:
        return {str(i): name for i, name in enumerate(texts.classes)}

    def _training(self) -> Texts:
        """The training texts. Raises DataError if they cannot be used."""
        return self._texts()[0].take("train")

    def _texts(self) -> tuple[Texts, list[str]]:
        """The texts of classes with enough of them, and a note on the others. DataError if they cannot be used."""
        data, least = self.config.data, self.config.least_texts
        texts = reader.read(data)
        if texts.labels is None or TEXT not in texts.texts:
            raise DataError(
                f"{data.texts}: holds {texts.kind} without classes; a classifier needs texts with a column `label`"
            )
        counts = np.bincount(texts.labels[texts.splits == SPLITS.index("train")], minlength=len(texts.classes))
        enough = np.flatnonzero(counts >= least)
        if len(enough) < 2:
            names = ", ".join(texts.classes[i] for i in enough) or "none"
            raise DataError(
                f"{data.texts}: a classifier needs texts of two classes or more; with "
                f"{plural(least, 'training text')} or more there is {names}"
            )
        if len(enough) == len(texts.classes):
            return texts, []
        new = np.full(len(texts.classes), -1)
        new[enough] = np.arange(len(enough))
        known = new[texts.labels] >= 0
        kept = texts.rows(np.flatnonzero(known))
        kept = replace(kept, labels=new[kept.labels], classes=tuple(texts.classes[i] for i in enough))
        rare = [name for name, n in zip(texts.classes, counts.tolist(), strict=True) if n < least]
        named = ", ".join(rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
        return kept, [
            f"left out: {plural(len(texts) - len(kept), 'text')} of {plural(len(rare), 'class', 'classes')} with fewer "
            f"than {least} in training: {named}"
        ]

    def _fitted(self, texts: Sequence[str], labels: np.ndarray, names: dict[str, str]) -> TextClassifier:
        """A network with weights; their scale is right for a temperature of 1."""
        import torch
        from sklearn.linear_model import LogisticRegression

        found, idf = [], []
        for counter, most in zip(counters(), (self.config.words, self.config.characters), strict=True):
            counts = counter.fit_transform(texts)
            n_texts = np.diff(counts.tocsc().indptr)
            names_in_order = counter.get_feature_names_out()
            rows = np.lexsort((names_in_order, -n_texts))[:most]
            rows.sort()
            found.append([str(name) for name in names_in_order[rows]])
            idf.append(np.log((1 + len(texts)) / (1 + n_texts[rows])) + 1)
        network: TextClassifier = TextClassifier(names, *found)
        network.idf.copy_(torch.from_numpy(np.concatenate(idf)))
        fitted = LogisticRegression(C=self.config.inverse_regularization, max_iter=200, tol=1e-3)
        fitted.fit(network.features(texts).astype(np.float32), labels)
        weights, bias = fitted.coef_, fitted.intercept_
        if len(weights) == 1:  # of two classes there is one row, for the second one
            weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        with torch.no_grad():
            network.head.weight.copy_(torch.from_numpy(weights))
            network.head.bias.copy_(torch.from_numpy(bias))
        network.eval()
        return network


def _held_out(texts: Texts) -> Texts | None:
    """The validation texts; None if none are held out, which `validation: 0` asks for."""
    try:
        return texts.take("validation")
    except DataError:
        return None


def _calibrated(network: TextClassifier, held_out: Texts) -> tuple[TextClassifier, dict[str, float], np.ndarray]:
    """The network with the temperature that suits held-out texts, its scores, and what it gives their own classes."""
    import torch
    from sklearn.metrics import f1_score

    assert held_out.labels is not None
    labels, said = np.array(held_out.labels), held_out.texts[TEXT]
    temperature = fit_temperature(torch.from_numpy(network.logits(said)), labels)
    network.register_to_config(temperature=temperature)
    probabilities = network.predict_proba(said)
    likely, best = probabilities[np.arange(len(labels)), labels], probabilities.argmax(1)
    scores = {
        "validation loss": float(-np.log(np.maximum(likely, 1e-300)).mean()),
        "validation accuracy": float((best == labels).mean()),
        "validation macro F1": float(f1_score(labels, best, average="macro")),
        "temperature": temperature,
    }
    return network, scores, likely

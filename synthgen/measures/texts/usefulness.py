"""How useful texts are for their task: the same light model trained on them, on real ones and on both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthgen.base.units import plural
from synthgen.measures.settings import Spread
from synthgen.measures.texts import facts, intents, reading, slots, states, translation
from synthgen.measures.texts.corpus import Corpus
from synthgen.measures.texts.linear import can_learn

MIN_TRAINING, MIN_TEST = 10, 10
MOST_TRAINING, MOST_TEST = 2_000, 2_000

LABELS = "labels"
"""The arm that tests the labels of synthetic records."""

Scores = Mapping[str, float]
"""What a model reaches on the test records, in percent, by the names of the metrics."""


@dataclass(frozen=True, slots=True)
class Task:
    """What records are used for.

    Attributes:
        use: keeps of a corpus the records that can be learned from; None where the corpus lacks what is needed.
        run: trains on the first corpus with a seed, and tests on the second.
        needs: what a dataset must have for it, in words; `of` what kind of records the task is for.
        most, most_test: records at most, to train on from each source and to test on.
        has_labels: records say themselves what the model is to find, so that it can judge synthetic ones.
    """

    name: str
    of: tuple[str, ...]
    needs: str
    use: Callable[[Corpus], Corpus | None]
    run: Callable[[Corpus, Corpus, int], Scores]
    most: int = MOST_TRAINING
    most_test: int = MOST_TEST
    has_labels: bool = True


def _with_labels(corpus: Corpus) -> Corpus | None:
    return None if corpus.labels is None else corpus


def _with_spans(corpus: Corpus) -> Corpus | None:
    return None if corpus.spans is None else corpus


def _with_acts(corpus: Corpus) -> Corpus | None:
    return corpus if corpus.has_acts else None


def _with_answers(corpus: Corpus) -> Corpus | None:
    if corpus.readings is None:
        return None
    return corpus.rows([i for i, one in enumerate(corpus.readings) if one.answers and one.question.strip()])


def _with_facts(corpus: Corpus) -> Corpus | None:
    if corpus.facts is None:
        return None
    return corpus.rows([i for i, fact in enumerate(corpus.facts) if fact.question.strip() and fact.subject.strip()])


TASKS = (
    Task("classes", ("utterances", "facts", "passages"), "classes", _with_labels, intents.train_and_test),
    Task("slots", ("utterances",), "slots", _with_spans, slots.train_and_test, 1_500, 1_000),
    Task(
        "translation memory",
        ("pairs",),
        "pairs",
        lambda corpus: corpus,
        translation.remember_and_test,
        10_000,
        1_000,
        has_labels=False,
    ),
    Task("answers", ("questions",), "contexts with answers", _with_answers, reading.train_and_test, 300, 200),
    Task(
        "answers by facts",
        ("facts",),
        "facts with questions",
        _with_facts,
        facts.train_and_test,
        MOST_TRAINING,
        MOST_TEST,
    ),
    Task("states", ("dialogues",), "acts of the messages", _with_acts, states.train_and_test, 600, 300),
)


def student(steps: int, languages: tuple[str, str] | None) -> Task:
    """A translator that is trained for `steps`."""

    def run(training: Corpus, test: Corpus, seed: int) -> Scores:
        return translation.train_and_test(training, test, seed, steps, languages)

    return Task("translator", ("pairs",), "pairs", lambda corpus: corpus, run, 50_000, 200, has_labels=False)


def measure(
    task: Task, synthetic: Corpus, real: Corpus, test: Corpus, seeds: int, say: Callable[[str], None]
) -> dict[str, Any] | str:
    """Scores of the same model trained on synthetic records, on as many real ones, and on both; or why there are none.

    `real` is what a second real set of the same size is worth: what synthetic records can reach. `labels` is the model
    of real records tested on synthetic ones: whether these are what they are labelled as. Records are as many as the
    task says at most, chosen at random by the seed.

    Returns:
        {"synthetic": {"n": ..., metric: {"mean", "deviation", "values"}}, "real": ..., "both": ..., "labels": ...}, or
        a sentence.
    """
    ours, theirs, held_out = task.use(synthetic), task.use(real), task.use(test)
    for corpus, what in ((ours, "the dataset has"), (theirs, "the real data have"), (held_out, "the test data have")):
        if corpus is None:
            return f"needs {task.needs}, and {what} none"
    assert ours is not None and theirs is not None and held_out is not None
    if min(len(ours), len(theirs)) < MIN_TRAINING or len(held_out) < MIN_TEST:
        return (
            f"needs {MIN_TRAINING} records of {task.needs} to train on and {MIN_TEST} to test on; there are "
            f"{len(ours):,} synthetic, {len(theirs):,} real and {len(held_out):,} for tests"
        )
    if not can_learn(ours.whole) or not can_learn(theirs.whole):
        return "all texts are blank"
    n = min(len(ours), task.most)
    held_out = held_out.sample(task.most_test, 0)
    values: dict[str, dict[str, list[float]]] = {}
    sizes: dict[str, int] = {}
    n_test = {LABELS: len(ours.sample(task.most_test, 0))}
    for seed in range(seeds):
        some, as_many = ours.sample(n, seed), theirs.sample(n, seed)
        arms = [("synthetic", some, held_out), ("real", as_many, held_out), ("both", some.join(as_many), held_out)]
        if task.has_labels:
            arms.append((LABELS, as_many, ours.sample(task.most_test, seed)))
        for arm, corpus, tested in arms:
            sizes[arm] = len(corpus)
            scores = task.run(corpus, tested, seed)
            for metric, score in scores.items():
                values.setdefault(arm, {}).setdefault(metric, []).append(score)
            reached = ", ".join(f"{metric.replace('_', ' ')} {score:.1f}" for metric, score in scores.items())
            source = "real" if arm == LABELS else arm
            where = ", tested on synthetic ones" if arm == LABELS else ""
            say(f"{task.name}, seed {seed}: trained on {plural(len(corpus), f'{source} record')}{where}: {reached}")
    return {
        arm: {
            "n": sizes[arm],
            "n_test": n_test.get(arm, len(held_out)),
            **{metric: _spread(some) for metric, some in found.items()},
        }
        for arm, found in values.items()
    }


def _spread(values: list[float]) -> dict[str, Any]:
    spread = Spread(tuple(values))
    return {
        "mean": round(spread.mean, 3),
        "deviation": round(spread.deviation, 3),
        "values": np.round(values, 3).tolist(),
    }

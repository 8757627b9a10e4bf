"""What the user of a dialogue wants so far: a light tracker of slots and values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from synthgen.language.words import words as words_of
from synthgen.measures.texts.corpus import Corpus, Turn
from synthgen.measures.texts.linear import Vectorizer, can_learn, logistic, words_in

Pair = tuple[str, str]
"""An act and its slot."""
State = dict[str, str]
"""Values by slot."""

SEPARATOR = "\n"


def train_and_test(training: Corpus, test: Corpus, seed: int) -> dict[str, float]:
    """F1 of acts with their slots, and joint goal accuracy, in percent, of the user's turns in the test dialogues.

    The state of a dialogue after a turn holds the last value of each slot that the user gave one, in whatever act.
    Joint goal accuracy is the share of the user's turns after which the state is right in all its slots and values.

    Source: Henderson et al. 2014, "The second dialog state tracking challenge", section 4 (as joint goal accuracy).
    """
    tracker = Tracker(training.dialogues or (), seed)
    found: Counter[str] = Counter()
    asked = [user_turns(turns) for turns in test.dialogues or ()]
    predicted = iter(tracker.acts([turn for turns in asked for turn in turns]))
    for turns in asked:
        truth: State = {}
        guess: State = {}
        for turn, _ in turns:
            acts = next(predicted)
            real = {(act, slot) for act, slot, _ in turn.acts}
            found.update(right=len(real & acts), found=len(acts), real=len(real))
            truth |= {slot: _same(value) for _, slot, value in turn.acts if slot and value}
            guess |= tracker.values(acts, turn.content)
            found.update(turns=1, joint=truth == guess)
    total = found["found"] + found["real"]
    return {
        "joint_goal_accuracy": 100 * found["joint"] / max(found["turns"], 1),
        "act_f1": 100 * 2 * found["right"] / total if total else 0.0,
    }


def user_turns(turns: Sequence[Turn]) -> list[tuple[Turn, str]]:
    """The user's turns, each with the message before it."""
    return [(turn, turns[i - 1].content if i else "") for i, turn in enumerate(turns) if turn.role == "user"]


class Tracker:
    """Predicts what a user's message does from it and the one before; values are looked up in the message.

    Each act with its slot is a class of its own, against all messages without it. A value is the longest one of
    its slot in the training dialogues whose words stand in the message; else the most frequent one.
    """

    def __init__(self, dialogues: Sequence[Sequence[Turn]], seed: int) -> None:
        turns = [turn for one in dialogues for turn in user_turns(one)]
        self._known: list[Pair] = sorted({(act, slot) for turn, _ in turns for act, slot, _ in turn.acts})
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._valued: set[Pair] = set()
        for turn, _ in turns:
            for act, slot, value in turn.acts:
                if slot and value:
                    counts[slot][_same(value)] += 1
                    self._valued.add((act, slot))
        self._values = {slot: [value for value, _ in some.most_common()] for slot, some in counts.items()}
        inputs = [_input(turn, before) for turn, before in turns]
        self._models: list[tuple[Pair, object]] = []
        if not can_learn(inputs):
            return
        self._features = Vectorizer(inputs, words_in)
        features = self._features(inputs)
        for pair in self._known:
            is_there = [int(pair in {(act, slot) for act, slot, _ in turn.acts}) for turn, _ in turns]
            self._models.append((pair, logistic(features, is_there, seed)))

    def acts(self, turns: Sequence[tuple[Turn, str]]) -> list[set[Pair]]:
        """The acts and slots of each of the user's turns."""
        found: list[set[Pair]] = [set() for _ in turns]
        if not self._models or not turns:
            return found
        features = self._features([_input(turn, before) for turn, before in turns])
        for pair, model in self._models:
            for i in np.flatnonzero(model.predict(features)):  # type: ignore[attr-defined]
                found[i].add(pair)
        return found

    def values(self, acts: set[Pair], message: str) -> Mapping[str, str]:
        """The values that these acts give to their slots."""
        words = f" {' '.join(words_of(message))} "
        found = {}
        for pair in sorted(acts & self._valued):
            known = self._values[pair[1]]
            there = [value for value in known if f" {value} " in words]
            found[pair[1]] = max(there, key=len) if there else known[0]
        return found


def _input(turn: Turn, before: str) -> str:
    """The message with the one before it, whose words end in `_`."""
    return turn.content + SEPARATOR + " ".join(f"{word}_" for word in words_of(before))


def _same(value: str) -> str:
    return " ".join(words_of(value))

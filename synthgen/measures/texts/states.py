"""What the user of a dialogue wants so far: a light tracker of slots and values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from synthgen.language.words import words as words_of
from synthgen.measures.texts.corpus import Corpus, Mark, Turn
from synthgen.measures.texts.linear import Vectorizer, can_learn, logistic, words_in
from synthgen.measures.texts.slots import Tagger

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
    predicted = iter(tracker([turn for turns in asked for turn in turns]))
    for turns in asked:
        truth: State = {}
        guess: State = {}
        for turn, _ in turns:
            acts, values = next(predicted)
            real = {(act, slot) for act, slot, _ in turn.acts}
            found.update(right=len(real & acts), found=len(acts), real=len(real))
            truth |= {slot: _same(value) for _, slot, value in turn.acts if slot and value}
            guess |= values
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
    """Predicts what a user's message does from it and the one before, and the values that it gives.

    Each act with its slot is a class of its own, against all messages without it. Values that messages say are found
    by a tagger of tokens, or are the longest of those of the slot in training that the message says. Values that they
    mostly do not say, such as names of intents, are classes of the message.
    """

    def __init__(self, dialogues: Sequence[Sequence[Turn]], seed: int) -> None:
        turns = [turn for one in dialogues for turn in user_turns(one)]
        self._known: list[Pair] = sorted({(act, slot) for turn, _ in turns for act, slot, _ in turn.acts})
        self._valued = {(act, slot) for turn, _ in turns for act, slot, value in turn.acts if slot and value}
        self._values = _values_of(turns)
        self._models: list[tuple[Pair, object]] = []
        self._unsaid: dict[str, object] = {}
        inputs = [_input(turn, before) for turn, before in turns]
        if not can_learn(inputs):
            return
        self._features = Vectorizer(inputs, words_in)
        features = self._features(inputs)
        for pair in self._known:
            is_there = [int(pair in {(act, slot) for act, slot, _ in turn.acts}) for turn, _ in turns]
            self._models.append((pair, logistic(features, is_there, seed)))
        spans = [_said(turn) for turn, _ in turns]
        for slot, counts in self._values.items():
            if 2 * sum(mark[2] == slot for marks in spans for mark in marks) < counts.total():
                rows = [(i, _same(v)) for i, (turn, _) in enumerate(turns) for _, s, v in turn.acts if s == slot and v]
                numbers, classes = zip(*rows, strict=True)
                self._unsaid[slot] = logistic(features[list(numbers)], classes, seed)
        self._tagger = Tagger([turn.content for turn, _ in turns], spans, seed)

    def __call__(self, turns: Sequence[tuple[Turn, str]]) -> list[tuple[set[Pair], State]]:
        """The acts with their slots, and the values by slot, of each of the user's turns."""
        found: list[tuple[set[Pair], State]] = [(set(), {}) for _ in turns]
        if not self._models or not turns:
            return found
        features = self._features([_input(turn, before) for turn, before in turns])
        for pair, model in self._models:
            for number in np.flatnonzero(model.predict(features)):  # type: ignore[attr-defined]
                found[number][0].add(pair)
        classes = {slot: model.predict(features) for slot, model in self._unsaid.items()}  # type: ignore[attr-defined]
        tagged = self._tagger.spans([turn.content for turn, _ in turns])
        for i, ((acts, values), (turn, _)) in enumerate(zip(found, turns, strict=True)):
            said = {name: _same(turn.content[start:end]) for start, end, name in tagged[i]}
            for _, slot in sorted(acts & self._valued):
                unsaid = str(classes[slot][i]) if slot in classes else ""
                values[slot] = unsaid or said.get(slot) or self._looked_up(slot, turn.content)
        return found

    def _looked_up(self, slot: str, message: str) -> str:
        """The longest value of a slot in training that the message says, else the most frequent one."""
        words = f" {' '.join(words_of(message))} "
        known = [value for value, _ in self._values[slot].most_common()]
        return max((value for value in known if f" {value} " in words), key=len, default=known[0])


def _values_of(turns: Sequence[tuple[Turn, str]]) -> dict[str, Counter[str]]:
    """How often each value is given to each slot."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for turn, _ in turns:
        for _, slot, value in turn.acts:
            if slot and value:
                found[slot][_same(value)] += 1
    return found


def _said(turn: Turn) -> list[Mark]:
    """Where a message says the values of its acts, the longest first; the slot is the class."""
    marks: list[Mark] = []
    content = turn.content.casefold()
    same_length = len(content) == len(turn.content)  # casefold can lengthen
    for _, slot, value in sorted(turn.acts, key=lambda act: -len(act[2])):
        start = content.find(value.casefold()) if slot and value and same_length else -1
        end = start + len(value)
        if start >= 0 and all(end <= a or b <= start for a, b, _ in marks):
            marks.append((start, end, slot))
    return sorted(marks)


def _input(turn: Turn, before: str) -> str:
    """The message with the one before it, whose words end in `_`."""
    return turn.content + SEPARATOR + " ".join(f"{word}_" for word in words_of(before))


def _same(value: str) -> str:
    return " ".join(words_of(value))

"""Light models learn what there is to learn, and nothing from useless data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from synthgen.measures.texts import facts, intents, reading, slots, states, translation, usefulness
from synthgen.measures.texts.corpus import Corpus, Fact, Reading, Turn
from synthgen.measures.texts.slots import labels_of, places, span_scores, spans_of

CITIES, DAYS = ("Lyon", "Bern", "Paris", "Rome", "Oslo"), ("Monday", "Friday", "Sunday")
TASKS = {task.name: task for task in usefulness.TASKS}


def requests(n: int, seed: int) -> Corpus:
    """Requests for trains and hotels, with their slots."""
    rng = np.random.default_rng(seed)
    texts, labels, spans = [], [], []
    for i in range(n):
        city, day = rng.choice(CITIES), rng.choice(DAYS)
        before = ("a train to ", "please book a hotel in ")[i % 2]
        texts.append(f"{before}{city} on {day}")
        start = len(before)
        end = start + len(city)
        spans.append(((start, end, "city"), (end + 4, end + 4 + len(day), "day")))
        labels.append(("train", "hotel")[i % 2])
    return Corpus("utterances", {"text": tuple(texts)}, labels=tuple(labels), spans=tuple(spans))


def measured(task: str, synthetic: Corpus, real: Corpus, test: Corpus) -> Any:
    found = usefulness.measure(TASKS[task], synthetic, real, test, 2, lambda line: None)
    assert isinstance(found, dict), found
    return found


def test_real_labels_are_as_useful_as_the_floor_and_wrong_ones_are_not() -> None:
    real, test = requests(60, 1), requests(60, 2)
    found = measured("classes", requests(60, 0), real, test)
    assert found["synthetic"]["accuracy"]["mean"] == found["real"]["accuracy"]["mean"] == 100
    assert found["both"]["n"] == 120 and found["synthetic"]["n"] == 60
    wrong = replace(requests(60, 0), labels=tuple(("hotel", "train")[i % 2] for i in range(60)))
    useless = measured("classes", wrong, real, test)
    assert useless["synthetic"]["accuracy"]["mean"] < 10 and useless["real"]["accuracy"]["mean"] == 100


def test_of_more_real_records_as_many_are_taken() -> None:
    found = measured("classes", requests(20, 0), requests(90, 1), requests(60, 2))
    assert (found["synthetic"]["n"], found["real"]["n"], found["both"]["n"]) == (20, 20, 40)


def test_one_class_alone_is_what_is_predicted() -> None:
    training = requests(20, 0)
    alone = replace(training, labels=("train",) * 20)
    found = intents.train_and_test(alone, requests(60, 1), 0)
    assert found == {"accuracy": 50, "macro_f1": pytest.approx(100 / 3)}


def test_slots_are_learned_and_shifted_ones_teach_nothing() -> None:
    real, test = requests(60, 1), requests(40, 2)
    found = measured("slots", requests(60, 0), real, test)
    assert found["synthetic"]["f1"]["mean"] > 95 and found["real"]["f1"]["mean"] > 95
    nowhere = replace(real, spans=tuple(((0, 1, "city"),) for _ in range(len(real))))
    assert slots.train_and_test(nowhere, test, 0)["f1"] == 0


def test_spans_by_hand() -> None:
    text = "to New York now"
    found = places(text)
    assert labels_of(found, [(3, 11, "city")]) == ["O", "B-city", "I-city", "O"]
    assert spans_of(found, ["O", "B-city", "I-city", "O"]) == [(3, 11, "city")]
    assert spans_of(found, ["I-a", "I-a", "B-a", "I-b"]) == [(0, 6, "a"), (7, 11, "a"), (12, 15, "b")]
    scores = span_scores([[(0, 2, "a"), (3, 5, "b")], []], [[(0, 2, "a")], [(0, 1, "a"), (1, 2, "a")]])
    assert scores == {"f1": pytest.approx(40), "precision": 50, "recall": pytest.approx(100 / 3)}


def pairs(n: int, offset: int = 0) -> Corpus:
    things = (("house", "Haus"), ("car", "Auto"), ("dog", "Hund"), ("tree", "Baum"))
    found = []
    for i in range(n):
        thing, ding = things[i % 4]
        found.append((f"the {thing} number {i + offset} is old", f"das {ding} Nummer {i + offset} ist alt"))
    return Corpus("pairs", {"de": tuple(target for _, target in found)}, pairs=tuple(found))


def test_a_translation_memory_needs_pairs_that_belong_together() -> None:
    real = pairs(40)
    shuffled = replace(real, pairs=tuple((a, f"quux {i}") for i, (a, _) in enumerate(real.pairs or ())))
    found = measured("translation memory", shuffled, real, pairs(40, 20))
    assert found["real"]["chrf"]["mean"] > 80 and found["synthetic"]["chrf"]["mean"] < 10
    same = translation.remember_and_test(real, real, 0)
    assert same["bleu"] > 95 and same["chrf"] > 95


def test_any_of_several_translations_is_right() -> None:
    sources, references = translation.grouped([("hi", "hallo"), ("yes", "ja"), ("hi", "guten Tag")])
    assert sources == ["hi", "yes"] and references == [["hallo", "guten Tag"], ["ja"]]
    assert translation.scores(["guten Tag", "ja"], references, "de")["chrf"] == pytest.approx(100)
    assert translation.scores(["我在里昂吃饭"], [["我在里昂吃饭"]], "zh-CN")["bleu"] == pytest.approx(100)


@pytest.mark.slow
def test_a_translator_is_trained_with_the_steps_that_are_asked_for() -> None:
    task = usefulness.student(2, ("en", "de"))
    found = task.run(pairs(20), pairs(3, 5), 0)
    assert set(found) == {"bleu", "chrf"} and 0 <= found["chrf"] <= 100


def passages(n: int, seed: int) -> Corpus:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        city, day, price = rng.choice(CITIES), rng.choice(DAYS), str(rng.integers(100, 999))
        context = f"The market is in {city}. It opens on {day}, and a ticket costs {price} francs."
        asked = rng.integers(3)
        question = ("Where is the market?", "When does it open?", "How many francs does a ticket cost?")[asked]
        found.append(Reading(context, question, ((city, day, price)[asked],)))
    return Corpus("questions", {"question": tuple(one.question for one in found)}, readings=tuple(found))


def test_a_reader_finds_answers_and_learns_nothing_from_wrong_ones() -> None:
    test = passages(60, 2)
    found = measured("answers", passages(60, 0), passages(60, 1), test)
    assert found["synthetic"]["f1"]["mean"] > 50 and found["real"]["f1"]["mean"] > 50
    wrong = [replace(one, answers=("The market",)) for one in passages(60, 0).readings or ()]
    assert reading.train_and_test(replace(passages(60, 0), readings=tuple(wrong)), test, 0)["exact_match"] < 20
    assert reading.f1_of_words("the old house", "house") == pytest.approx(0.5)


def dialogues(n: int, seed: int) -> Corpus:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        city, day = str(rng.choice(CITIES)), str(rng.choice(DAYS))
        found.append(
            (
                Turn("user", f"a room in {city}", (("inform", "city", city),)),
                Turn("assistant", "when?", (("ask", "day", ""),)),
                Turn("user", f"on {day}", (("inform", "day", day),)),
            )
        )
    return Corpus(
        "dialogues", {"messages": tuple("\n".join(t.content for t in one) for one in found)}, dialogues=tuple(found)
    )


def test_states_are_tracked_turn_by_turn() -> None:
    found = measured("states", dialogues(40, 0), dialogues(40, 1), dialogues(40, 2))
    assert found["synthetic"]["joint_goal_accuracy"]["mean"] == found["real"]["act_f1"]["mean"] == 100


def test_labels_of_synthetic_records_are_tested_by_a_model_of_real_ones() -> None:
    right, real = dialogues(40, 0), dialogues(40, 1)
    wrong = [tuple(replace(turn, acts=(("inform", "day", "x"),)) for turn in one) for one in right.dialogues or ()]
    for synthetic, said in ((right, 100), (replace(right, dialogues=tuple(wrong)), 0)):
        found = measured("states", synthetic, real, dialogues(40, 2))
        assert found["labels"]["joint_goal_accuracy"]["mean"] == said and found["labels"]["n"] == found["real"]["n"]


def test_a_wrong_turn_spoils_all_turns_after_it() -> None:
    one = (
        Turn("user", "a room in Lyon", (("inform", "city", "Lyon"),)),
        Turn("assistant", "when?"),
        Turn("user", "whenever", (("inform", "day", "Mars"),)),  # which the message does not say
        Turn("user", "no, in Bern", (("inform", "city", "Bern"),)),
        Turn("user", "on Friday", (("inform", "day", "Friday"),)),
    )
    test = Corpus("dialogues", {"messages": ("",)}, dialogues=(one,))
    found = states.train_and_test(dialogues(60, 0), test, 0)
    assert found["joint_goal_accuracy"] == 50
    new = (Turn("user", "a room in Ouagadougou", (("inform", "city", "Ouagadougou"),)),)
    found = states.train_and_test(dialogues(60, 0), replace(test, dialogues=(new,)), 0)
    assert found["joint_goal_accuracy"] == 100, "values that training lacks are found where they stand"


def test_values_that_messages_do_not_say_are_classes_of_them() -> None:
    def booking(what: str, intent: str) -> tuple[Turn, ...]:
        return (Turn("user", f"please {what}", (("want", "intent", intent),)),)

    some = [booking("book a table", "ReserveRestaurant"), booking("play a song", "PlayMusic")] * 10
    corpus = Corpus("dialogues", {"messages": ("",) * len(some)}, dialogues=tuple(some))
    assert states.train_and_test(corpus, corpus, 0) == {"joint_goal_accuracy": 100.0, "act_f1": 100.0}


def test_what_cannot_be_measured_is_said() -> None:
    some, none = requests(30, 0), replace(requests(30, 0), labels=None)
    say: Any = lambda line: None  # noqa: E731
    assert usefulness.measure(TASKS["classes"], none, some, some, 1, say) == "needs classes, and the dataset has none"
    few = usefulness.measure(TASKS["classes"], requests(5, 0), some, some, 1, say)
    assert few == (
        "needs 10 records of classes to train on and 10 to test on; there are 5 synthetic, 30 real and 30 for tests"
    )
    blank = replace(some, parts={"text": ("",) * 30})
    assert usefulness.measure(TASKS["classes"], blank, some, some, 1, say) == "all texts are blank"


def questions(n: int, seed: int, names: bool = True) -> Corpus:
    """Who is mayor of a town, or poet; every second question names no town if `names` is false."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        town, relation = f"{rng.choice(CITIES)} {rng.choice(DAYS)}".title(), ("mayor", "poet")[i % 2]
        asked = f"who is the {relation} of {town.lower()}?" if names or i % 4 < 2 else f"who is the {relation}?"
        found.append(Fact(town, relation, f"{relation} {town}", asked))
    texts = tuple(fact.question for fact in found)
    labels = tuple(fact.relation for fact in found)
    return Corpus("facts", {"question": texts}, labels=labels, facts=tuple(found))


def test_questions_are_answered_by_the_facts_of_their_subject_and_relation() -> None:
    found = measured("answers by facts", questions(80, 0), questions(80, 1), questions(60, 2))
    assert found["synthetic"] == found["synthetic"] | {"n": 80}
    for metric in ("accuracy", "relation", "subject"):
        assert found["synthetic"][metric]["mean"] > 95 and found["real"][metric]["mean"] > 95
    half = facts.train_and_test(questions(80, 1), questions(60, 2, names=False), 0)
    assert half["relation"] > 95 and half["accuracy"] == half["subject"] == pytest.approx(50, abs=5)
    confused = replace(questions(80, 0), facts=tuple(replace(f, relation="poet") for f in questions(80, 0).facts or ()))
    confused = replace(
        confused, facts=(*(confused.facts or ())[:-1], replace((confused.facts or ())[-1], relation="mayor"))
    )
    assert facts.train_and_test(confused, questions(60, 2), 0)["accuracy"] < 60
    assert isinstance(
        usefulness.measure(
            TASKS["answers by facts"],
            replace(questions(20, 0), facts=None),
            questions(20, 0),
            questions(20, 0),
            1,
            lambda line: None,
        ),
        str,
    )

"""Longest copied runs of words, against looking everywhere."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.language.longest_run import LongestRun
from synthgen.language.words import words

TEXTS = st.lists(st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join), max_size=8)


def by_looking(texts: list[str], text: str) -> int:
    said, known = words(text), [words(other) for other in texts]
    runs = {tuple(other[i:j]) for other in known for i in range(len(other)) for j in range(i + 1, len(other) + 1)}
    mine = (said[i:j] for i in range(len(said)) for j in range(i + 1, len(said) + 1))
    return max((len(run) for run in mine if tuple(run) in runs), default=0)


@given(TEXTS, st.lists(st.sampled_from("abcdx"), max_size=10).map(" ".join))
@settings(max_examples=200, deadline=None)
def test_it_is_the_longest_of_all(texts: list[str], text: str) -> None:
    assert LongestRun(texts).length(text) == by_looking(texts, text)


def test_runs_end_with_texts_and_case_and_punctuation_do_not_matter() -> None:
    runs = LongestRun(["I would like a table.", "In Lyon, please", "我想去北京"])
    assert runs.length("i WOULD like, a table in Lyon") == 5
    assert runs.length("a table in lyon please") == 3
    assert runs.length("明天我想去上海") == 3
    assert runs.length("nothing known") == runs.length("") == LongestRun([]).length("a b") == 0


def test_long_texts_with_the_same_parts() -> None:
    part = " ".join(f"w{i}" for i in range(300))
    runs = LongestRun([f"{part} end", f"start {part}"])
    assert runs.length(f"start {part} end") == 301
    assert runs.length(f"x {part} x") == 300

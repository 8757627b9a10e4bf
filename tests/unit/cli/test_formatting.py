"""How commands print what is to be typed, counted and measured."""

from __future__ import annotations

import shlex

import pytest
import yaml

from synthgen.cli import formatting


def test_commands_are_shown_as_they_must_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formatting.prefix() == ""
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert formatting.prefix() == "uv run "


def test_sizes() -> None:
    assert [formatting.size(n) for n in (0, 999, 1000, 3400, 12_000_000, 3.2e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "3.4 kB",
        "12 MB",
        "3.2 TB",
    ]


def test_durations() -> None:
    """No `6 min 60 s`: what is shown is rounded first."""
    seconds = [0.02, 4.46, 59.7, 419.6, 3599.6, 7500]
    assert [formatting.duration(s) for s in seconds] == [
        "20 ms",
        "4.5 s",
        "1 min 0 s",
        "7 min 0 s",
        "1 h 00 min",
        "2 h 05 min",
    ]


def test_long_lists_are_cut() -> None:
    assert formatting.counts({"cat": 54, "dog": 20}) == "cat 54, dog 20"
    assert formatting.counts({str(i): i for i in range(30)}, limit=2) == "0 0, 1 1 and 28 more"


def test_plural() -> None:
    assert [formatting.plural(n, "shard") for n in (0, 1, 2)] == ["0 shards", "1 shard", "2 shards"]
    assert formatting.plural(2, "class", "classes") == "2 classes"


def test_words_of_other_languages() -> None:
    assert formatting.yaml_word("models/a-b_1") == "models/a-b_1"
    assert yaml.safe_load(f"{{model: {formatting.yaml_word('my: model')}}}") == {"model": "my: model"}
    for text in ("plain", "it's", 'a "b"', "$HOME `ls` !x"):
        assert shlex.split(formatting.quoted(text)) == [text]

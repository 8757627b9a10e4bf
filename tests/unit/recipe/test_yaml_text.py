"""Recipe text: what is read, on which line, and what is refused."""

from __future__ import annotations

import pytest

from synthgen.errors import RecipeError
from synthgen.recipe import yaml_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1_000", "1_000"),
        ("0x10", 16),
        ("no", "no"),
        ("on", "on"),
        ("2026-01-01", "2026-01-01"),
        ("12:30", "12:30"),
        ("true", True),
        ("~", None),
        ("'true'", "true"),
        ("-.inf", float("-inf")),
        ("[1, a, {b: 2.5}]", [1, "a", {"b": 2.5}]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    assert yaml_text.parse(f"key: {text}", "f").data == {"key": value}


def test_lines_are_remembered() -> None:
    text = yaml_text.parse("a: 1\nb:\n  - c: 2\n  - d:\n      e: 3\n", "f.yaml")
    assert text.where(("b", 0, "c")) == "f.yaml:3"
    assert text.where(("b", 1, "d", "e")) == "f.yaml:5"
    assert text.where(("b", 1, "d", "missing")) == "f.yaml:4"
    assert text.where(("nothing",)) == "f.yaml:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1: the file is empty"),
        ("a: 1\na: 2", "f:2: a: given twice, first in line 1"),
        ("a: [1, 2", "f:1: not valid YAML"),
        ("a: 1\n\tb: 2", "f:2: not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]", "f:1: tags such as"),
        ("a: !!binary aGVsbG8=", "f:1: tags such as"),
        ("--- 1\n--- 2", "f:2: not valid YAML"),
        ("{[1, 2]: 3}", "f:1: a key must be a plain text"),
        (r'a: "\ud800"', "f:1: holds half a surrogate pair"),
        ("a: *nothing", "f:1: not valid YAML"),
        ("[" * 60 + "]" * 60, "nested more than 40 levels deep"),
        ("[" * 5000 + "]" * 5000, "nested more than 40 levels deep"),
        ("x" * (2 << 20), "larger than 1024 KiB"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        yaml_text.parse(text, "f")
    assert message in str(caught.value)


def test_alias_bomb() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(RecipeError, match="once aliases are expanded"):
        yaml_text.parse("\n".join(lines), "f")


def test_self_reference() -> None:
    with pytest.raises(RecipeError):
        yaml_text.parse("a: &a [*a]", "f")


def overridden(text: str, *assignments: str) -> yaml_text.RecipeText:
    parsed = yaml_text.parse(text, "f")
    for assignment in assignments:
        yaml_text.override(parsed, assignment)
    return parsed


def test_overrides() -> None:
    text = overridden("a: {b: 1}\nl: [{x: 1}, {x: 2}]", "a.b=2.5", "a.c=[1, no]", "l.1.x=new", "n.m=1", "a.e=")
    assert text.data == {"a": {"b": 2.5, "c": [1, "no"], "e": None}, "l": [{"x": 1}, {"x": "new"}], "n": {"m": 1}}
    assert text.where(("a", "b")) == "--set a.b"
    assert text.where(("l", 1, "x")) == "--set l.1.x"
    assert text.where(("l", 0, "x")) == "f:2"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("a.b", "must have the form key=value"),
        ("=1", "must have the form key=value"),
        ("l.7=1", "must be a position from 0 to 1"),
        ("l.x.y=1", "must be a position from 0 to 1"),
        ("a=[1", "--set a:1: not valid YAML"),
    ],
)
def test_overrides_that_cannot_be(assignment: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        overridden("a: {b: 1}\nl: [1, 2]", assignment)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{" + ", ".join(f"k{i}: {i}" for i in range(70_000)) + "}", "f:1: more than 100000 values"),
        ("{a: " * 100_000, "f:1: nested more than 40 levels deep"),
        ("- " * 400_000, "f:1: nested more than 40 levels deep"),
        ("\n".join(f"k{i}: &a{i} [1]" for i in range(40_000)), "more than 100000 values"),
        ('a: "\\ud83d"\n' + "b: 1\n" * 30_000, "with escapes of surrogates"),
        ("!" * 1000, "tags such as"),
    ],
)
def test_large_and_deep_texts_are_refused_before_they_are_composed(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        yaml_text.parse(text, "f")


def test_problems_of_overrides_and_of_lines_are_sorted() -> None:
    problems = [("f:10", "b", "x"), ("--set a.0", "a.0", "y"), ("f:9", "c", "z"), ("f", "", "w")]
    assert yaml_text.listed(problems) == ["f: w", "--set a.0: a.0: y", "f:9: c: z", "f:10: b: x"]


def test_a_number_of_many_digits_is_no_place_in_a_list() -> None:
    with pytest.raises(RecipeError, match="must be a position from 0 to 1"):
        overridden("l: [1, 2]", f"l.{'9' * 5000}=1")
    with pytest.raises(RecipeError, match="the list is empty"):
        overridden("l: []", "l.0=1")

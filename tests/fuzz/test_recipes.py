"""Recipes as files, and `--set`: any text is read and bound, or refused with file, line and key."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

import fuzzing
import helpers
from synthgen.errors import RecipeError
from synthgen.generate.binding import Binding
from synthgen.parts.registry import Plugins
from synthgen.recipe import reading, recipe, yaml_text

SHIPPED = sorted((helpers.ROOT / "recipes").rglob("*.yaml"))
BINDABLE = [helpers.ROOT / "recipes" / f"{name}.yaml" for name in ("classification", "detection", "anomalies")]
"""Recipes whose parts stand on small files alone, so that they are bound to each other as well."""

Path = tuple[str | int, ...]
NAMES = st.sampled_from(
    ("list", "dict[str,int]", "a[b", "int", "use", "kind", "data", "", "é", "a.b", "x" * 300, "model", "__class__", "0")
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((0, -1, 10**21, 10**400, 1e-300, "1e999", "nan", [], {}, "a" * 300, "trained", "../../etc")),
    st.floats(),
    st.text(max_size=8),
    st.lists(st.integers(-2, 3) | st.text(max_size=3), max_size=3),
    st.dictionaries(NAMES, st.integers(-2, 300) | st.text(max_size=3), max_size=3),
)


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """The path of every key and every list item."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from places(inner, (*at, key))


def holder(value: Any, place: Path) -> Any:
    for step in place[:-1]:
        value = value[step]
    return value


@st.composite
def mutated(draw: st.DrawFn, seeds: st.SearchStrategy[Any]) -> Any:
    """A recipe's value with some keys renamed, moved, copied or removed, and values of other types and sizes."""
    made = copy.deepcopy(draw(seeds))
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(made))
        if not every:
            break
        place = draw(st.sampled_from(every))
        inside, key = holder(made, place), place[-1]
        kind = draw(st.sampled_from(("set", "set", "rename", "remove", "move")))
        if kind == "set":
            inside[key] = draw(VALUES)
        elif kind == "rename" and isinstance(inside, dict):
            inside[draw(NAMES)] = inside.pop(key)
        elif kind == "move":
            there = holder(made, draw(st.sampled_from(every)))
            value = copy.deepcopy(inside[key])
            if isinstance(there, dict):
                there[draw(NAMES | st.just(str(key)))] = value
            else:
                there.append(value)
        else:
            del inside[key]
    return made


@st.composite
def assignments(draw: st.DrawFn, seeds: st.SearchStrategy[Any]) -> tuple[Any, str]:
    """A recipe's value and a `--set` for it: a key that is there or none, and any text as its value."""
    base = draw(seeds)
    place = list(draw(st.sampled_from(list(places(base)))))
    for _ in range(draw(st.integers(0, 2))):
        place[draw(st.integers(0, len(place) - 1))] = draw(NAMES)
    value = draw(st.sampled_from(("[", "{a: 1}", "1e999", "&a *a", "", "'", "nan", "9" * 5000)) | st.text(max_size=6))
    path = ".".join(str(step) for step in place)
    return base, draw(st.sampled_from((f"{path}={value}", path, f"{path}.9999999999={value}", f".{path}={value}")))


@pytest.mark.slow
def test_damaged_recipes_are_read_or_refused() -> None:
    plugins = Plugins()
    raw = [path.read_bytes() for path in SHIPPED]
    shipped = st.sampled_from([yaml.safe_load(text) for text in raw])
    bindable = st.sampled_from([yaml.safe_load(path.read_text()) for path in BINDABLE])
    inputs = st.one_of(
        fuzzing.damaged(st.sampled_from(raw)),
        mutated(shipped).map(lambda value: yaml_text.RecipeText("f.yaml", value)),
        mutated(bindable).map(lambda value: yaml_text.RecipeText("f.yaml", value)),
        assignments(shipped),
    )

    def attempt(given: Any) -> None:
        if isinstance(given, bytes):
            text = yaml_text.read(given.decode("utf-8", "replace"), "f.yaml")
        elif isinstance(given, tuple):
            text = yaml_text.RecipeText("f.yaml", copy.deepcopy(given[0]))
            yaml_text.override(text, given[1])
        else:
            text = given
        try:
            draft = reading.draft(text, plugins)
            if is_bindable(draft.recipe):
                Binding(draft, plugins)
            elif error := draft.refusal():
                raise error
        except RecipeError as error:
            assert all(line.startswith(("f.yaml:", "--set ")) for line in error.problems), error.problems
            raise

    fuzzing.check("recipes", inputs, attempt)


def is_bindable(found: recipe.Recipe) -> bool:
    """Whether the parts load nothing large."""
    if not isinstance(found, recipe.DatasetRecipe) or found.data or found.train:
        return False
    return found.condition.use in ("classes", "random-boxes") and found.sampler.use in ("class-conditional", "series")

"""Reading recipes: from a file, or what it would hold, to a valid recipe or to all of its problems at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from pydantic import BaseModel

from synthgen.errors import PluginError, RecipeError, UsageError
from synthgen.parts.problem import Location, Problem
from synthgen.parts.registry import Plugins
from synthgen.recipe import sections, yaml_text
from synthgen.recipe.findings import describe
from synthgen.recipe.recipe import (
    KINDS,
    DatasetRecipe,
    Given,
    ModelRecipe,
    Recipe,
    long_form,
    placed_parts,
    spec_class,
)
from synthgen.recipe.sections import Raw, put
from synthgen.recipe.yaml_text import RecipeText


@dataclass(frozen=True)
class Draft:
    """What one reading of a recipe found, right or wrong.

    Attributes:
        recipe: what the text says; keys that are wrong are left out or have their default, and where
            one is needed that cannot be read, another stands in its place.
        problems: what is wrong.
        wrong: places of the keys that were left out: top-level ones and settings of parts.
        broken: places of the parts that cannot be made.
        untrained: places of the parts that use the model which the recipe trains itself.
        sharing: places of the parts that have the recipe's `data` as their own.
    """

    text: RecipeText
    recipe: Recipe
    problems: tuple[Problem, ...] = ()
    wrong: frozenset[Location] = frozenset()
    broken: frozenset[Location] = frozenset()
    untrained: frozenset[Location] = frozenset()
    sharing: frozenset[Location] = frozenset()

    def refusal(self, more: Iterable[Problem] = ()) -> RecipeError | None:
        """The error that names every problem, those of the text and `more` included; None if there is none."""
        problems = [*self.problems, *more]
        return refusal(self.text, problems) if problems or self.text.problems else None


def load_recipe(path: Given, overrides: Iterable[str] = (), plugins: Plugins | None = None) -> Recipe:
    """Reads, overrides and validates a recipe, its parts' settings included.

    Raises:
        UsageError: the file cannot be read.
        RecipeError: every problem found, each as `file:line: key: what is wrong`.
    """
    return validate(load_text(path, overrides), plugins or Plugins())


def load_text(path: Given, overrides: Iterable[str] = ()) -> RecipeText:
    """The text of a recipe with its overrides, to be looked at with `draft` or `validate`.

    Raises:
        UsageError: the file cannot be read, or what was built in Python could not stand in one.
        RecipeError: it is no YAML, or an override cannot be applied.
    """
    if isinstance(path, BaseModel):
        path = path.model_dump(mode="json", exclude_unset=True)
    text = yaml_text.built(path) if isinstance(path, Mapping) else yaml_text.read(_content(path), str(path))
    for assignment in overrides:
        yaml_text.override(text, assignment)
    return text


def _content(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such recipe; `ls recipes/` shows the ones that come with synthgen") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a text file: {error}") from None


def kind_of(text: RecipeText) -> str:
    """`dataset` or `model`. Raises RecipeError if the text says neither."""
    if not isinstance(text.data, dict):
        raise refusal(text, [Problem("must be a mapping of keys to values")])
    kind = text.data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise refusal(text, [Problem(f"must be `dataset` or `model` (got {kind!r})", place=("kind",))])
    return kind


def validate(text: RecipeText, plugins: Plugins) -> Recipe:
    """The recipe that `text` holds, or a RecipeError with all of its problems."""
    found = draft(text, plugins)
    if error := found.refusal():
        raise error
    return found.recipe


def draft(text: RecipeText, plugins: Plugins) -> Draft:
    """Looks at every key and at the settings of every part, whatever is wrong with the others.

    Raises:
        RecipeError: the text does not say what kind of recipe it is.
    """
    model = KINDS[kind_of(text)]
    data, problems = copy.deepcopy(text.data), []
    try:
        model.model_validate(data)
    except pydantic.ValidationError as error:
        problems += describe(error, model, (), data)
    unusable = {problem.place[0] for problem in problems if problem.place}
    raw = _raw_parts(model, data)
    sharing: list[Location] = []
    if model is DatasetRecipe:
        sharing, found = sections.share_data(data, raw, plugins)
        problems += [*found, *sections.check(text.data, raw)]
    wrong: set[Location] = {(key,) for key in unusable} | text.twice
    broken: set[Location] = set()
    for role, place, part in _raw_parts(model, data):
        envelope = {key: part[key] for key in part if key in spec_class(role).model_fields}
        given = {key: part[key] for key in part if key not in envelope}
        found, settings = _part_problems(plugins, role, part["use"], given)
        placed = [sections.placed(problem.below(place), sharing) for problem in found]
        problems += [problem for problem in placed if problem.place != ("data",) or "data" not in unusable]
        if settings is None or any(place[: len(two)] == two or two[: len(place)] == place for two in text.twice):
            broken.add(place)
        elif found:
            wrong |= {(*place, key) for key in given if key not in settings}
            put(data, place, {**envelope, **settings})
    usable = {key: value for key, value in data.items() if key not in unusable}
    for key, field in model.model_fields.items():
        if field.is_required() and key not in usable:
            broken.add((key,))
            usable[key] = "unread" if key == "name" else {"use": "unread"}
    untrained = sections.untrained(raw) if model is DatasetRecipe else ()
    return Draft(
        text,
        model.model_validate(usable),
        tuple(problems),
        frozenset(wrong),
        frozenset(broken),
        frozenset(untrained),
        frozenset(sharing),
    )


def _raw_parts(model: type[DatasetRecipe] | type[ModelRecipe], data: dict[str, Any]) -> list[Raw]:
    """The parts of a recipe whose envelope may be wrong, so that their own problems are reported as well."""

    def value_at(place: tuple[str, ...]) -> Any:
        found: Any = data
        for key in place:
            found = found.get(key) if isinstance(found, dict) else None
        return long_form(found)

    return [
        (role, place, {str(key): value for key, value in entry.items()})
        for role, place, entry in placed_parts(model.PLACES, value_at)
        if isinstance(entry, dict) and isinstance(entry.get("use"), str)
    ]


def _part_problems(
    plugins: Plugins, role: str, use: str, given: Mapping[str, Any]
) -> tuple[list[Problem], Mapping[str, Any] | None]:
    """What is wrong with the settings of a part, and those that are right; None if they do not make the part."""
    try:
        config = config_class(plugins, role, use)
    except PluginError as error:
        return [Problem(str(error), place=("use",))], None
    try:
        config.model_validate(given)
    except pydantic.ValidationError as error:
        problems = describe(error, config, (), given, [key for key in spec_class(role).model_fields if key != "use"])
        keys = {item["loc"][0] if item["loc"] else None for item in error.errors(include_url=False)}
        settings = {key: value for key, value in given.items() if key not in keys}
        try:
            config.model_validate(settings)
        except pydantic.ValidationError:
            return problems, None
        return problems, settings
    return [], given


def config_class(plugins: Plugins, role: str, name: str) -> type[BaseModel]:
    """The settings model of a part."""
    config: type[BaseModel] = plugins.find(role, name).Config  # type: ignore[attr-defined]
    return config


def refusal(text: RecipeText, problems: Iterable[Problem]) -> RecipeError:
    """All problems of a recipe, its text's included, as `file:line: key: message`, in the order of the file.

    Of what was given twice nothing else is said, because it is not known which was meant.
    """
    located = [
        (text.where(found.place), yaml_text.dotted(found.place), found.message)
        for found in problems
        if not any(found.place[:n] in text.twice for n in range(1, len(found.place) + 1))
    ]
    return RecipeError(yaml_text.listed([*text.problems, *located]))

"""A dataset's recipe made ready: read, checked, its own model found, its parts bound to each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from synthgen.base import fetched
from synthgen.errors import ModelError, UsageError
from synthgen.generate.binding import Binding
from synthgen.generate.plan import Plan, plan_of
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.readers.data_facts import DataFacts, facts_of
from synthgen.recipe import reading
from synthgen.recipe.reading import Draft
from synthgen.recipe.recipe import DatasetRecipe, Given
from synthgen.recipe.smoke import smoked
from synthgen.stages import evaluation, training
from synthgen.stages.training import OwnModel


@dataclass(frozen=True)
class ResolvedRecipe:
    """A dataset's recipe in which nothing is wrong, as far as that is known before its own model is trained.

    Attributes:
        binding: its parts, and what they decide together.
        own: the model that its `train` makes.
        notes: what the user should know, a line each.
    """

    draft: Draft
    plugins: Plugins
    binding: Binding
    own: OwnModel | None = None
    notes: tuple[str, ...] = ()

    @property
    def recipe(self) -> DatasetRecipe:
        """The recipe as it was written, with its sections `data`, `train` and `evaluate`."""
        assert isinstance(self.draft.recipe, DatasetRecipe)
        return self.draft.recipe

    @cached_property
    def plan(self) -> Plan:
        """The plan. Raises ModelError while the recipe's own model is not trained."""
        if self.binding.recipe.train is not None:
            folder = self.own.folder if self.own else ""
            raise ModelError(f"{self.draft.text.file}: its model {folder} is not trained yet; `synthgen run` trains it")
        return plan_of(self.binding, self.plugins)

    @property
    def default_out(self) -> Path:
        """`runs/<name>-<digest8>`."""
        return Path("runs") / f"{self.recipe.name}-{self.plan.digest[:8]}"

    @property
    def real(self) -> Mapping[str, Any] | None:
        """The real data that the finished dataset is compared with."""
        return origin.real_data(self.recipe)

    @property
    def data_facts(self) -> DataFacts:
        """How the table that a dataset is made from is read, in words; empty where no part reads one."""
        return facts_of([*([self.own.trainer] if self.own else []), self.binding.condition])

    def trained(self) -> ResolvedRecipe:
        """The recipe with its own model, now that it is trained. Parts that do not use it are kept.

        Raises:
            RecipeError: what only the trained model can tell, such as a class that it does not know.
        """
        assert self.own is not None
        draft = training.resolved(self.draft, self.own.folder)
        return replace(self, binding=Binding(draft, self.plugins, self.binding))


def resolve(
    path: Given,
    samples: int | None = None,
    overrides: Iterable[str] = (),
    plugin_files: Sequence[str] = (),
    smoke: bool = False,
) -> ResolvedRecipe:
    """Reads a dataset recipe and checks all that can be checked. Loads no weights, draws nothing, trains nothing.

    With `smoke`, the recipe is checked as it is, and then taken with small models in the place of real
    ones; those are made under `runs/.smoke`.

    Raises:
        RecipeError: every problem of the recipe at once.
        UsageError: no such file, or a recipe for a model.
    """
    fetched.forget()
    plugins = Plugins(plugin_files)
    extra = [f"samples={samples}"] if samples is not None else []
    text = reading.load_text(path, [*overrides, *extra])
    if reading.kind_of(text) != "dataset":
        raise UsageError(f"{text.file}: is a recipe for a model; use `synthgen train {shlex.quote(text.file)}`")
    draft = reading.draft(text, plugins)
    found = _resolved(draft, plugins)
    if not smoke:
        return found
    content, notes = smoked(found.recipe, plugins)
    small = Draft(text, DatasetRecipe.model_validate(content), untrained=draft.untrained, sharing=draft.sharing)
    return replace(_resolved(small, plugins), notes=tuple(notes))


def _resolved(draft: Draft, plugins: Plugins) -> ResolvedRecipe:
    own, in_data = training.find(draft, plugins)
    problems = (*draft.problems, *in_data, *evaluation.problems(draft))
    # What is wrong with real data is said where they are named, and not by every part that reads them.
    broken = draft.broken | (draft.sharing if in_data else frozenset())
    draft = replace(draft, problems=problems, broken=broken)
    if own is None or in_data:
        binding = Binding(draft, plugins)
    elif own.done:
        binding = Binding(training.resolved(draft, own.folder), plugins)
    else:
        binding = training.bind_to_sketch(draft, own, plugins)
    return ResolvedRecipe(draft, plugins, binding, own)

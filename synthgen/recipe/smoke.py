"""A recipe with small models of random weights in the place of real ones: every stage runs, and nothing is learnt."""

from __future__ import annotations

from typing import Any

from synthgen.parts.registry import Plugins
from synthgen.recipe.recipe import ModelRecipe, Recipe
from synthgen.recipe.sections import put

STEPS = 2
N_SAMPLES = 8  # one shard: a second worker would only import everything again
BATCH_SIZE = 4


def smoked(recipe: Recipe, plugins: Plugins) -> tuple[dict[str, Any], list[str]]:
    """The recipe's content for a smoke run, to be validated again, and what was changed, as texts for the user.

    Parts that know a small model of their kind take it, and other trainers take a few steps; a dataset
    has a few samples and no rules, which models that have learnt nothing would not pass.
    """
    content = recipe.model_dump(mode="json")
    content["name"] = f"{recipe.name}-smoke"
    notes = []
    for role, place, spec in recipe.parts():
        cls: Any = plugins.find(role, spec.use)
        make = getattr(cls, "smoke", None)
        if make is None and role == "trainers" and "steps" in cls.Config.model_fields:
            put(content, place, spec.model_dump(mode="json") | {"steps": STEPS})
            notes.append(f"smoke: {spec.use} trains for {STEPS} steps")
        if make is None:
            continue
        settings = make(spec.settings)
        envelope = spec.model_dump(mode="json", include=set(type(spec).model_fields))
        put(content, place, {**envelope, **settings})
        if "model" in settings and settings["model"] != spec.settings.get("model"):
            notes.append(f"smoke: {spec.use} takes {settings['model']}, with random weights")
    if isinstance(recipe, ModelRecipe):
        return content, notes
    content |= {"smoke": True, "samples": N_SAMPLES, "shard_size": N_SAMPLES, "keep": []}
    content["batch_size"] = BATCH_SIZE if recipe.batch_size == "auto" else min(recipe.batch_size, BATCH_SIZE)
    if recipe.evaluate:
        content["evaluate"] |= {"seeds": 1, "steps": STEPS, "effort": 0.001}
    rules = f", without the rules {' and '.join(recipe.keep)}" if recipe.keep else ""
    return content, [*notes, f"smoke: {N_SAMPLES} samples{rules}"]

"""A recipe with small models of random weights in the place of real ones: every stage runs, and nothing is learnt."""

from __future__ import annotations

from typing import Any

from synthgen.plugins import Plugins
from synthgen.recipe import ModelRecipe, Recipe, put

N_SAMPLES = 8  # one shard: a second worker would only import everything again
BATCH_SIZE = 4


def smoked(recipe: Recipe, plugins: Plugins) -> tuple[dict[str, Any], list[str]]:
    """The recipe's content for a smoke run, to be validated anew, and what was changed, as texts for the user.

    Parts that know a small model of their kind take it; a dataset has a few samples and no rules,
    which models that have learnt nothing would not pass.
    """
    content = recipe.model_dump(mode="json")
    content["name"] = f"{recipe.name}-smoke"
    notes = []
    for role, place, spec in recipe.parts():
        make: Any = getattr(plugins.find(role, spec.use), "smoke", None)
        if make is None:
            continue
        settings = make(spec.settings)
        put(content, place, {"use": spec.use, **settings})
        if "model" in settings and settings["model"] != spec.settings.get("model"):
            notes.append(f"smoke: {spec.use} takes {settings['model']}, with random weights")
    if isinstance(recipe, ModelRecipe):
        return content, notes
    content |= {"smoke": True, "samples": N_SAMPLES, "shard_size": N_SAMPLES, "keep": []}
    content["batch_size"] = BATCH_SIZE if recipe.batch_size == "auto" else min(recipe.batch_size, BATCH_SIZE)
    rules = f", without the rules {' and '.join(recipe.keep)}" if recipe.keep else ""
    return content, [*notes, f"smoke: {N_SAMPLES} samples{rules}"]

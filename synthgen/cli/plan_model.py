"""What `synthgen plan` says of a recipe for a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthgen.base.names import printable
from synthgen.cli import formatting, plan_machine
from synthgen.dataset import licences
from synthgen.generate.binding import Binding
from synthgen.generate.executors.placement import Demand
from synthgen.models import folders
from synthgen.parts.protocols import Source
from synthgen.parts.registry import Plugins
from synthgen.readers import origin
from synthgen.readers.data_facts import DataFacts
from synthgen.recipe.reading import config_class
from synthgen.recipe.recipe import DatasetRecipe, ModelRecipe
from synthgen.recipe.sections import Resources
from synthgen.stages.training import OwnModel
from synthgen.training.cost import Cost


def describe(recipe: ModelRecipe, plugins: Plugins) -> dict[str, Any]:
    """Everything that is said but what a training takes, as JSON values. No weights are loaded, nothing is fetched.

    Raises:
        DataError: its images cannot be listed, or the range of their values is not known.
    """
    settings = recipe.trainer.settings
    base, data = settings.get("base"), settings.get("data") or {}
    sources = [Source("model", base, "", settings.get("licence") or _licence(base))] if base else []
    path = origin.place_of(data)
    sources += [Source("data", data.get("source") or path, "", data.get("licence", "unknown"))] if path else []
    out = Path("models") / recipe.name
    return {
        "name": recipe.name,
        "trainer": recipe.trainer.use,
        "settings": {name: value for name, value in settings.items() if not isinstance(value, dict | list)},
        "training": _training(recipe, plugins),
        "sources": [{"kind": source.kind, "name": source.name, "licence": source.licence} for source in sources],
        "machine": plan_machine.describe([settings], [source.name for source in sources]),
        "missing_data": path if path and ":" not in path and not Path(path).exists() else None,
        "out": {"folder": str(out), "trained": any((out / name).is_file() for name in folders.INDEXES)},
        "notes": data_notes(plugins.find("trainers", recipe.trainer.use), settings),
        "warnings": licences.warnings(sources),
    }


def data_notes(trainer: Any, settings: Mapping[str, Any]) -> list[str]:
    """What users should know of how a trainer will read its data, if these can say it before they are read."""
    notes = getattr(getattr(trainer.Config.model_validate(settings), "data", None), "notes", None)
    return list(notes()) if notes else []


def facts(found: DataFacts, notes: Sequence[str] = ()) -> dict[str, Any]:
    """How a table is read, as JSON values, with its notes after those that are known already."""
    return {"columns": dict(found.columns), "data": dict(found.rows), "notes": [*notes, *map(printable, found.notes)]}


def _training(recipe: ModelRecipe, plugins: Plugins) -> dict[str, int]:
    """Its steps, images a step and steps between checkpoints, defaults included, as far as the trainer has them."""
    config = config_class(plugins, "trainers", recipe.trainer.use).model_validate(recipe.trainer.settings)
    names = ("steps", "batch_size", "checkpoint_every")
    return {name: value for name in names if isinstance(value := getattr(config, name, None), int)}


def cost(trainer: Any, seed: int) -> dict[str, Any] | None:
    """What a training takes on this machine, as JSON values; None if its trainer does not measure that before it."""
    found = trainer.cost(seed) if hasattr(trainer, "cost") else None
    return found and dataclasses.asdict(found)


def model_cost(recipe: ModelRecipe, plugins: Plugins) -> dict[str, Any] | None:
    """The same of a recipe for a model."""
    cls: Any = plugins.find("trainers", recipe.trainer.use)
    return cost(cls(cls.Config.model_validate(recipe.trainer.settings)), recipe.seed)


def _training_text(facts: Mapping[str, Any]) -> str:
    if "steps" not in facts:
        return ""
    of = f" of {facts['batch_size']}" if "batch_size" in facts else ""
    every = f", a checkpoint every {facts['checkpoint_every']}" if "checkpoint_every" in facts else ""
    measured = (
        str(Cost(**facts["cost"]))
        if facts.get("cost")
        else "disk is estimated before the first step, time and memory are measured in the first ones, and "
        "`synthgen train` says so"
    )
    return f"{facts['steps']} steps{of}{every}; {measured}"


def say(facts: dict[str, Any]) -> str:
    """The same as text."""
    settings = " ".join(f"{name}={value}" for name, value in facts["settings"].items() if name != "base")
    out = f"{facts['out']['folder']} " + ("holds a trained model" if facts["out"]["trained"] else "is not trained yet")
    rows = [
        ("model", facts["name"]),
        ("trainer", f"{facts['trainer']} {settings}"),
        ("training", _training_text(facts["training"])),
        *((source["kind"], f"{source['name']}, licence {source['licence']}") for source in facts["sources"]),
        *formatting.data_rows(facts.get("columns", {}), facts.get("data", {})),
        *plan_machine.rows(facts["machine"], "synthgen train"),
        ("output", out),
    ]
    lines = [formatting.table(rows)]
    if facts["missing_data"]:
        lines.append(f"{facts['missing_data']} does not exist yet: put your data there before `synthgen train`")
    lines += [f"note: {text}" for text in facts["notes"]]
    return "\n".join([*lines, *(f"warning: {text}" for text in facts["warnings"])])


def describe_own(own: OwnModel) -> dict[str, Any]:
    """What is said of the model that a dataset's recipe trains itself, as JSON values."""
    return {
        "trainer": own.recipe.trainer.use,
        "folder": str(own.folder),
        "trained": own.done,
        "steps": own.steps,
        "steps_done": (own.ended or own.steps) if own.done else own.steps_done,
        "data": own.data,
        "cost": None if own.done else cost(own.trainer, own.recipe.seed),
        "notes": [] if own.done else data_notes(type(own.trainer), own.recipe.trainer.settings),
    }


def own_rows(own: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The same as a row of a table; none without such a model."""
    if own is None:
        return []
    on = f" on {own['data']}" if own["data"] else ""
    if own["trained"]:
        ended = own["steps_done"] != own["steps"]
        done = f"ended at step {own['steps_done']} of {own['steps']}" if ended else "done"
        return [("train", f"{own['trainer']}{on}: {done}, in {own['folder']}")]
    steps = "" if own["steps"] is None else f"{own['steps']} steps"
    left = f" (goes on from step {own['steps_done']})" if own["steps_done"] else ""
    row = ("train", f"{own['trainer']}, {steps}{on}, into {own['folder']}: will be trained first{left}")
    if not own["cost"]:
        return [row]
    cost = Cost(**own["cost"])
    return [row, ("takes", str(dataclasses.replace(cost, steps=cost.steps - own["steps_done"])))]


def before_training(binding: Binding, own: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a dataset whose model is not trained yet, as JSON values."""
    recipe = binding.recipe
    return {
        "name": recipe.name,
        "digest": None,
        "samples": binding.n_samples,
        "shard_size": recipe.shard_size,
        "batch_size": recipe.batch_size,
        "tries": recipe.tries,
        "keep": [str(rule) for rule in binding.rules],
        "parts": [part for part in parts(recipe) if part["role"] != "trainer"],
        "train": dict(own),
        "evaluate": recipe.evaluate.model_dump(mode="json") if recipe.evaluate else None,
    }


def say_before_training(facts: Mapping[str, Any]) -> str:
    """The same as text."""
    rows = [
        (
            "dataset",
            f"{facts['name']}, {formatting.known(facts['samples'])}{' samples' if facts['samples'] else ' of samples'}",
        ),
        *own_rows(facts["train"]),
        *formatting.data_rows(facts["columns"], facts["data"]),
        ("shards", f"of {facts['shard_size']} slots, generated in batches of {facts['batch_size']}"),
        keep_row(facts),
        *(part_row(part) for part in facts["parts"]),
        ("evaluate", "against the real data, once the dataset is complete" if facts["evaluate"] else ""),
        (
            "output",
            "runs/<name>-<digest>; the digest is known once the model is trained".replace("<name>", facts["name"]),
        ),
    ]
    return "\n".join([formatting.table(rows), *(f"note: {text}" for text in facts["notes"])])


def parts(recipe: DatasetRecipe) -> list[dict[str, Any]]:
    """The parts of a recipe with their settings, and actors of their own if they have some, as JSON values."""
    found = []
    for role, _, spec in recipe.parts():
        pool = spec.model_dump(mode="json", include={"pool"})
        found.append({"role": role[:-1], "use": spec.use, "settings": spec.settings, **pool})
    return found


def keep_row(facts: Mapping[str, Any]) -> tuple[str, str]:
    """The keep rules, and how often a slot is tried."""
    rules = " and ".join(facts["keep"])
    return "keep", f"{rules}, up to {facts['tries']} tries a slot" if rules else "everything"


def part_row(part: Mapping[str, Any]) -> tuple[str, str]:
    """A part with its plain settings."""
    settings = {name: value for name, value in part["settings"].items() if not isinstance(value, dict | list)}
    text = " ".join([part["use"], *(f"{name}={value}" for name, value in settings.items())])
    return part["role"], text + (f"; {_pool_text(part['pool'])}" if "pool" in part else "")


def _pool_text(pool: Mapping[str, Any]) -> str:
    """`on Ray in 2 actors of its own, each with 1 CPU, 1 GPU`."""
    n, resources = pool["actors"], Resources(**{name: pool[name] for name in Resources.model_fields})
    gpu = "" if resources.gpus is not None else ", a GPU where there are any"
    each = Demand.of(resources, "auto", [])
    return f"on Ray in {formatting.plural(n, 'actor')} of its own, {'each ' * (n > 1)}with {each}{gpu}"


def _licence(base: str) -> str:
    folder = folders.STARTERS / base.removeprefix(folders.PREFIX) if base.startswith(folders.PREFIX) else Path(base)
    return str(folders.read_card(folder).get("license", "unknown")) if folder.is_dir() else "see the hub"

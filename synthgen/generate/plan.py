"""The plan: a recipe turned into slots, shards, parts and a digest; a pure function of the recipe, everywhere."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from synthgen.base.json_files import canonical
from synthgen.errors import PluginError
from synthgen.fields import Schema, class_field
from synthgen.generate import splits
from synthgen.generate.binding import Binding, Parts
from synthgen.parts.protocols import Part, Slot
from synthgen.parts.registry import Plugins
from synthgen.recipe import rules
from synthgen.recipe.reading import Draft
from synthgen.recipe.recipe import FORMAT, DatasetRecipe, PartSpec
from synthgen.recipe.yaml_text import RecipeText

Json = dict[str, Any]

MAX_COUNTED = 100_000
"""Slots that are looked at to count classes, where a condition cannot say how many there are."""

LEFT_OUT = {
    "name": "a label for people; the same content under another name is the same content",
    "description": "prose",
    "samples": "slot i does not depend on the total, so a dataset can grow",
    "tries": "only slots that ran out of tries depend on it, so a short dataset can be finished",
    "data": "those that a condition reads are in its identity, those of a training in the model's hash",
    "train": "the hash of the weights that it made is in the identity of the parts that use them",
    "evaluate": "it looks at the finished dataset",
    "resources": "they decide where workers run, and how many",
    "pool": "the same of a labeler or scorer that has actors of its own",
}
"""Recipe keys that are not part of the digest, and why. Output folder, workers, executor and
device are left out as well: they are not in the recipe at all."""


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before anything is generated.

    `schema` lists the stored fields: the sampler's, the labelers' and the scorers', in that order.
    `local_parts` names the parts that files given with `--plugin` define.
    """

    recipe: DatasetRecipe
    parts: Parts
    schema: Schema
    rules: tuple[rules.Rule, ...]
    n_samples: int
    identity: Json
    local_parts: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """sha256 of the identity's canonical JSON, in hex."""
        return hashlib.sha256(canonical(self.identity).encode()).hexdigest()

    @property
    def n_shards(self) -> int:
        return -(-self.n_samples // self.recipe.shard_size)

    @property
    def score_names(self) -> list[str]:
        return [name for _, part in self.parts.scorers for name in part.fields]

    def shard_range(self, shard: int) -> range:
        """Slot numbers of a shard."""
        start = shard * self.recipe.shard_size
        return range(start, min(start + self.recipe.shard_size, self.n_samples))

    def slots(self, shard: int) -> list[Slot]:
        """The slots of a shard, in order, made when asked for: a plan of a million samples weighs nothing."""
        return [self.slot(index) for index in self.shard_range(shard)]

    def slot(self, index: int) -> Slot:
        values, family = self.parts.condition.condition(index)
        return Slot(index, values, self._splits.of(index), family)

    @cached_property
    def _splits(self) -> splits.Splits:
        def group(index: int) -> splits.Group:
            values, family = self.parts.condition.condition(index)
            return values[self._class_field] if self._class_field else None, family

        return splits.Splits(self.recipe.seed, self.recipe.splits, group)

    @property
    def _class_field(self) -> str | None:
        """The condition's first field that gives a class, by which slots are counted and divided into splits."""
        return class_field(self.parts.condition.fields)

    def class_counts(self) -> dict[str, int]:
        """Slots by class name, over the first label field of the condition; empty if there is none.

        It is empty too if more than 100,000 slots would have to be looked at one by one.
        """
        name, condition = self._class_field, self.parts.condition
        if name is None:
            return {}
        classes = condition.fields[name].sample_classes
        if hasattr(condition, "class_counts") and (known := condition.class_counts(self.n_samples)) is not None:
            return dict(zip(classes, known, strict=True))
        if self.n_samples > MAX_COUNTED:
            return {}
        ids = Counter(condition.condition(index)[0][name] for index in range(self.n_samples))
        return {each: ids[i] for i, each in enumerate(classes)}


def build(recipe: DatasetRecipe, plugins: Plugins) -> Plan:
    """Makes and binds the parts of a valid recipe, and plans it. Loads no weights.

    Raises:
        RecipeError: all problems that only the parts together can know, such as a class that the model lacks.
    """
    return plan_of(Binding(Draft(RecipeText(recipe.name, recipe.model_dump()), recipe), plugins), plugins)


def plan_of(found: Binding, plugins: Plugins) -> Plan:
    """The plan of a recipe whose parts are all bound."""
    recipe = found.recipe
    assert found.parts is not None and found.n_samples is not None
    identity = _identity(recipe, found.parts, found.schema, found.rules, plugins)
    try:
        canonical(identity)
    except (TypeError, ValueError) as error:
        raise PluginError(f"a part's identity() is not made of JSON values: {error}") from None
    local = tuple(dict.fromkeys(spec.use for role, _, spec in recipe.parts() if plugins.origin(role, spec.use)))
    return Plan(recipe, found.parts, found.schema, found.rules, found.n_samples, identity, local)


def _identity(
    recipe: DatasetRecipe, parts: Parts, schema: Schema, kept: Sequence[rules.Rule], plugins: Plugins
) -> Json:
    def entry(role: str, use: str, part: Part) -> Json:
        found: Json = {"use": use, "version": part.version, **part.identity()}
        origin = plugins.origin(role, use)
        return found | ({"file_sha256": origin} if origin else {})

    def entries(role: str, specs: Sequence[PartSpec], made: Sequence[tuple[str, Any]]) -> list[Json]:
        return [entry(role, spec.use, part) for spec, (_, part) in zip(specs, made, strict=True)]

    return {
        "format": FORMAT,
        **({"smoke": True} if recipe.smoke else {}),
        "seed": recipe.seed,
        "shard_size": recipe.shard_size,
        "batch_size": recipe.batch_size,
        "splits": {name: recipe.splits[name] for name in sorted(recipe.splits)},
        "splits_version": splits.VERSION,
        "condition": entry("conditions", recipe.condition.use, parts.condition),
        "sampler": entry("samplers", recipe.sampler.use, parts.sampler),
        "labelers": entries("labelers", recipe.labelers, parts.labelers),
        "scorers": entries("scorers", recipe.scorers, parts.scorers),
        "writers": entries("writers", recipe.output.writers, parts.writers),
        "keep": [str(rule) for rule in kept],
        "fields": [{"name": name, **field.describe()} for name, field in schema.items()],
    }


def differences(old: Any, new: Any, prefix: str = "") -> Iterator[str]:
    """Where two identities differ, one line a key: `sampler.steps: 18 -> 20`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(set(old) | set(new)):
            place = f"{prefix}.{key}" if prefix else str(key)
            yield from differences(old.get(key), new.get(key), place)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{prefix}.{i}")
    elif old != new:
        yield f"{prefix}: {json.dumps(old)} -> {json.dumps(new)}"

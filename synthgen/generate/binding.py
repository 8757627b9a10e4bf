"""Binding: the parts of a recipe are made and shown to each other, and every problem of that is found at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthgen.base import disk
from synthgen.errors import RecipeError, SynthgenError
from synthgen.fields import Field, Schema
from synthgen.parts.protocols import Annotator, Condition, Part, Sampler, Source, Writer
from synthgen.parts.registry import Plugins
from synthgen.recipe.recipe import DatasetRecipe, Draft, PartSpec
from synthgen.recipe.yaml_text import Location

RESERVED = {"key", "split", "meta", "index", "try", "seed", "condition", "json"}
"""Names that a stored sample has besides its fields."""

MAX_FIELD = 60
"""Characters of a field's name: member names in tar files have 100, key and ending included."""
MAX_CLASS = 200
"""Characters of a class's name: it becomes the name of a folder, which may have 255 bytes."""


@dataclass(frozen=True)
class Parts:
    """The parts of one dataset, bound to each other; `setup` loads their weights."""

    condition: Condition
    sampler: Sampler
    labelers: tuple[tuple[str, Annotator], ...]
    scorers: tuple[tuple[str, Annotator], ...]
    writers: tuple[tuple[str, Writer], ...]

    @property
    def annotators(self) -> tuple[tuple[str, Annotator], ...]:
        """Labelers, then scorers, in recipe order, each with the name of its random stream."""
        return self.labelers + self.scorers

    def setup(self, device: str) -> None:
        """Loads all weights on `device`."""
        self.sampler.setup(device)
        for _, annotator in self.annotators:
            annotator.setup(device)

    def sources(self) -> list[Source]:
        """The models and data behind the dataset, each once."""
        everything: list[Part] = [self.condition, self.sampler, *(part for _, part in self.annotators)]
        found = {(source.kind, source.name, source.sha256): source for part in everything for source in part.sources}
        return [found[key] for key in sorted(found)]


class Asked(dict[str, Field]):
    """Fields, with a note of the names that a part asks for."""

    def __init__(self, fields: Schema) -> None:
        super().__init__(fields)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Field:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    @property
    def missed(self) -> set[str]:
        return self.names - set(self.keys())


class Binder:
    """Makes the parts one after the other, each seeing the fields of those before it.

    A part that is wrong does not stop those after it, and what only follows from it is not said:
    that a field is missing which it might have added, or that one of its fields does not fit.

    Attributes:
        problems: what was found, each with its place.
    """

    def __init__(self, draft: Draft, plugins: Plugins) -> None:
        assert isinstance(draft.recipe, DatasetRecipe)
        self.recipe: DatasetRecipe = draft.recipe
        self.draft = draft
        self.plugins = plugins
        self.problems: list[tuple[Location, str]] = []
        self._made: dict[Location, Any] = {}
        self._doubtful: set[str] = set()  # fields whose type may be another once the problems are solved
        self._open: set[Location] = set()  # parts of which it is not known what they add

    def parts(self) -> tuple[Parts | None, Schema]:
        """The bound parts, None if any could not be made, and the stored fields."""
        specs = self.recipe.parts()
        self._made = {place: self._make(role, place, spec) for role, place, spec in specs}
        self._open |= {(role,) for role in ("labelers", "scorers") if (role,) in self.draft.wrong}
        condition, sampler = self._made["condition",], self._made["sampler",]
        if condition is None:
            self._open.add(("condition",))
        elif self._dropped(("condition",)):
            self._doubtful |= {*condition.fields, *(f"condition.{name}" for name in condition.fields)}
        given = dict(condition.fields) if condition else {}
        self._note(("condition",), [*self._wrong_names(("condition",), given, ()), *_long_classes(given)])
        self._bind(("sampler",), self.recipe.sampler, given)
        image_format = self.recipe.output.image_format
        stored: dict[str, Any] = {
            name: field.with_image_format(image_format) for name, field in (sampler.fields if sampler else {}).items()
        }
        seen = {f"condition.{name}": field for name, field in given.items()} | stored
        for role, place, spec in specs:
            if role in ("labelers", "scorers"):
                stored |= self._bind(place, spec, seen)
                seen |= stored
        self._note_suffixes()
        if any(part is None for part in self._made.values()):
            return None, stored
        labelers, scorers = (
            tuple(
                (f"{role[:-1]}:{spec.use}:{place[-1]}", self._made[place])
                for each, place, spec in specs
                if each == role
            )
            for role in ("labelers", "scorers")
        )
        writers = tuple((spec.use, self._made[place]) for role, place, spec in specs if role == "writers")
        return Parts(condition, sampler, labelers, scorers, writers), stored

    @property
    def scores(self) -> list[str] | None:
        """Names of the scores, None if it is not known which there are."""
        places = [place for role, place, _ in self.recipe.parts() if role == "scorers"]
        if ("scorers",) in self._open or any(place in self._open or self._dropped(place) for place in places):
            return None
        return [name for place in places for name in self._made[place].fields]

    @property
    def natural_size(self) -> int | None:
        """Samples that the condition makes by itself."""
        condition = self._made["condition",]
        return condition.samples if condition else None

    @property
    def knows_condition(self) -> bool:
        return self._made["condition",] is not None and not self._dropped(("condition",))

    def _make(self, role: str, place: Location, spec: PartSpec) -> Any:
        if place in self.draft.broken | self.draft.untrained:
            return None
        try:
            cls: Any = self.plugins.find(role, spec.use)
            with disk.named_paths():
                return cls(cls.Config.model_validate(spec.settings))
        except RecipeError:
            raise
        except SynthgenError as error:
            self._note(place, [str(error)])
            return None

    def _bind(self, place: Location, spec: PartSpec, fields: Schema) -> dict[str, Field]:
        """Shows `fields` to a part, and notes what is wrong with it; returns the fields that it adds."""
        part = self._made[place]
        if part is None:
            self._open.add(place)
            return {}
        seen = Asked(fields)
        messages = list(part.bind(seen))
        self._note(place, [text for text in messages if self._is_cause(place, spec, seen, text)])
        if messages and not part.fields:
            self._open.add(place)
        if messages or self._dropped(place) or seen.names & self._doubtful:
            self._doubtful |= set(part.fields)
        self._note(place, self._wrong_names(place, part.fields, () if place == ("sampler",) else fields))
        return dict(part.fields)

    def _is_cause(self, place: Location, spec: PartSpec, seen: Asked, message: str) -> bool:
        """Whether a problem would be there if all problems before it were solved."""
        if any(self._may_be_added(name, place) for name in seen.missed):
            return False
        missed = {name for name in seen.missed if f"`{name}`" in message}
        if missed:
            return not self._dropped(place) or bool(missed & set(map(str, spec.settings.values())))
        return not seen.names & self._doubtful

    def _may_be_added(self, name: str, place: Location) -> bool:
        """Whether a field that is missing at `place` might come from a part that is not understood yet."""
        if place == ("sampler",) or name.startswith("condition."):
            return ("condition",) in self._open
        return bool(self._open - {("condition",)} - ({("scorers",)} if place[0] == "labelers" else set()))

    def _dropped(self, place: Location) -> set[str]:
        """Settings of a part that were left out because they are wrong, and those that were meant by them."""
        keys = {
            str(wrong[-1]) for wrong in self.draft.wrong if len(wrong) > len(place) and wrong[: len(place)] == place
        }
        part = self._made.get(place)
        known = list(type(part).Config.model_fields) if part else []
        return keys | {near for key in keys for near in difflib.get_close_matches(key, known, n=1)}

    def _wrong_names(self, place: Location, new: Schema, seen: Iterable[str]) -> Sequence[str]:
        if self._dropped(place):
            return []
        return [
            *(
                f"adds a field whose name has {len(name)} characters; {MAX_FIELD} fit into every file"
                for name in new
                if len(name) > MAX_FIELD
            ),
            *(
                f"adds the field `{name}`, a name that stored samples use themselves"
                for name in sorted(set(new) & RESERVED)
            ),
            *(f"adds the field `{name}`, which exists already" for name in sorted(set(new) & set(seen))),
        ]

    def _note_suffixes(self) -> None:
        seen: dict[str, str] = {}
        for role, place, spec in self.recipe.parts():
            part = self._made[place]
            if role == "writers" and part and seen.setdefault(part.suffix, spec.use) != spec.use:
                self._note(place, [f"writes .{part.suffix} files, as `{seen[part.suffix]}` does"])

    def _note(self, place: Location, messages: Sequence[str]) -> None:
        """Notes problems, unless they are about a setting that is wrong anyhow."""
        named = [re.compile(rf"`{re.escape(key)}\b") for key in self._dropped(place)]
        self.problems += [(place, text) for text in messages if not any(key.search(text) for key in named)]


def _long_classes(fields: Schema) -> list[str]:
    return [
        f"has a class whose name has {len(cls)} characters, which is too long for the name of a folder: {cls[:40]} ..."
        for field in fields.values()
        for cls in getattr(field, "classes", ())
        if len(cls) > MAX_CLASS
    ]
